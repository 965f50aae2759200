"""The page *Factor*."""

from distaff_dashboards.factor_view import show

show()

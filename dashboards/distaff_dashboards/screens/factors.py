"""The page *Factors*."""

from distaff_dashboards.factors_view import show

show()

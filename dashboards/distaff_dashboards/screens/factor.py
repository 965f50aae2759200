"""The page *Factor*."""

from distaff_dashboards.pages.factors.factor import show

show()

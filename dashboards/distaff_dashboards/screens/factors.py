"""The page *Factors*."""

from distaff_dashboards.pages.factors.index import show

show()

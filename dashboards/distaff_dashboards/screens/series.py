"""The page *Series*."""

from distaff_dashboards.pages.series.page import show

show()

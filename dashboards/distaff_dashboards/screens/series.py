"""The page *Series*."""

from distaff_dashboards.series_view import show

show()

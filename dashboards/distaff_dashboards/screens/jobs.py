"""The page *Jobs*."""

from distaff_dashboards.jobs_view import show

show()

"""The page *Jobs*."""

from distaff_dashboards.pages.jobs.page import show

show()

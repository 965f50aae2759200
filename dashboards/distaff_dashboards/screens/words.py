"""The page *Words*."""

from distaff_dashboards.pages.people.words import show

show()

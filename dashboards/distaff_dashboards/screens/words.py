"""The page *Words*."""

from distaff_dashboards.words_view import show

show()

"""The page *Board*."""

from distaff_dashboards.pages.board import show

show()

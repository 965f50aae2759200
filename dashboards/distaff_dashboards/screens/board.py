"""The page *Board*."""

from distaff_dashboards.board_view import show

show()

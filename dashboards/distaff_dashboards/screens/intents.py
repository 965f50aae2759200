"""The page *Intents*."""

from distaff_dashboards.intents_view import show

show()

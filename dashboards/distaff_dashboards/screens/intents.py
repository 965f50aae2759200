"""The page *Intents*."""

from distaff_dashboards.pages.people.intents import show

show()

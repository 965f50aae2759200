"""The pages by name: what leads to a page needs to know no more of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import streamlit as st

from distaff_dashboards.ui import wording

_ICON = ":material/chevron_right:"


@dataclass(frozen=True)
class PagePlace:
    """Where a page is.

    Attributes:
        path: Opens it, as ``/path``.
        title: Its name in the menu and above it.
        first: Whether ``/`` opens it, in place of its path.
    """

    path: str
    title: str
    first: bool = False

    def entry(self) -> st.Page:
        """Return the page as links take it: known by its path, whatever draws it."""
        return st.Page(_nothing, title=self.title, url_path=self.path, default=self.first)

    def link(self, label: str, **parameters: str) -> None:
        """Draw a link to the page, with a plain label and what the page is to show."""
        st.page_link(self.entry(), label=wording.escape(label), icon=_ICON, query_params=parameters)

    def go(self, parameters: Mapping[str, str]) -> None:
        """Turn to the page, which is to show what the parameters name."""
        st.switch_page(self.entry(), query_params=dict(parameters))


HOME = PagePlace("home", "Home", first=True)
FACTORS = PagePlace("factors", "Factors")
FACTOR = PagePlace("factor", "Factor")
PERSON = PagePlace("person", "Person")
ITEM = PagePlace("item", "Item")
WORDS = PagePlace("words", "Words")
BLIND_SPOTS = PagePlace("blind-spots", "Blind spots")
SERIES = PagePlace("series", "Series")
INCIDENT = PagePlace("incident", "Incident")
FOLLOWED = PagePlace("followed", "Followed")
BOARD = PagePlace("board", "Board")
RUN = PagePlace("run", "Run")
COMPARE = PagePlace("compare", "Compare")
AUDIT = PagePlace("audit", "Audit")
SWEEPS = PagePlace("sweeps", "Sweeps")
JOBS = PagePlace("jobs", "Jobs")
GLOSSARY = PagePlace("glossary", "Glossary")

MENU: Mapping[str, tuple[PagePlace, ...]] = {
    "": (HOME,),
    "People and items": (FACTORS, FACTOR, PERSON, ITEM, WORDS, BLIND_SPOTS),
    "Series": (SERIES,),
    "Incidents": (INCIDENT, FOLLOWED),
    "Evidence": (BOARD, RUN, COMPARE, AUDIT),
    "Operation": (SWEEPS, JOBS),
    "Help": (GLOSSARY,),
}
"""The menu: three journeys, what they stand on, and what runs by itself."""

JOURNEYS: Mapping[str, PagePlace] = {"interactions": FACTORS, "series": SERIES, "incidents": INCIDENT}
"""Where the journey of each kind of data begins."""


def _nothing() -> None:
    """Draw nothing: the page of that path is drawn by its own function."""

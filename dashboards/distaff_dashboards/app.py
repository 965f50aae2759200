"""Entry of the app: ``streamlit run`` on this file, or ``distaff dashboard``."""

from pathlib import Path

import streamlit as st

from distaff_dashboards.access import gate
from distaff_dashboards.ui.places import MENU
from distaff_dashboards.views.audit import audit_page
from distaff_dashboards.views.board import board_page
from distaff_dashboards.views.compare import compare_page
from distaff_dashboards.views.factors.blind_spots import blind_spots_page
from distaff_dashboards.views.factors.factor import factor_page
from distaff_dashboards.views.factors.index import factors_page
from distaff_dashboards.views.glossary import glossary_page
from distaff_dashboards.views.home.page import home_page
from distaff_dashboards.views.incident.followed import followed_page
from distaff_dashboards.views.incident.page import incident_page
from distaff_dashboards.views.jobs.page import jobs_page
from distaff_dashboards.views.people.item import item_page
from distaff_dashboards.views.people.person import person_page
from distaff_dashboards.views.people.words import words_page
from distaff_dashboards.views.run import run_page
from distaff_dashboards.views.search import search
from distaff_dashboards.views.series.page import series_page
from distaff_dashboards.views.sweeps.page import sweeps_page

# No folder beside this file may be called "pages": Streamlit would serve its files by themselves, without the gate.
_PAGES = (
    *(home_page, factors_page, factor_page, person_page, item_page, words_page, blind_spots_page, series_page),
    *(
        incident_page,
        followed_page,
        board_page,
        run_page,
        compare_page,
        audit_page,
        sweeps_page,
        jobs_page,
        glossary_page,
    ),
)

_MENU = 220  # pixels of the menu: the page beside it keeps its room on a narrow screen


def main() -> None:
    """Set the frame up and run the page that the URL names."""
    st.set_page_config(page_title="Distaff", page_icon="🧵", layout="wide", initial_sidebar_state=_MENU)
    gate.keep()
    st.logo(str(Path(__file__).with_name("logo.svg")), size="large")
    entries = {page.place: page.entry() for page in _PAGES}
    menu = {section: [entries[place] for place in places] for section, places in MENU.items()}
    current = st.navigation(menu, position="sidebar", expanded=True)
    search(current.url_path)
    current.run()


main()

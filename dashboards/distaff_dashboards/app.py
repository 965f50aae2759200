"""Entry of the app: ``streamlit run`` on this file, or ``distaff dashboard``."""

from pathlib import Path

import streamlit as st

from distaff_dashboards.access import gate
from distaff_dashboards.views.audit import audit_page
from distaff_dashboards.views.board import board_page
from distaff_dashboards.views.factors.blind_spots import blind_spots_page
from distaff_dashboards.views.factors.factor import factor_page
from distaff_dashboards.views.factors.index import factors_page
from distaff_dashboards.views.incident.page import incident_page
from distaff_dashboards.views.jobs.page import jobs_page
from distaff_dashboards.views.people.intents import intents_page
from distaff_dashboards.views.people.words import words_page
from distaff_dashboards.views.series.page import series_page
from distaff_dashboards.views.sweeps.page import sweeps_page

# No folder beside this file may be called "pages": Streamlit would serve its files by themselves, without the gate.
_PAGES = (board_page, audit_page, factors_page, factor_page, intents_page, words_page, blind_spots_page, incident_page,
          series_page, sweeps_page, jobs_page)  # fmt: skip


def main() -> None:
    """Set the frame up and run the page that the URL names."""
    st.set_page_config(page_title="Distaff", page_icon="🧵", layout="wide")
    gate.keep()
    st.logo(str(Path(__file__).with_name("logo.svg")), size="large")
    st.navigation([page.entry() for page in _PAGES], position="top").run()


main()

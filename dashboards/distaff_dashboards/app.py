"""Entry of the app: ``streamlit run`` on this file, or ``distaff dashboard``."""

from pathlib import Path

import streamlit as st

from distaff_dashboards.access import gate

# Not named "pages": Streamlit would serve such a folder's files by themselves, without the frame that is set up here.
_SCREENS = Path(__file__).parent / "screens"


def main() -> None:
    """Set the frame up and run the page that the URL names."""
    st.set_page_config(page_title="Distaff", page_icon="🧵", layout="wide")
    gate.keep()
    st.logo(str(_SCREENS.parent / "logo.svg"), size="large")
    pages = [
        st.Page(_SCREENS / "board.py", title="Board", default=True),
        st.Page(_SCREENS / "factors.py", title="Factors", url_path="factors"),
        st.Page(_SCREENS / "factor.py", title="Factor", url_path="factor"),
        st.Page(_SCREENS / "intents.py", title="Intents", url_path="intents"),
        st.Page(_SCREENS / "words.py", title="Words", url_path="words"),
        st.Page(_SCREENS / "blind_spots.py", title="Blind spots", url_path="blind-spots"),
        st.Page(_SCREENS / "incident.py", title="Incident", url_path="incident"),
        st.Page(_SCREENS / "series.py", title="Series", url_path="series"),
        st.Page(_SCREENS / "sweeps.py", title="Sweeps", url_path="sweeps"),
        st.Page(_SCREENS / "jobs.py", title="Jobs", url_path="jobs"),
    ]
    st.navigation(pages, position="top").run()


main()

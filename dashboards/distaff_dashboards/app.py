"""Entry of the app: ``streamlit run`` on this file, or ``distaff dashboard``."""

from pathlib import Path

import streamlit as st

_HERE = Path(__file__).parent


def main() -> None:
    """Set the frame up and run the page that the URL names."""
    st.set_page_config(page_title="Distaff", page_icon="🧵", layout="wide")
    st.logo(str(_HERE / "logo.svg"), size="large")
    pages = [
        st.Page(_HERE / "pages" / "board.py", title="Board", url_path="board", default=True),
        st.Page(_HERE / "pages" / "intents.py", title="Intents", url_path="intents"),
    ]
    st.navigation(pages, position="top").run()


main()

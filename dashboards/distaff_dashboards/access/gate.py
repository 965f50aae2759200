"""The gate before every page: a login where one is configured, and no page at all where others could come in without."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

import streamlit as st

from distaff_dashboards.access import login


def is_own(origin: str | None, host: str | None) -> bool:
    """Tell whether the page that opened the connection is of this server: of the same host and port.

    Streamlit takes every page of this machine for its own, whichever server it comes from. Who is no browser says no origin.
    """
    return origin is None or urlsplit(origin).netloc.lower() == (host or "").lower()


def keep() -> None:
    """Let the visitor through, or show why not and end the run here."""
    if os.environ.get(login.REQUIRED) != "1":
        if not login.is_loopback(str(st.get_option("server.address") or "")):
            st.error("This server listens to other machines and has no login. Start it with: distaff dashboard")
            st.stop()
        if not is_own(st.context.headers.get("Origin"), st.context.headers.get("Host")):
            st.error("Another page asked for this one. Open it by its own address.")
            st.stop()
        return
    if not getattr(st.user, "is_logged_in", False):
        st.title("Distaff", anchor=False)
        st.button("Log in", on_click=st.login, type="primary")
        st.stop()
    if not login.may_enter(st.user.to_dict(), st.secrets["access"].to_dict()):
        st.error("This account may not see this workspace. Ask whoever runs it.")
        st.button("Log out", on_click=st.logout)
        st.stop()

"""The audit of a dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from distaff_dashboards.reads.source import Source

if TYPE_CHECKING:
    from distaff.audit.finding import Audit


@st.cache_data(max_entries=16, show_spinner="Asking ...")
def audit_of(source: Source, dataset: str) -> Audit:
    """Return the audit of a dataset."""
    from distaff.audit.referee import audit

    return audit(source.workspace, dataset)

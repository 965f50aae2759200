"""*Audit*: what a hostile reader would ask of a dataset's runs, a line each."""

from __future__ import annotations

import polars as pl
import streamlit as st

from distaff_dashboards.reads.audit import audit_of
from distaff_dashboards.reads.source import newest_writes
from distaff_dashboards.ui import places, widgets, wording
from distaff_dashboards.views.choices import choose_dataset

_MARKS = {"pass": "✓ pass", "fail": "✗ fail", "unknown": "? unknown"}


@widgets.page(
    places.AUDIT,
    "What are this workspace's numbers worth? What a hostile reader would ask, answered from the records alone: where "
    "they do not tell, the verdict is unknown, never a pass.",
)
def audit_page() -> None:
    """Draw the page."""
    dataset = choose_dataset()
    if dataset is None:
        return
    name = str(dataset["dataset"])
    report = audit_of(newest_writes("publications", "runs", "promotions"), name)
    n_failed = sum(finding.verdict == "fail" for finding in report.findings)
    if n_failed:
        st.warning(f"**{n_failed} of {len(report.findings)} lines fail** for {wording.escape(name)}.")
    else:
        st.success(f"No line fails for {wording.escape(name)}.")
    lines = pl.DataFrame(
        [(finding.check, _MARKS[finding.verdict], finding.figure) for finding in report.findings],
        {"question": pl.String(), "verdict": pl.String(), "figure": pl.String()},
        orient="row",
    )
    widgets.heading("Questions", lines, f"{name}-audit", help="The same lines as distaff audit, which CI can run.")
    columns = {
        "question": st.column_config.TextColumn("question", pinned=True, help="Passes where the answer is yes"),
        "verdict": st.column_config.TextColumn("verdict", help="Unknown: the records do not tell"),
        "figure": st.column_config.TextColumn("figure", help="What the verdict rests on", width="large"),
    }
    widgets.table(lines, columns, key="audit-table")

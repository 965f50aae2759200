"""Reports that are written when somebody downloads them."""

from __future__ import annotations

from distaff_dashboards.reads.source import Source


def run_html(source: Source, run: str) -> str:
    """Return the report of a run as HTML."""
    from distaff.reports.report import run_report

    return run_report(source.workspace, run).html


def board_html(source: Source, dataset: str) -> str:
    """Return the report of a dataset's board as HTML."""
    from distaff.reports.report import board_report

    return board_report(source.workspace, dataset).html

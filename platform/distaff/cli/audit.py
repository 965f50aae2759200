"""The verb audit: what a hostile reader would ask of a run or a dataset."""

from __future__ import annotations

from typing import Annotated

import typer

from distaff.cli.state import Json, emit_json, emit_table, workspace


def add_to(app: typer.Typer) -> None:
    """Register the verb."""
    app.command()(audit)


def audit(
    subject: Annotated[str, typer.Argument(help="A run, an alias such as champion, or a dataset.")],
    as_json: Json = False,
) -> None:
    """Ask of a run or a dataset what a hostile reader would; ends with status 1 where a line fails, for CI.

    Example: distaff audit ml-100k
    """
    from distaff.audit.referee import audit as referee

    report = referee(workspace(), subject)
    if as_json:
        emit_json(report.as_dict())
    else:
        lines = [(f.check, f.verdict, f.figure) for f in report.findings]
        emit_table(f"audit of {report.subject}", ("question", "verdict", "figure"), lines)
    if report.failed:
        raise typer.Exit(1)

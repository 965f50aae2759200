"""Verbs around the work: dashboard, doctor, demo."""

from __future__ import annotations

from typing import Annotated

import typer

from distaff.cli.state import Json, emit_json, emit_table, root, talk, workspace
from distaff_data.errors import InputError


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    for verb in (dashboard, doctor, demo):
        app.command()(verb)


def dashboard(
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8501,
    address: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    browser: Annotated[bool, typer.Option(help="Open a browser.")] = True,
) -> None:
    """Open the dashboard over this workspace."""
    from importlib.metadata import entry_points

    workspace()
    apps = list(entry_points(group="distaff.apps", name="dashboard"))
    try:
        launch = apps[0].load()
    except (IndexError, ImportError):
        raise InputError('the dashboard is not installed; add it with: pip install "distaff[dashboards]"') from None
    raise typer.Exit(launch(root(), port=port, address=address, open_browser=browser))


def doctor(
    fix: Annotated[bool, typer.Option("--fix", help="Repair what can be repaired.")] = False,
    empty: Annotated[
        bool, typer.Option("--empty", help="Clear the bin out: what was deleted is gone for good.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check the installation and the workspace; exit status 1 when something needs attention."""
    from distaff import doctor as checks

    findings = checks.examine(root(), fix=fix, empty=empty)
    if as_json:
        emit_json({"findings": [vars(f) for f in findings]})
    else:
        emit_table("doctor", ("check", "state", "detail"), [(f.check, f.state, f.detail) for f in findings])
    if any(f.state == "problem" for f in findings):
        raise typer.Exit(1)


def demo() -> None:
    """The whole story on built-in data: ingest, train beside controls, board, intents, scores."""
    from distaff import demo as demonstration

    demonstration.run(root(), lambda text: talk.print(text, markup=False, highlight=False, soft_wrap=True))

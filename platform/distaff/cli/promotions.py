"""Verbs that name runs: promote, rollback, aliases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from distaff.cli.state import Json, RunId, emit_json, emit_table, workspace

if TYPE_CHECKING:
    from distaff.runs.aliases import Change

Alias = Annotated[str, typer.Argument(help="Name of an alias.")]


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    for verb in (promote, rollback, aliases):
        app.command()(verb)


def promote(
    run: RunId, alias: Annotated[str, typer.Option("--as", help="The name, such as champion.")], as_json: Json = False
) -> None:
    """Give a run a name that works wherever a run is asked for.

    Example: distaff promote dccf-shop-1a2b3c4d --as champion
    """
    from distaff.runs import aliases as names

    _show([names.promote(workspace(), run, alias)], as_json)


def rollback(alias: Alias, as_json: Json = False) -> None:
    """Give an alias back to the run that had it before; repeat it to go further back."""
    from distaff.runs import aliases as names

    _show([names.rollback(workspace(), alias)], as_json)


def aliases(
    alias: Annotated[str | None, typer.Argument(help="Only this one.", show_default=False)] = None,
    as_json: Json = False,
) -> None:
    """List what each alias stood for, from when on; its last line is what it stands for now."""
    from distaff.runs import aliases as names

    _show(names.history(workspace(), alias), as_json)


def _show(changes: list[Change], as_json: bool) -> None:
    if as_json:
        return emit_json({"aliases": [vars(change) for change in changes]})
    emit_table(
        "aliases",
        ("alias", "run", "action", "since"),
        [(c.alias, c.run, c.action, f"{c.written_at:%Y-%m-%d %H:%M:%S} UTC") for c in changes],
    )

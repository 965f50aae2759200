"""The verb forget."""

from __future__ import annotations

from typing import Annotated

import typer

from distaff.cli.state import Json, emit_json, emit_table, talk, workspace


def add_to(app: typer.Typer) -> None:
    """Register the verb."""
    app.command()(forget)


def forget(
    people: Annotated[list[str], typer.Argument(metavar="USER...", help="Own ids of users.")],
    dataset: Annotated[
        str | None, typer.Option(help="The dataset; the only one that names them otherwise.", show_default=False)
    ] = None,
    exports: Annotated[
        bool,
        typer.Option("--exports", help="Also take their rows out of tables that were exported into the workspace."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask: it cannot be undone.")] = False,
    as_json: Json = False,
) -> None:
    """Remove users from a dataset, its runs' tables with their history, and models; leaves an audit record.

    A request that was interrupted is finished by making it again. Models that cannot forget exactly are fitted anew by
    distaff schedule run.

    Example: distaff forget alice@example.org --dataset shop
    """
    from distaff import forgetting

    if not yes and talk.is_terminal:
        typer.confirm(f"Forget {len(set(people))} user(s) for good?", abort=True)

    def progress(step: str) -> None:
        talk.print(step, markup=False, highlight=False, soft_wrap=True)

    done = forgetting.forget(workspace(), people, dataset, clean_exports=exports, progress=progress)
    if as_json:
        return emit_json(done.as_dict())
    request = done.request
    typer.echo(
        f"{len(request.subjects)} user(s) forgotten in {request.dataset}: {request.rows} rows and {request.files} files; "
        f"audit record {request.forgetting}"
    )
    emit_table(
        "models",
        (
            "run",
            "how",
            "status",
            "shown by",
            "own scores",
            "attack before",
            "after",
            "low",
            "high",
            "found from",
            "message",
        ),
        [
            (
                m.run,
                m.method,
                m.status,
                m.proof,
                m.own_before,
                m.before,
                m.after,
                m.low,
                m.high,
                m.detectable,
                m.message,
            )
            for m in done.models
        ],
    )
    if any(m.proof == "equality" for m in done.models):
        typer.echo("equality: the model is now what training without them gives, which the attack adds nothing to")
    if done.pooled:
        emit_table(
            "the attack over all requests for one person each",
            ("model", "people", "attack before", "after", "low", "high", "found from"),
            [(p.model, p.people, p.before, p.after, p.low, p.high, p.detectable) for p in done.pooled],
        )
    if done.cleared:
        typer.echo(f"cleared out of the bin, since it was of this dataset: {', '.join(done.cleared)}")
    if done.sources:
        typer.echo(f"the dataset was read from {done.sources}: take them out of there too, or they come back")
    if done.notes:
        typer.echo(
            f"notes name them, {', '.join(done.notes)}: change those with distaff note; "
            "then distaff doctor --fix takes out what they said before"
        )
    if done.exports:
        typer.echo(
            f"files in the workspace name them, {', '.join(done.exports)}: delete them, or make the request again with "
            "--exports, which takes the rows out of tables"
        )
    typer.echo("not looked at: files outside the workspace, and copies and backups of it")

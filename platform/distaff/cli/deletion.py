"""Verbs that delete and bring back: delete, restore, bin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from distaff.cli.state import Json, RunId, dataset_argument, emit_json, emit_table, study_argument, workspace

if TYPE_CHECKING:
    from distaff.deletion.bin import Deletion

delete = typer.Typer(help="Move a dataset, a run or a sweep into the bin; distaff restore brings it back.",
                     no_args_is_help=True)  # fmt: skip
Dataset = Annotated[str, dataset_argument()]
Study = Annotated[str, study_argument("Name of the sweep; see: distaff tune list.")]


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    app.add_typer(delete, name="delete")
    app.command()(restore)
    app.command(name="bin")(list_bin)


@delete.command("dataset")
def delete_dataset(name: Dataset, as_json: Json = False) -> None:
    """Move a dataset into the bin, with its runs and sweeps.

    Example: distaff delete dataset shop
    """
    _delete("dataset", name, as_json)


@delete.command("run")
def delete_run(run: RunId, as_json: Json = False) -> None:
    """Move a run into the bin, with all that it has published.

    Example: distaff delete run plait-shop-d564a727
    """
    _delete("run", run, as_json)


@delete.command("study")
def delete_study(name: Study, as_json: Json = False) -> None:
    """Move a sweep into the bin, with its trials; runs of its best configuration stay."""
    _delete("study", name, as_json)


def restore(
    name: Annotated[str, typer.Argument(help="What was deleted, or the deletion's id; see: distaff bin.")],
    as_json: Json = False,
) -> None:
    """Bring back what was deleted last under a name, as it was.

    Example: distaff restore shop
    """
    from distaff.deletion.delete import restore as bring_back

    restored = bring_back(workspace(), name)
    if as_json:
        return emit_json(vars(restored))
    typer.echo(f"{restored.kind} {restored.name} is back{_with(restored)}")


def list_bin(as_json: Json = False) -> None:
    """The bin: what was deleted and can be restored; distaff doctor --empty clears it out."""
    from distaff.deletion import bin

    found = bin.contents(workspace())
    if as_json:
        return emit_json({"deletions": [vars(deletion) for deletion in found]})
    columns = ("name", "kind", "dataset", "runs", "deleted (UTC)", "deletion")
    rows = [(d.name, d.kind, d.dataset, len(d.runs), f"{d.deleted_at:%Y-%m-%d %H:%M}", d.deletion) for d in found]
    emit_table("bin", columns, rows)


def _delete(kind: str, name: str, as_json: bool) -> None:
    from distaff.deletion.delete import delete as move

    deleted = move(workspace(), kind, name)
    if as_json:
        return emit_json(vars(deleted))
    typer.echo(f"{kind} {name} is in the bin{_with(deleted)}; bring it back with: distaff restore {name}")


def _with(deletion: Deletion) -> str:
    n = 0 if deletion.kind == "run" else len(deletion.runs)
    return f", with {n} run{'' if n == 1 else 's'}" if n else ""

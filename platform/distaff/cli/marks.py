"""Verbs that say something about runs and datasets: archive, rename, tag."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from distaff.cli.state import Json, RunId, dataset_argument, emit_facts, emit_json, workspace

if TYPE_CHECKING:
    from distaff.runs.marks import Annotation

archive = typer.Typer(help="Leave a run or a dataset out of boards, listings and menus; --undo takes it up again.",
                      no_args_is_help=True)  # fmt: skip
Dataset = Annotated[str, dataset_argument()]
Undo = Annotated[bool, typer.Option("--undo", help="Take it up again.")]


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    app.add_typer(archive, name="archive")
    app.command()(rename)
    app.command()(tag)


@archive.command("run")
def archive_run(run: RunId, undo: Undo = False, as_json: Json = False) -> None:
    """Put a run aside; it keeps all that it has.

    Example: distaff archive run plait-shop-d564a727
    """
    from distaff.runs import marks

    _show(marks.mark(workspace(), marks.RUN, run, archived=not undo), as_json)


@archive.command("dataset")
def archive_dataset(name: Dataset, undo: Undo = False, as_json: Json = False) -> None:
    """Put a dataset aside; its runs stay with it."""
    from distaff.runs import marks

    _show(marks.mark(workspace(), marks.DATASET, name, archived=not undo), as_json)


def rename(
    run: RunId,
    title: Annotated[str, typer.Argument(help="Shown beside its id; empty takes it back.")],
    as_json: Json = False,
) -> None:
    """Give a run a title of your own; its id stays, and distaff promote gives it a name for commands.

    Example: distaff rename plait@latest "before the sale"
    """
    from distaff.runs import marks

    _show(marks.mark(workspace(), marks.RUN, run, title=title), as_json)


def tag(
    run: RunId,
    tags: Annotated[list[str], typer.Argument(help="Tags that it gets.")],
    remove: Annotated[bool, typer.Option("--remove", help="Tags that it loses instead.")] = False,
    as_json: Json = False,
) -> None:
    """Tag a run; distaff runs --tag lists those that have a tag.

    Example: distaff tag plait@latest shop-test weekly
    """
    from distaff.runs import marks

    add, lost = ((), tags) if remove else (tags, ())
    _show(marks.mark(workspace(), marks.RUN, run, add=add, remove=lost), as_json)


def _show(mark: Annotation, as_json: bool) -> None:
    if as_json:
        return emit_json(vars(mark))
    facts = {"title": mark.title, "note": mark.note, "tags": mark.tags, "archived": "yes" if mark.archived else "no"}
    emit_facts(f"{mark.kind} {mark.name}", facts)

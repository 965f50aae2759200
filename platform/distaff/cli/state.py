"""Shared by the verbs: the workspace of this call, and how results and progress are shown."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from distaff.cli.values import in_json

if TYPE_CHECKING:
    from distaff.model.base import Epoch, Model
    from distaff_data.workspace import Workspace

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Engine = Annotated[
    str, typer.Option(help="Who carries it out: local, this machine's processes; ray, a cluster (extra \\[ray]).")
]
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # all but tab and line feed

talk = Console(stderr=True)
# What people called their items is no markup. A pipe has no width; do not fold ids at 80.
_out = Console(markup=False, emoji=False, width=None if sys.stdout.isatty() else 200)
_root: list[Path | None] = [None]


def use_workspace(root: Path | None) -> None:
    """Set the workspace's folder for this call; None for the one that the environment names, or ./workspace."""
    _root[0] = root


def root() -> Path:
    """Return the workspace's folder."""
    from distaff_data.workspace import default_root

    return _root[0] or default_root()


def workspace(*, create: bool = False) -> Workspace:
    """Return the workspace; verbs that bring data in make it when it is missing."""
    from distaff_data.workspace import Workspace

    return Workspace.create(root()) if create else Workspace.open(root())


def run_id(name: str) -> str:
    """Return the id of the run that a name stands for."""
    from distaff.runs import aliases

    return aliases.resolve(workspace(), name)


def _run_id_or_none(name: str | None) -> str | None:
    return None if name is None else run_id(name)


def _completed(kind: str) -> Callable[[str], list[str]]:
    """Return what completes a name on the command line; without a workspace there is nothing to offer."""

    def names(incomplete: str) -> list[str]:
        from distaff.cli import completion

        return completion.names(kind, root(), incomplete)

    return names


_RUN = "an id or its first letters, an alias, MODEL@latest or DATASET:MODEL; see: distaff runs"
RunId = Annotated[
    str, typer.Argument(help=f"A run: {_RUN}.", callback=run_id, autocompletion=_completed("run"), metavar="RUN")
]
"""The argument of verbs about one run; any name that :func:`distaff.runs.aliases.resolve` reads."""


def run_option(help: str, *flags: str) -> Any:
    """Return an option that names a run as :data:`RunId` does."""
    return typer.Option(*flags, help=help, callback=_run_id_or_none, autocompletion=_completed("run"))


def dataset_argument(help: str = "Name of a dataset; see: distaff datasets.") -> Any:
    """Return an argument that names a dataset."""
    return typer.Argument(help=help, autocompletion=_completed("dataset"))


def study_argument(help: str) -> Any:
    """Return an argument that names a study of a sweep."""
    return typer.Argument(help=help, autocompletion=_completed("study"))


def model_argument(help: str = "Registry name; see: distaff models.") -> Any:
    """Return an argument that names a model."""
    return typer.Argument(help=help, autocompletion=_completed("model"))


def emit_json(value: object) -> None:
    """Print a JSON document, and nothing else, on standard output."""
    json.dump(in_json(value), sys.stdout, default=str, ensure_ascii=False, indent=2, allow_nan=False)
    sys.stdout.write("\n")


def emit_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table; numbers to the right."""
    table = Table(title=title, title_justify="left", header_style="bold")
    body = [list(row) for row in rows]
    for i, column in enumerate(columns):
        numeric = bool(body) and all(isinstance(row[i], int | float) or row[i] is None for row in body)
        table.add_column(printable(column), justify="right" if numeric else "left", overflow="fold", no_wrap=i == 0)
    for row in body:
        table.add_row(*[_cell(value) for value in row])
    _out.print(table)


def emit_facts(title: str, facts: Mapping[str, object]) -> None:
    """Print names and values, a line each."""
    emit_table(title, ("what", "value"), [(key, _cell(value)) for key, value in facts.items()])


def tell_drift(run: str, model: Model[Any]) -> list[str]:
    """Compare what came since the fit with the run's data, and say what has drifted; returns warnings for JSON.

    Trouble is only told.
    """
    from distaff.monitoring import drift

    try:
        drifts = drift.measure(workspace(), run, model=model)
        warning, line = drift.warning(drifts), drift.news(drifts)
    except Exception as error:
        warning = line = f"drift was not measured: {type(error).__name__}: {error}"
    if line is not None:
        talk.print(line, markup=False, highlight=False, soft_wrap=True)
    return [] if warning is None else [warning]


def pairs(settings: Sequence[str]) -> dict[str, str]:
    """Read ``key=value`` options.

    Raises:
        typer.BadParameter: An option without ``=``, or one key twice.
    """
    wrong = next((s for s in settings if "=" not in s), None)
    if wrong is not None:
        raise typer.BadParameter(f"{wrong!r} is not of the form key=value")
    keys = [s.split("=", 1)[0] for s in settings]
    if twice := next((key for key in keys if keys.count(key) > 1), None):
        raise typer.BadParameter(f"{twice!r} is given twice")
    return dict(s.split("=", 1) for s in settings)


@contextmanager
def epochs(label: str) -> Iterator[Callable[[Epoch], None]]:
    """Show the course of a fit: a live line on a terminal, a plain line a validation elsewhere."""
    if not talk.is_terminal:

        def plain(epoch: Epoch) -> None:
            if epoch.valid:
                talk.print(f"{label}: {_course(epoch)}", highlight=False, markup=False, soft_wrap=True)

        yield plain
        return
    with Progress(
        TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=talk, transient=True
    ) as bar:
        task = bar.add_task(label, total=None)
        yield lambda epoch: bar.update(task, description=f"{label}  {_course(epoch)}")


@contextmanager
def progress_bar(label: str) -> Iterator[Callable[[int, int], None]]:
    """Show done and total as a bar on a terminal; silent elsewhere."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=talk, transient=True, disable=not talk.is_terminal) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _course(epoch: Epoch) -> str:
    from distaff.board.kinds import shown

    parts = [f"epoch {epoch.epoch}", f"loss {epoch.losses['total']:.4f}"]
    return "  ".join(parts + [f"valid {name} {epoch.valid[name]:.4f}" for name in shown(epoch.valid)])


def _cell(value: Any) -> str:
    """Return a value for people: nothing as a dash, lists and mappings without a program's signs."""
    if value is None or value == {} or value == [] or value == ():
        return "–"
    if isinstance(value, Mapping):
        return ", ".join(f"{_cell(key)}={_cell(entry)}" for key, entry in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_cell, value))
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    return f"{value:.4g}" if isinstance(value, float) else printable(str(value))


def moment(seconds: float | None) -> datetime | float | None:
    """Return a time in seconds as a date in UTC, where it is one and not the seconds of a recording."""
    from distaff.exports import DATES_FROM

    return seconds if seconds is None or seconds < DATES_FROM else datetime.fromtimestamp(seconds, UTC)


def printable(text: str) -> str:
    """Text without characters that a terminal would obey."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)

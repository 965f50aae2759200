"""The application: global options, the verbs, and one place where errors become exit statuses."""

from __future__ import annotations

import signal
import sys
import traceback
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer
from rich.markup import escape
from typer.models import CommandInfo, TyperInfo

from distaff._version import __version__
from distaff.cli import (
    audit,
    data,
    deletion,
    exchange,
    factors,
    forgetting,
    incidents,
    marks,
    models,
    operations,
    promotions,
    reasons,
    schedule,
    series,
    serving,
    sweeps,
)
from distaff.cli.state import printable, talk, use_workspace
from distaff_data.errors import DistaffError, first_line, redacted

_PANELS = {
    "Data": ("init", "ingest", "sample", "datasets", "tables", "sql"),
    "Train": ("models", "train", "tune", "evaluate", "board", "audit", "runs", "show", "archive", "rename", "tag"),
    "Understand": ("factors", "note", "blind-spots", "explain", "steer", "rerank", "diagnose", "report"),
    "Act": ("score", "export", "embed", "forecast", "classify", "anomalies", "adapt"),
    "Operate": (
        "promote",
        "rollback",
        "aliases",
        "keygen",
        "sign",
        "schedule",
        "serve",
        "delete",
        "restore",
        "bin",
        "forget",
        "dashboard",
        "doctor",
        "demo",
    ),
}
_INTERRUPTED, _TERMINATED = 130, 143
_ended_by: list[int] = []

app = typer.Typer(
    name="distaff",
    help="Learn disentangled factors from behaviour and telemetry, each beside its control.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    epilog="Start with: distaff demo",
)
for module in (data, models, sweeps, audit, factors, reasons, incidents, series, exchange, promotions, schedule, serving,
               deletion, marks, forgetting, operations):  # fmt: skip
    module.add_to(app)
_PANEL_OF = {verb: panel for panel, verbs in _PANELS.items() for verb in verbs}


def _name(verb: CommandInfo | TyperInfo) -> str:
    return str(verb.name or verb.callback.__name__)  # type: ignore[union-attr]


_verbs: list[CommandInfo | TyperInfo] = [*app.registered_commands, *app.registered_groups]
for verb in _verbs:
    verb.rich_help_panel = _PANEL_OF[_name(verb)]
app.registered_commands.sort(key=lambda verb: list(_PANEL_OF).index(_name(verb)))


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def options(
    workspace: Annotated[
        Path | None,
        typer.Option(help="Workspace folder; else DISTAFF_WORKSPACE, else ./workspace.", show_default=False),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options before the verb."""
    use_workspace(workspace)


def main() -> None:
    """Run the command line.

    Exit status: 0 done, 2 the input or usage is wrong, a file is damaged or the disk refuses (one line), 130 and 143 ended
    by Ctrl-C or SIGTERM, 1 anything else.
    """
    signal.signal(signal.SIGTERM, _terminate)
    status = _status()
    if status == _INTERRUPTED:
        going_on = "; continue a run with: distaff train --resume RUN" if "train" in sys.argv[1:] else ""
        talk.print(f"interrupted{going_on}", markup=False, soft_wrap=True)
        status = _TERMINATED if _ended_by else status
    if "distaff.model.distributed" in sys.modules:  # else this process cannot have met others
        sys.modules["distaff.model.distributed"].leave(status)
    sys.exit(status)


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    """End as Ctrl-C does: runs are marked, scratch is removed. A second signal ends at once."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _ended_by.append(number)
    raise KeyboardInterrupt


def _status() -> int:
    try:
        app()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except DistaffError as error:
        return _tell(str(error))
    except MemoryError as error:
        return _tell(f"there is not enough memory: {first_line(error) or 'give less at a time'}")
    except OSError as error:  # a full disk, a folder that may not be written, a file that is gone
        return _tell(f"{error.filename}: {error.strerror}" if error.filename and error.strerror else first_line(error))
    except Exception:
        sys.stderr.write(redacted(traceback.format_exc()))
        return 1
    except KeyboardInterrupt:
        return _INTERRUPTED
    return 0


def _tell(message: str) -> int:
    talk.print(f"[bold red]error[/]: {escape(printable(redacted(message)))}", soft_wrap=True, highlight=False)
    return 2

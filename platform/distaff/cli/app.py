"""The application: global options, the verbs, and one place where errors become exit statuses."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from distaff._version import __version__
from distaff.cli import (
    audit,
    data,
    factors,
    forgetting,
    incidents,
    models,
    operations,
    promotions,
    reasons,
    schedule,
    series,
    sweeps,
)
from distaff.cli.state import printable, talk, use_workspace
from distaff_data.errors import DistaffError, redacted

app = typer.Typer(
    name="distaff",
    help="Learn disentangled factors from behaviour and telemetry, each beside its control.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    epilog="Start with: distaff demo",
)
for module in (data, models, sweeps, audit, factors, reasons, incidents, series, promotions, schedule, forgetting,
               operations):  # fmt: skip
    module.add_to(app)


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

    Exit status: 0 done, 2 the input or usage is wrong (one line, nothing changed), 1 anything else.
    """
    status = _status()
    if "distaff.model.distributed" in sys.modules:  # else this process cannot have met others
        sys.modules["distaff.model.distributed"].leave(status)
    sys.exit(status)


def _status() -> int:
    try:
        app()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except DistaffError as error:
        talk.print(f"[bold red]error[/]: {escape(printable(str(error)))}", soft_wrap=True, highlight=False)
        return 2
    except Exception:
        sys.stderr.write(redacted(traceback.format_exc()))
        return 1
    except KeyboardInterrupt:
        talk.print("interrupted; continue a run with: distaff train --resume RUN", markup=False)
        return 1
    return 0

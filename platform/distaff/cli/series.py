"""Verbs for models of series: embed, forecast, classify."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from distaff.cli.state import Json, RunId, emit_facts, emit_json, tell_drift, workspace
from distaff.series_scoring import Published, classify_run, embed_run, forecast_run

Out = Annotated[Path | None, typer.Option(help="Write .csv, .parquet or .arrow too.")]


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    for verb in (embed, forecast, classify):
        app.command()(verb)


def embed(
    run: RunId,
    level: Annotated[str, typer.Option(help="instance: a vector a window; timestamp: one a patch.")] = "instance",
    step: Annotated[int | None, typer.Option(help="Rows between windows; a window's length otherwise.", min=1)] = None,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Publish the embeddings of a run's dataset.

    Example: distaff embed timedrl-har-1a2b3c4d --level instance --out har.parquet
    """
    _show(embed_run(workspace(), run, level=level, step=step, out=out), as_json)


def forecast(
    run: RunId,
    horizon: Annotated[int | None, typer.Option(help="Rows ahead; the run's longest otherwise.", min=1)] = None,
    coverage: Annotated[float, typer.Option(help="Share of futures that the intervals should hold.")] = 0.9,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Publish forecasts after the end of each series, with conformal intervals."""
    _show(forecast_run(workspace(), run, horizon=horizon, coverage=coverage, out=out), as_json)


def classify(run: RunId, out: Out = None, as_json: Json = False) -> None:
    """Publish the class of every window."""
    _show(classify_run(workspace(), run, out=out), as_json)


def _show(done: Published, as_json: bool) -> None:
    warnings = tell_drift(done.run)
    if as_json:
        emit_json({**vars(done), "warnings": warnings})
    else:
        emit_facts(f"published {done.table}", vars(done))

"""Verbs for models of series: embed, forecast, classify, anomalies."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from distaff.cli.state import Json, RunId, emit_facts, emit_json, tell_drift, workspace
from distaff.series_scoring import Published, classify_run, embed_run, find_anomalies, forecast_run

Length = Annotated[int | None, typer.Option(help="Rows of a window; as the run was fitted otherwise.", min=1)]
Out = Annotated[Path | None, typer.Option(help="Write .csv, .parquet or .arrow too.")]


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    for verb in (embed, forecast, classify, anomalies):
        app.command()(verb)


def embed(
    run: RunId,
    level: Annotated[str, typer.Option(help="instance: a vector a window; timestamp: one a patch.")] = "instance",
    step: Annotated[int | None, typer.Option(help="Rows between windows; a window's length otherwise.")] = None,
    length: Length = None,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Publish the embeddings of a run's dataset.

    Example: distaff embed timedrl-har-1a2b3c4d --level instance --out har.parquet
    """
    _show(embed_run(workspace(), run, level=level, step=step, length=length, out=out), as_json)


def forecast(
    run: RunId,
    horizon: Annotated[int | None, typer.Option(help="Rows ahead; the run's longest otherwise.")] = None,
    coverage: Annotated[float, typer.Option(help="Share of futures that the intervals should hold.")] = 0.9,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Publish forecasts after the end of each series, with conformal intervals."""
    _show(forecast_run(workspace(), run, horizon=horizon, coverage=coverage, out=out), as_json)


def classify(run: RunId, length: Length = None, out: Out = None, as_json: Json = False) -> None:
    """Publish the class of every window."""
    _show(classify_run(workspace(), run, length=length, out=out), as_json)


def anomalies(
    run: RunId,
    by: Annotated[str | None, typer.Option(help="reconstruction or forecast; what the model can otherwise.")] = None,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Publish how surprising every row is, with p-values against the validation rows.

    Example: distaff anomalies timedrl-load-1a2b3c4d --by forecast --out surprises.csv
    """
    _show(find_anomalies(workspace(), run, by=by, out=out), as_json)


def _show(done: Published, as_json: bool) -> None:
    warnings = tell_drift(done.run)
    if as_json:
        emit_json({**vars(done), "warnings": warnings})
    else:
        emit_facts(f"published {done.table}", vars(done))

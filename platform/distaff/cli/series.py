"""Verbs for models of series: embed, forecast, classify, anomalies, adapt."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from distaff.cli.state import (
    Json,
    RunId,
    emit_facts,
    emit_json,
    emit_table,
    moment,
    pairs,
    talk,
    tell_drift,
    workspace,
)

if TYPE_CHECKING:
    from distaff.series.score import Published

_SHOWN = 10  # rows that anomalies prints

Length = Annotated[int | None, typer.Option(help="Rows of a window; as the run was fitted otherwise.", min=1)]
Out = Annotated[Path | None, typer.Option(help="Write .csv, .parquet or .arrow too.")]


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    for verb in (embed, forecast, classify, anomalies, adapt):
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
    from distaff.series.score import embed_run

    _publish(embed_run, run, as_json, level=level, step=step, length=length, out=out)


def forecast(
    run: RunId,
    horizon: Annotated[int | None, typer.Option(help="Rows ahead; the run's longest otherwise.")] = None,
    coverage: Annotated[float, typer.Option(help="Share of futures that the intervals should hold.")] = 0.9,
    future: Annotated[
        Path | None, typer.Option(help="CSV or Parquet of the covariates that are known ahead, with entity and time.")
    ] = None,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Publish forecasts after the end of each series, with conformal intervals.

    Example: distaff forecast forecast_blend-shop-1a2b3c4d --horizon 7 --future prices.csv --out next.csv
    """
    from distaff.series.score import forecast_run

    _publish(forecast_run, run, as_json, horizon=horizon, coverage=coverage, future=future, out=out)


def classify(run: RunId, length: Length = None, out: Out = None, as_json: Json = False) -> None:
    """Publish the class of every window."""
    from distaff.series.score import classify_run

    _publish(classify_run, run, as_json, length=length, out=out)


def anomalies(
    run: RunId,
    by: Annotated[
        str | None, typer.Option(help="reconstruction, forecast, level or stillness; the most surprising otherwise.")
    ] = None,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Publish how surprising every row is, with p-values against the validation rows.

    Example: distaff anomalies timedrl-load-1a2b3c4d --by forecast --out surprises.csv
    """
    from distaff.series.score import find_anomalies

    _publish(find_anomalies, run, as_json, by=by, out=out)
    if not as_json:
        _show_most_surprising(run)


def _show_most_surprising(run: str) -> None:
    sql = "SELECT entity, time, score, p_value FROM anomalies WHERE run = ? ORDER BY score DESC LIMIT ?"
    rows = workspace().warehouse.rows(sql, [run, _SHOWN])
    cells = [(row["entity"], moment(row["time"]), row["score"], row["p_value"]) for row in rows]
    emit_table(f"the {len(rows)} most surprising", ("entity", "time", "score", "p-value"), cells)


def adapt(
    dataset: Annotated[str, typer.Argument(help="Labelled windows that belong to groups.")],
    source: Annotated[list[str], typer.Option(help="A group whose labels are learned from; repeatable.")],
    target: Annotated[str, typer.Option(help="The group whose classes are told.")],
    model: Annotated[str, typer.Option(help="A model that adapts.")] = "dts",
    set: Annotated[list[str] | None, typer.Option(help="Setting of the methods: key=value; repeatable.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of random draws.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Learn classes in some groups and tell them in another, beside controls from no adaptation on.

    Example: distaff adapt har --source 2 --target 11 --out told.csv
    """
    from distaff import exports
    from distaff.series import adaptation as adapting

    done = adapting.adapt(
        workspace(),
        dataset,
        source,
        target,
        model=model,
        settings=pairs(set or []),
        seed=seed,
        device=device,
        report=lambda method: talk.print(f"{method} ...", highlight=False),
    )
    if out is not None:
        exports.write(done.table, out)
    rows = [{"method": m, "control": m != model, "metrics": dict(scores)} for m, scores in done.scores.items()]
    if as_json:
        facts = {"dataset": dataset, "source": source, "target": target, "judged": done.judged}
        emit_json({**facts, "rows": rows, "out": None if out is None else str(out)})
    else:
        shown = ("accuracy", "macro_f1")
        cells = [(m, "yes" if m != model else "", *map(scores.get, shown)) for m, scores in done.scores.items()]
        emit_table(f"{', '.join(source)} to {target}: {done.judged} windows", ("method", "control", *shown), cells)


def _publish(publish: Callable[..., Published], run: str, as_json: bool, **options: Any) -> None:
    from distaff.runs import records
    from distaff.series.model import SeriesModel

    ws = workspace()
    model = SeriesModel.load(records.model_folder(ws, run))
    done = publish(ws, run, model=model, **options)
    warnings = tell_drift(done.run, model)
    if as_json:
        emit_json({**vars(done), "warnings": warnings})
    else:
        emit_facts(f"published {done.table}", vars(done))

"""Embeddings, forecasts, classes and anomalies of a run, published in the warehouse and as a file, whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from distaff import exports
from distaff.runs.records import model_folder
from distaff.series.anomalies import anomaly_table
from distaff.series.answers import future_table, given_or_own, vector_tables, window_classes
from distaff.series.backtesting import coverage_on_test
from distaff.series.model import SeriesModel
from distaff_data.datasets.series import Series
from distaff_data.ingest.futures import read_future
from distaff_data.workspace import Workspace

_COMMIT_BYTES = 1 << 27


@dataclass(frozen=True)
class Published:
    """A publication: the run, the table, its rows, and the file."""

    run: str
    table: str
    rows: int
    out: str | None


@dataclass(frozen=True)
class PublishedForecasts(Published):
    """Published forecasts, and the share of test values that intervals of this coverage held; None without test windows."""

    coverage: float
    held_on_test: float | None


def embed_run(
    workspace: Workspace,
    run_id: str,
    *,
    level: str = "instance",
    step: int | None = None,
    length: int | None = None,
    out: Path | None = None,
    model: SeriesModel | None = None,
) -> Published:
    """Publish a run's embeddings of its dataset as it is now; see :meth:`.SeriesModel.transform`.

    Args:
        workspace: Where the run is and the table goes.
        run_id: A finished run.
        level: instance or timestamp; the other level's rows stay.
        step: Rows between windows' starts; a window's length when None.
        length: Rows of a window; what the run was fitted to when None.
        out: A .csv, .parquet or .arrow file to write as well.
        model: The run's model, where the caller has it in memory.

    Raises:
        InputError: Unknown run, level or file ending; nothing is published.
    """
    model, series = _current(workspace, run_id, model)
    tables = vector_tables(model, series, length, step, level)
    return _publish(workspace, run_id, "embeddings", f"embeddings/{level}/{run_id}", tables, out)


def forecast_run(
    workspace: Workspace,
    run_id: str,
    *,
    horizon: int | None = None,
    coverage: float = 0.9,
    future: Path | None = None,
    out: Path | None = None,
    model: SeriesModel | None = None,
) -> PublishedForecasts:
    """Publish a run's forecasts after the end of its dataset as it is now; see :meth:`.SeriesModel.forecast`.

    Args:
        workspace: Where the run is and the table goes.
        run_id: A finished run.
        horizon: Rows ahead; the run's longest when None.
        coverage: Of the intervals.
        future: A .csv or .parquet file of the covariates that are known ahead.
        out: A .csv, .parquet or .arrow file to write as well.
        model: The run's model, where the caller has it in memory.

    Raises:
        InputError: Unknown run, horizon or file ending; nothing is published.
    """
    model, series = _current(workspace, run_id, model)
    known = None if future is None else read_future(future)
    table = future_table(model, model.heads, series, horizon, coverage, known)
    done = _publish(workspace, run_id, "forecasts", f"forecasts/{run_id}", iter([table]), out)
    shares, n_windows = coverage_on_test(model, max(model.config.horizons) if horizon is None else horizon, coverage)
    return PublishedForecasts(**vars(done), coverage=coverage, held_on_test=float(shares.mean()) if n_windows else None)


def classify_run(
    workspace: Workspace,
    run_id: str,
    *,
    length: int | None = None,
    out: Path | None = None,
    model: SeriesModel | None = None,
) -> Published:
    """Publish the classes that a run gives to its dataset's windows; see :meth:`.SeriesModel.predict`.

    Args:
        workspace: Where the run is and the table goes.
        run_id: A finished run.
        length: Rows of a window; what the run was fitted to when None.
        out: A .csv, .parquet or .arrow file to write as well.
        model: The run's model, where the caller has it in memory.

    Raises:
        InputError: Unknown run or file ending; nothing is published.
    """
    model, series = _current(workspace, run_id, model)
    table = window_classes(model, model.heads, series, length)
    return _publish(workspace, run_id, "classifications", f"classifications/{run_id}", iter([table]), out)


def find_anomalies(
    workspace: Workspace,
    run_id: str,
    *,
    by: str | None = None,
    out: Path | None = None,
    model: SeriesModel | None = None,
) -> Published:
    """Publish the scores that a run gives its dataset's rows; see :meth:`distaff.series.model.SeriesModel.anomalies`.

    Args:
        workspace: Where the run is and the table goes.
        run_id: A finished run.
        by: reconstruction or forecast; what the model can when None.
        out: A .csv, .parquet or .arrow file to write as well.
        model: The run's model, where the caller has it in memory.

    Raises:
        InputError: Unknown run, kind of score or file ending; nothing is published.
    """
    model, series = _current(workspace, run_id, model)
    table = anomaly_table(model, series, by)
    return _publish(workspace, run_id, "anomalies", f"anomalies/{run_id}", iter([table]), out)


def _current(workspace: Workspace, run_id: str, model: SeriesModel | None) -> tuple[SeriesModel, Series]:
    """Return the model, and its dataset as it is now, or as it was fitted to where the dataset is gone."""
    model = model or SeriesModel.load(model_folder(workspace, run_id))
    live = workspace.warehouse.live(f"dataset/{model.data.name}")
    if live in (None, model.data.generation):
        return model, model.data
    return model, given_or_own(model, model.read(workspace.warehouse, model.data.name))


def _publish(
    workspace: Workspace, run_id: str, name: str, target: str, tables: Iterator[pa.Table], out: Path | None
) -> Published:
    """Publish tables as they come, so that no more of them than a commit holds is in memory."""
    rows = 0
    with workspace.warehouse.publish(target) as publication, ExitStack() as stack:
        # A file that cannot be written leaves the publication undone.
        write = stack.enter_context(exports.writing(out)) if out is not None else None
        for table in _gathered(tables):
            publication.append(name, table, run=run_id)
            rows += table.num_rows
            if write is not None:
                write(exports.with_dates(table))
    return Published(run_id, name, rows, None if out is None else str(out))


def _gathered(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Yield the same rows in tables that are worth a commit each."""
    waiting: list[pa.Table] = []
    for table in tables:
        waiting.append(table)
        if sum(table.nbytes for table in waiting) >= _COMMIT_BYTES:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)

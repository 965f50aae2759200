"""Cached reads of series, and of what runs say about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import streamlit as st

from distaff_dashboards.pages.factors.parts import label as factor_label
from distaff_dashboards.reads import source as data
from distaff_dashboards.reads.source import Source
from distaff_dashboards.ui.breakdown import Floats
from distaff_data.errors import InputError

if TYPE_CHECKING:
    from distaff.series.model import SeriesModel
    from distaff_data.datasets.windows import Windows

_MOST = 4000  # vectors that a map is made of, evenly spaced
_VECTORS = """
SELECT v.entity, v.channel, v.start, n.label, n."group", c.predicted, v."values" FROM (
  SELECT *, row_number() OVER (ORDER BY entity, start, channel) - 1 AS place FROM embeddings
  WHERE run = ? AND level = 'instance' AND channel IS NOT DISTINCT FROM ?
) v LEFT JOIN entities n ON n.dataset = ? AND n.entity = v.entity
LEFT JOIN classifications c ON c.run = v.run AND c.entity = v.entity
WHERE v.place % ? = 0 ORDER BY v.place
"""


@dataclass(frozen=True)
class Stretch:
    """Consecutive rows of an entity: times in seconds ``(n,)``, values ``(n, C)``, NaN where missing."""

    times: Floats
    values: Floats


@dataclass(frozen=True)
class Forecast:
    """A forecast ``(H, C)`` with its interval, the rows before it, and what came, if it is of the past."""

    before: Stretch
    times: Floats
    value: Floats
    low: Floats
    high: Floats
    actual: Floats | None


@st.cache_data(max_entries=4, show_spinner=False)
def runs_on_series(source: Source) -> list[dict[str, Any]]:
    """Finished runs on datasets of series, models before controls, newest first: ``run, model, control, dataset``."""
    return source.workspace.warehouse.rows(
        "SELECT r.run, r.model, r.control, r.dataset FROM runs r JOIN datasets d ON d.dataset = r.dataset "
        "WHERE d.kind = 'series' AND r.status = 'done' AND r.study IS NULL ORDER BY r.control, r.started_at DESC, r.run"
    )


def of_run(run: str, dataset: str) -> Source:
    """What was published for a run and its dataset."""
    return data.part(run, f"instance/{run}", dataset)


@st.cache_resource(max_entries=2, show_spinner="Loading the model ...")
def model(source: Source, run: str) -> SeriesModel:
    """A run's saved model with its series; shared between sessions.

    Raises:
        InputError: There is no saved model.
    """
    from distaff.runs.runs import model_folder
    from distaff.series.model import SeriesModel

    return SeriesModel.load(model_folder(source.workspace, run))


def measured(source: Source, run: str, entity: str) -> Stretch:
    """All rows of an entity."""
    found = model(source, run).data
    at = found.entity_ids.index(entity).as_py()
    return _stretch(source, run, *found.offsets[at : at + 2].tolist())


@st.cache_data(max_entries=64, show_spinner=False)
def backtests(source: Source, run: str, entity: str, horizon: int) -> tuple[str, list[float]]:
    """The split of an entity's windows to backtest on, and the time of the last row before each forecast.

    It is test; where that has none, validation, from which the intervals were made.
    """
    found = model(source, run)
    for split in ("test", "valid"):
        windows = _origins(found, entity, horizon, split)
        if len(windows):
            return split, found.data.times[windows.starts + found.length - 1].tolist()
    return "test", []


@st.cache_data(max_entries=64, show_spinner="Forecasting ...")
def of_the_past(source: Source, run: str, entity: str, split: str, at: int, horizon: int, coverage: float) -> Forecast:
    """The forecast from an entity's window ``at`` of :func:`backtests`, beside what came."""
    import torch

    from distaff.series.backtesting import backtest

    found = model(source, run)
    window = _origins(found, entity, horizon, split).where(torch.tensor([at]))
    tested = backtest(found, window, coverage)
    start = int(window.starts[0])
    middle, end = start + found.length, start + found.length + horizon
    parts = (part[0].double().numpy() for part in (tested.value, tested.low, tested.high, tested.actual))
    times = _stretch(source, run, middle, end).times
    return Forecast(_stretch(source, run, start, middle), times, *parts)


@st.cache_data(max_entries=16, show_spinner="Forecasting ...")
def of_the_future(source: Source, run: str, entity: str, horizon: int, coverage: float) -> Forecast:
    """The forecast after an entity's last row.

    Raises:
        InputError: The entity has too few rows to look back on.
    """
    table = _futures(source, run, horizon, coverage)
    mine = table.filter(pc.equal(table["entity"], entity))
    found = model(source, run)
    if not mine.num_rows:
        raise InputError(f"it has fewer than the {found.length} rows that the model looks back on", value=entity)
    at = found.data.entity_ids.index(entity).as_py()
    end = int(found.data.offsets[at + 1])
    shape = (horizon, len(found.data.channels))
    value, low, high, times = (
        mine[name].to_numpy().astype(float).reshape(shape) for name in ("value", "low", "high", "time")
    )
    return Forecast(_stretch(source, run, end - found.length, end), times[:, 0], value, low, high, None)


@st.cache_data(max_entries=16, show_spinner="Measuring the intervals ...")
def covered(source: Source, run: str, horizon: int, coverage: float) -> tuple[list[float], int]:
    """Share of test values within the intervals, of each channel, and of how many windows."""
    from distaff.series.backtesting import coverage_on_test

    shares, n = coverage_on_test(model(source, run), horizon, coverage)
    return shares.tolist(), n


@st.cache_data(max_entries=4, show_spinner=False)
def _futures(source: Source, run: str, horizon: int, coverage: float) -> pa.Table:
    return model(source, run).forecast(horizon=horizon, coverage=coverage)


def _origins(found: SeriesModel, entity: str, horizon: int, split: str) -> Windows:
    from distaff.series.backtesting import origins

    return origins(found, horizon, split=split, entity=entity)


def _stretch(source: Source, run: str, start: int, end: int) -> Stretch:
    found = model(source, run).data
    rows = slice(start, end)
    values = found.values[rows].double().numpy()
    return Stretch(found.times[rows].numpy(), np.where(found.mask[rows].numpy(), values, np.nan))


@st.cache_data(max_entries=8, show_spinner=False)
def vectors(source: Source, run: str) -> dict[str | None, int]:
    """Instance embeddings that a run has published, of each channel; of None where a model embeds all together."""
    sql = "SELECT channel, count(*) AS n FROM embeddings WHERE run = ? AND level = 'instance' GROUP BY ALL ORDER BY ALL"
    return {row["channel"]: row["n"] for row in source.workspace.warehouse.rows(sql, [run])}


@st.cache_data(max_entries=8, show_spinner="Drawing the map ...")
def points(source: Source, run: str, dataset: str, channel: str | None) -> tuple[pa.Table, tuple[float, float]]:
    """Published instance embeddings on their first two principal components, at most some thousands, evenly spaced.

    Args:
        source: The state of the run and its dataset.
        run: The run.
        dataset: Its dataset.
        channel: The channel whose embeddings to take; None where a model embeds all together.

    Returns:
        ``entity, channel, start, label, group, predicted, x, y``, a column for each known factor of the windows and one for
        each latent of a model that has them; and the shares of the vectors' variance that ``x`` and ``y`` show.
    """
    from sklearn.decomposition import PCA

    warehouse = source.workspace.warehouse
    step = -(-vectors(source, run)[channel] // _MOST)
    table = warehouse.query(_VECTORS, [run, channel, dataset, step])
    x = table["values"].combine_chunks().flatten().to_numpy(zero_copy_only=False).reshape(len(table), -1)
    n_axes = min(2, *x.shape)
    found = PCA(n_axes, random_state=0)
    places = np.zeros((len(table), 2))
    places[:, :n_axes] = found.fit_transform(x)
    shown = [*np.nan_to_num(found.explained_variance_ratio_), 0.0][:2]
    table = table.drop_columns(["values"]).append_column("x", [places[:, 0]]).append_column("y", [places[:, 1]])
    truth = warehouse.query("SELECT entity, factor, value FROM truth_factors WHERE dataset = ?", [dataset])
    for name in sorted(truth["factor"].unique().to_pylist()):
        own = truth.filter(pc.equal(truth["factor"], name))
        place = pc.index_in(table["entity"], own["entity"].combine_chunks())
        table = table.append_column(f"factor {name}", own["value"].take(place))
    names = {row["factor"]: row["name"] for row in latents(source, run).to_pylist()}
    if len(names) == x.shape[1]:  # such a model embeds a window as its latents
        for factor in sorted(names):
            table = table.append_column(
                f"latent {factor_label(factor, names[factor])}", pa.array(x[:, factor].astype(float))
            )
    return table, (float(shown[0]), float(shown[1]))


@st.cache_data(max_entries=16, show_spinner=False)
def latents(source: Source, run: str) -> pa.Table:
    """Return the factors of a run with their evidence and segments, in the order of the *Factors* page."""
    segments = source.workspace.warehouse.query("SELECT factor, segment FROM factors WHERE run = ?", [run])
    factors = data.factors(source, run)
    place = pc.index_in(factors["factor"], segments["factor"].combine_chunks())
    return factors.append_column("segment", segments["segment"].take(place))


@st.cache_data(max_entries=64, show_spinner=False)
def traversal(source: Source, run: str, factor: int) -> pa.Table:
    """The mean window as a latent moves: ``rung, label, level, out_of_range, channel, values``."""
    return source.workspace.warehouse.query(
        'SELECT rung, label, level, out_of_range, channel, "values" FROM traversals WHERE run = ? AND factor = ? '
        "ORDER BY channel, rung",
        [run, factor],
    )


@st.cache_data(max_entries=16, show_spinner=False)
def leakage(source: Source, run: str) -> pa.Table:
    """What probes read from a run's representations, a row each."""
    return source.workspace.warehouse.query(
        "SELECT representation, concept, level, measure, score, chance, floor, windows FROM leakage WHERE run = ? "
        "ORDER BY representation, level, concept",
        [run],
    )


def above_chance(row: Mapping[str, Any]) -> float:
    """Where a score lies between what chance or shuffled windows reach, 0, and perfection, 1."""
    low = max(row["chance"], row["floor"])
    return max(row["score"] - low, 0.0) / (1 - low) if low < 1 else 0.0


def two_by_two(rows: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], float]:
    """Mean of :func:`above_chance` over concepts, by representation and level; empty unless both levels were probed."""
    found: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        found.setdefault((row["representation"], row["level"]), []).append(above_chance(row))
    return {key: float(np.mean(values)) for key, values in found.items()} if len({k[1] for k in found}) > 1 else {}

"""Cached reads of series, and of what runs say about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import streamlit as st
from numpy.typing import NDArray

from distaff_dashboards.reads.factors import factors_of
from distaff_dashboards.reads.source import Source, published_for
from distaff_dashboards.statements import cached
from distaff_dashboards.ui.labels import factor_label
from distaff_data.errors import InputError

if TYPE_CHECKING:
    from distaff.series.model import SeriesModel
    from distaff_data.datasets.windows import Windows

_MAP_SIZE = 4000  # vectors that a map is made of, evenly spaced
_VECTORS = """
SELECT v.entity, v.channel, v.start, n.label, n."group", c.predicted, v."values" FROM (
  SELECT *, row_number() OVER (ORDER BY entity, start, channel) - 1 AS place FROM embeddings
  WHERE run = ? AND level = 'instance' AND channel IS NOT DISTINCT FROM ?
) v LEFT JOIN entities n ON n.dataset = ? AND n.entity = v.entity
LEFT JOIN classifications c ON c.run = v.run AND c.entity = v.entity
WHERE v.place % ? = 0 ORDER BY v.place
"""


@dataclass(frozen=True)
class EntityRows:
    """Consecutive rows of an entity: times in seconds ``(n,)``, values ``(n, C)``, NaN where missing."""

    times: NDArray[np.float64]
    values: NDArray[np.float64]


@dataclass(frozen=True)
class Forecast:
    """A forecast ``(H, C)`` with its interval, the rows before it, and what came, if it is of the past."""

    before: EntityRows
    times: NDArray[np.float64]
    value: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    actual: NDArray[np.float64] | None


def source_of_run(run: str, dataset: str) -> Source:
    """Return what was published for a run and its dataset."""
    return published_for(run, f"instance/{run}", dataset)


@st.cache_resource(max_entries=2, show_spinner="Loading the model ...")
def model(source: Source, run: str) -> SeriesModel:
    """Return a run's saved model with its series; shared between sessions.

    Raises:
        InputError: There is no saved model.
    """
    from distaff.runs.records import model_folder
    from distaff.series.model import SeriesModel

    return SeriesModel.load(model_folder(source.workspace, run))


def measured(source: Source, run: str, entity: str) -> EntityRows:
    """Return all rows of an entity."""
    series = model(source, run).data
    place = series.entity_ids.index(entity).as_py()
    return _rows_between(source, run, *series.offsets[place : place + 2].tolist())


@cached(max_entries=64, show_spinner=False)
def backtests(source: Source, run: str, entity: str, horizon: int) -> tuple[str, list[float]]:
    """Return the split of an entity's windows to backtest on, and the time of the last row before each forecast.

    It is test; where that has none, validation, from which the intervals were made.
    """
    forecaster = model(source, run)
    for split in ("test", "valid"):
        windows = _origins(forecaster, entity, horizon, split)
        if len(windows):
            return split, forecaster.data.times[windows.starts + forecaster.length - 1].tolist()
    return "test", []


@cached(max_entries=64, show_spinner="Forecasting ...")
def past_forecast(
    source: Source, run: str, entity: str, split: str, window: int, horizon: int, coverage: float
) -> Forecast:
    """Return the forecast from one of an entity's windows in :func:`backtests`, beside what came."""
    import torch

    from distaff.series.backtesting import backtest

    forecaster = model(source, run)
    origin = _origins(forecaster, entity, horizon, split).where(torch.tensor([window]))
    tested = backtest(forecaster, origin, coverage)
    start = int(origin.starts[0])
    middle, end = start + forecaster.length, start + forecaster.length + horizon
    arrays = (values[0].double().numpy() for values in (tested.value, tested.low, tested.high, tested.actual))
    times = _rows_between(source, run, middle, end).times
    return Forecast(_rows_between(source, run, start, middle), times, *arrays)


@cached(max_entries=16, show_spinner="Forecasting ...")
def future_forecast(source: Source, run: str, entity: str, horizon: int, coverage: float) -> Forecast:
    """Return the forecast after an entity's last row.

    Raises:
        InputError: The entity has too few rows to look back on.
    """
    steps = _futures(source, run, horizon, coverage).filter(pl.col("entity") == entity)
    forecaster = model(source, run)
    if steps.is_empty():
        raise InputError(f"it has fewer than the {forecaster.length} rows that the model looks back on", value=entity)
    place = forecaster.data.entity_ids.index(entity).as_py()
    end = int(forecaster.data.offsets[place + 1])
    shape = (horizon, len(forecaster.data.channels))
    value, low, high, times = (
        steps[name].cast(pl.Float64).to_numpy().reshape(shape) for name in ("value", "low", "high", "time")
    )
    return Forecast(_rows_between(source, run, end - forecaster.length, end), times[:, 0], value, low, high, None)


@cached(max_entries=16, show_spinner="Measuring the intervals ...")
def covered(source: Source, run: str, horizon: int, coverage: float) -> tuple[list[float], int]:
    """Return the share of test values within the intervals, of each channel, and of how many windows."""
    from distaff.series.backtesting import coverage_on_test

    shares, n = coverage_on_test(model(source, run), horizon, coverage)
    return shares.tolist(), n


@cached(max_entries=4, show_spinner=False)
def _futures(source: Source, run: str, horizon: int, coverage: float) -> pl.DataFrame:
    frame: pl.DataFrame = model(source, run).forecast(horizon, coverage=coverage)
    return frame


def _origins(forecaster: SeriesModel, entity: str, horizon: int, split: str) -> Windows:
    from distaff.series.backtesting import origins

    return origins(forecaster, horizon, split=split, entity=entity)


def _rows_between(source: Source, run: str, start: int, end: int) -> EntityRows:
    series = model(source, run).data
    rows = slice(start, end)
    values = series.values[rows].double().numpy()
    return EntityRows(series.times[rows].numpy(), np.where(series.mask[rows].numpy(), values, np.nan))


@cached(max_entries=8, show_spinner=False)
def embedded_channels(source: Source, run: str) -> dict[str | None, int]:
    """Return how many instance embeddings a run has published of each channel; of None where it embeds all together."""
    counts = source.frame(
        "SELECT channel, count(*) AS n FROM embeddings WHERE run = ? AND level = 'instance' GROUP BY ALL ORDER BY ALL",
        [run],
    )
    return dict(counts.iter_rows())


@cached(max_entries=8, show_spinner="Drawing the map ...")
def points(source: Source, run: str, dataset: str, channel: str | None) -> tuple[pl.DataFrame, tuple[float, float]]:
    """Return published instance embeddings on two principal components, at most some thousands, evenly spaced.

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

    step = -(-embedded_channels(source, run)[channel] // _MAP_SIZE)
    table = source.frame(_VECTORS, [run, channel, dataset, step])
    vectors = table["values"].list.to_array(len(table["values"][0])).to_numpy()
    n_axes = min(2, *vectors.shape)
    pca = PCA(n_axes, random_state=0)
    places = np.zeros((len(table), 2))
    places[:, :n_axes] = pca.fit_transform(vectors)
    shares = [*np.nan_to_num(pca.explained_variance_ratio_), 0.0][:2]
    table = table.drop("values").with_columns(x=places[:, 0], y=places[:, 1])
    truth = source.frame("SELECT entity, factor, value FROM truth_factors WHERE dataset = ? ORDER BY factor", [dataset])
    if not truth.is_empty():
        factors = truth.with_columns(factor=pl.format("factor {}", "factor")).pivot(
            "factor", index="entity", values="value", aggregate_function="first"
        )
        table = table.join(factors, on="entity", how="left", maintain_order="left")
    latents = latents_of(source, run).select("factor", "name").sort("factor")
    if latents.height == vectors.shape[1]:  # such a model embeds a window as its latents
        columns = [f"latent {factor_label(factor, name)}" for factor, name in latents.iter_rows()]
        table = table.hstack(pl.DataFrame(vectors.astype(np.float64), columns, orient="row"))
    return table, (float(shares[0]), float(shares[1]))


@cached(max_entries=16, show_spinner=False)
def latents_of(source: Source, run: str) -> pl.DataFrame:
    """Return the factors of a run with their evidence and segments, in the order of the *Factors* page."""
    segments = source.frame("SELECT factor, segment FROM factors WHERE run = ?", [run])
    return factors_of(source, run).join(segments, on="factor", how="left", maintain_order="left")


@cached(max_entries=64, show_spinner=False)
def traversal(source: Source, run: str, factor: int) -> pl.DataFrame:
    """Return the mean window as a latent moves: ``rung, label, level, out_of_range, channel, values``."""
    return source.frame(
        'SELECT rung, label, level, out_of_range, channel, "values" FROM traversals WHERE run = ? AND factor = ? '
        "ORDER BY channel, rung",
        [run, factor],
    )


@cached(max_entries=16, show_spinner=False)
def leakage(source: Source, run: str) -> pl.DataFrame:
    """Return what probes read from a run's representations, a row each."""
    return source.frame(
        "SELECT representation, concept, level, measure, score, chance, floor, windows FROM leakage WHERE run = ? "
        "ORDER BY representation, level, concept",
        [run],
    )


def above_chance() -> pl.Expr:
    """Return where ``score`` lies between ``chance`` or ``floor``, the shuffled windows', 0, and perfection, 1."""
    low = pl.max_horizontal("chance", "floor")
    return pl.when(low < 1).then((pl.col("score") - low).clip(0) / (1 - low)).otherwise(0.0)


def two_by_two(probes: pl.DataFrame) -> pl.DataFrame:
    """Return the mean of :func:`above_chance` over concepts: ``representation, instance, timestamp``.

    Empty unless both levels were probed.
    """
    means = probes.group_by("representation", "level", maintain_order=True).agg(above_chance().mean().alias("mean"))
    if means["level"].n_unique() < 2:
        return pl.DataFrame(schema={"representation": pl.String, "instance": pl.Float64, "timestamp": pl.Float64})
    wide = means.pivot("level", index="representation", values="mean")
    return wide.select("representation", "instance", "timestamp")

"""Drift of channels: rows of series, or normal rows of incidents, that came since the fit, beside those that were there.

What is new of a series is a row whose entity, time or values the run's data did not have, in any split; it is compared with
the training rows. What is new of incidents is a case that the run did not see.

Rows that follow each other are not independent. What came is taken as blocks as long as the new stretch, but so short that
the training rows have twenty of them; how far such blocks lie apart in the training rows says what one block, or a few, may
do without any drift. With few blocks then, the limit is wider, as Student's t has it.
"""

from __future__ import annotations

import math

import numpy as np
import polars as pl
from scipy import stats

from distaff.incidents.base import Diagnoser
from distaff.incidents.onsets import normal_rows
from distaff.monitoring.comparison import MARGINS, DriftMeasure, nothing_new
from distaff.series.model import SeriesModel
from distaff.stats.moments import ChannelMoments, normal_moments
from distaff_data.arrays import Bools, Floats, Ints
from distaff_data.datasets.incidents import Incidents
from distaff_data.datasets.series import Series

_SIGMAS = 4.0
_BLOCKS = 20
_ROWS = 30  # below which a spread says nothing: the logarithm of that of a few rows has a long tail
_AT_ONCE = 1_000_000  # rows


def compare_series(model: SeriesModel, now: Series) -> list[DriftMeasure]:
    """Return how far the rows that came since the fit are from the training rows, channel by channel."""
    before = model.data
    names = [name for name in before.channels if name in now.channels]
    fresh = _fresh(before, now, names)
    if not fresh.any():
        return nothing_new([("channels", "shift of the mean")])
    train = before.rows_of("train").numpy()
    size = min(_longest(now, fresh), max(_longest(before, train) // _BLOCKS, 1))
    old, new = _moments(before, train, size, names, least=2), _moments(now, fresh, size, names, least=1)
    return compare_moments(old, new)


def compare_incidents(model: Diagnoser, now: Incidents) -> list[DriftMeasure]:
    """Return how far the normal rows of cases that came since the run are from those of its cases, metric by metric."""
    cases = [case for case in now.cases if case.digest not in model.cases_seen]
    if not cases:
        return nothing_new([("channels", "shift of the mean")])
    return compare_moments(model.normal, normal_moments([normal_rows(case) for case in cases], least=1))


def compare_moments(before: dict[str, ChannelMoments], now: dict[str, ChannelMoments]) -> list[DriftMeasure]:
    """Return the shift of the mean, and the ratio of the spreads, of each channel that both have."""
    drifts = []
    for name in (name for name in before if name in now):
        old, new = before[name], now[name]
        scale = old.std or 1.0
        shift = abs(new.mean - old.mean) / scale
        alike = math.sqrt(
            old.blocks / new.blocks
        )  # the error of as many blocks as are new, were they like the old ones
        error = math.hypot(old.mean_error, max(new.mean_error * new.std / scale, old.mean_error * alike))
        detail = f"mean {old.mean:.4g} then, {new.mean:.4g} since; spread {old.std:.4g} then, {new.std:.4g} since"
        drifts.append(_channel(name, "shift of the mean", shift, error, old.blocks, detail))
        if old.std > 0 and new.std > 0 and new.rows >= _ROWS:
            ratio = abs(math.log(new.std / old.std))
            error = math.hypot(old.spread_error, max(new.spread_error, old.spread_error * alike))
            drifts.append(_channel(name, "ratio of the spreads", ratio, error, old.blocks, detail))
    return drifts


def _channel(name: str, measure: str, value: float, error: float, blocks: int, detail: str) -> DriftMeasure:
    sigmas = float(stats.t.isf(stats.norm.sf(_SIGMAS), blocks - 1))
    return DriftMeasure("channels", name, measure, value, sigmas * error + MARGINS[measure], detail)


def _fresh(before: Series, now: Series, names: list[str]) -> Bools:
    """Return which rows of ``now`` are not in ``before``: of another entity or time, or with other values."""
    code = _entities(before, now)[now.entity_of_row().numpy()]
    rows = pl.DataFrame({"entity": code, "time": now.times.numpy()})
    held = pl.DataFrame({"entity": before.entity_of_row().numpy(), "time": before.times.numpy()})
    held = held.with_row_index("row").unique(["entity", "time"], keep="first")
    rows_before = rows.join(held, on=["entity", "time"], how="left", maintain_order="left")["row"]
    place = rows_before.cast(pl.Int64).fill_null(-1).to_numpy()
    fresh = place < 0
    columns, columns_then = ([data.channels.index(name) for name in names] for data in (now, before))
    for some in np.split(at := np.flatnonzero(~fresh), range(_AT_ONCE, len(at), _AT_ONCE)):
        same = np.ones(len(some), dtype=np.bool_)
        for c, c_then in zip(columns, columns_then, strict=True):
            same &= now.mask[some, c].numpy() == before.mask[place[some], c_then].numpy()
            same &= now.values[some, c].numpy() == before.values[place[some], c_then].numpy()
        fresh[some] = ~same
    return fresh


def _entities(before: Series, now: Series) -> Ints:
    """Return the place in ``before`` of each entity of ``now``, -1 for one that was not there."""
    entities = pl.DataFrame({"id": before.entity_ids, "place": np.arange(before.n_entities)})
    matched = pl.DataFrame({"id": now.entity_ids}).join(entities, on="id", how="left", maintain_order="left")["place"]
    places: Ints = matched.fill_null(-1).to_numpy()
    return places


def _longest(data: Series, rows: Bools) -> int:
    """Return how many of the rows the entity with most of them has."""
    return int(np.bincount(data.entity_of_row().numpy()[rows], minlength=1).max())


def _moments(data: Series, chosen: Bools, size: int, names: list[str], *, least: int) -> dict[str, ChannelMoments]:
    """Return the moments of each channel; a block is ``size`` rows or more of an entity, or one that is a window."""
    rows = np.flatnonzero(chosen)
    entity = data.entity_of_row().numpy()[rows]
    block = _blocks(entity, len(rows) if data.whole else size)
    moments = {}
    for name in names:
        at = data.channels.index(name)
        values: Floats = data.values[rows, at].double().numpy()
        values[~data.mask[rows, at].numpy()] = np.nan
        found = ChannelMoments.from_blocks(values, block, least=least)
        if found is not None:
            moments[name] = found
    return moments


def _blocks(entity: Ints, size: int) -> Ints:
    """Return the block of each row, of entities in order; what is left at an entity's end joins its last block."""
    _, start, counts = np.unique(entity, return_index=True, return_counts=True)
    rank = np.arange(len(entity)) - np.repeat(start, counts)
    n_blocks = np.maximum(counts // size, 1)
    within = np.minimum(rank // size, np.repeat(n_blocks - 1, counts))
    blocks: Ints = np.repeat(np.cumsum(n_blocks) - n_blocks, counts) + within
    return blocks

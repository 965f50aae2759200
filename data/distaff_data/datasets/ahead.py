"""Rows after the last ones of each entity, in which covariates are known and channels are not."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from distaff_data.datasets.covariates import Covariates
from distaff_data.datasets.division import SPLITS
from distaff_data.datasets.series import Series


def measured_part(data: Series) -> tuple[Series, Series | None]:
    """Return series up to the last measured row of each entity, and the rows after it; None where there are none.

    Only where covariates are known ahead does a row in which nothing was measured say something of the future. An entity
    that never was measured keeps its rows.
    """
    if data.covariates is None or not data.covariates.names("future"):
        return data, None
    row = torch.arange(len(data.values))
    entity, measured = data.entity_of_row(), data.mask.any(1)
    last = torch.full((data.n_entities,), -1).scatter_reduce(0, entity[measured], row[measured], "amax")
    last = torch.where(last < 0, data.offsets[1:] - 1, last)
    kept = row <= last[entity]
    if bool(kept.all()):
        return data, None
    return _of_some_rows(data, kept), _of_some_rows(data, ~kept)


def steps_of(data: Series) -> Tensor:
    """Return the distance of the last two rows of each entity, ``(E,)``; 1 where there is one row."""
    end = data.offsets[1:]
    spacing = data.times[end - 1] - data.times[(end - 2).clamp(min=0)]
    return torch.where(data.lengths > 1, spacing, 1.0)


def times_ahead(data: Series, horizon: int) -> Tensor:
    """Return the times of the rows after each entity's last one, ``(E, H)``."""
    step = torch.arange(1, horizon + 1, dtype=torch.float64)
    return data.times[data.offsets[1:] - 1].unsqueeze(1) + step * steps_of(data).unsqueeze(1)


def extended(data: Series, horizon: int, known: Tensor | None = None) -> Series:
    """Return series with rows after the last ones, whose channels are missing; static covariates go on.

    Args:
        data: The series.
        horizon: H, rows more of each entity.
        known: What is known of the covariates' columns ahead, NaN where it is not, ``(E, H, K)``.
    """
    n_channels = len(data.channels)
    lengths = data.lengths + horizon
    offsets = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
    entity = torch.repeat_interleave(torch.arange(data.n_entities), lengths)
    place = torch.arange(int(offsets[-1])) - offsets[entity]
    beyond = place - data.lengths[entity]  # 0 or more in the new rows
    ahead = beyond >= 0
    source = torch.minimum(data.offsets[entity] + place, data.offsets[entity + 1] - 1)
    covariates = data.covariates
    if covariates is not None:
        values, there = covariates.values[source], covariates.mask[source]
        still = covariates.having("static")
        given = torch.full((data.n_entities, horizon, len(covariates)), torch.nan) if known is None else known
        cells = torch.where(still, torch.where(there, values, torch.nan)[ahead], given[entity[ahead], beyond[ahead]])
        values[ahead], there[ahead] = cells.nan_to_num(0.0, 0.0, 0.0), torch.isfinite(cells)
        covariates = Covariates(covariates.columns, values, there)
    times = data.times[source]
    times[ahead] = times_ahead(data, horizon)[entity[ahead], beyond[ahead]]
    return replace(
        data,
        values=torch.where(ahead.unsqueeze(1), torch.zeros(1, n_channels), data.values[source]),
        mask=data.mask[source] & ~ahead.unsqueeze(1),
        times=times,
        splits=torch.where(ahead, SPLITS.index("test"), data.splits[source]).to(torch.int8),
        offsets=offsets,
        covariates=covariates,
    )


def _of_some_rows(data: Series, chosen: Tensor) -> Series:
    lengths = torch.zeros(data.n_entities, dtype=torch.long).index_add_(0, data.entity_of_row(), chosen.long())
    return replace(data.of_rows(chosen), offsets=torch.cat([lengths.new_zeros(1), lengths.cumsum(0)]))

"""How far rows are from where a series usually is, and how still it has become: before any window is normalised.

A model that subtracts each window's mean sees a level shift at its edges alone, and a sensor that sends one value for ever
not at all. Here the level of a row is the mean, over the last few rows, of what a value is above the middle of the values
some seasons before it; its stillness is the inverse of the variance of the last rows. Both are squared or inverse squares,
in units of the entity's deviation in training, and of several channels the largest in units of what is rare on
validation rows counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from distaff.series.contract import WindowModel
from distaff.series.seasons import candidate_seasons
from distaff_data.datasets.series import Series

_BEFORE = 20  # values before, some seasons apart, whose middle is the level that is expected
_FEWEST = 5  # of these
_LAST = 6  # rows whose mean is judged
_STILL = 12  # rows whose variance is judged
_LEAST = 1e-8  # variance, of that in training
_AT_ONCE = 65_536  # rows


def levels(model: WindowModel, data: Series) -> Tensor:
    """Return squared distances of rows from their usual level, ``(R, C)``; NaN where too little is known."""
    apart = rows_apart(model)
    return _by_entity(model, data, lambda x: _level(x, apart))


def stillness(model: WindowModel, data: Series) -> Tensor:
    """Return inverse variances of the rows up to each one, ``(R, C)``; NaN where there are too few."""
    return _by_entity(model, data, _still)


def rows_apart(model: WindowModel) -> int:
    """Return the distance of the values that a level is compared with: whole seasons, a quarter of a window at least."""
    season = next(iter(candidate_seasons(model, model.data, model.length, 1)), 1)
    return season * math.ceil(max(1, model.length / 4) / season)


def _level(x: Tensor, apart: int) -> Tensor:
    """Return the levels of an entity's values ``(n, C)``, NaN where missing."""
    n, reach = len(x), apart * _BEFORE
    padded = F.pad(x, (0, 0, reach, 0), value=torch.nan)
    away = torch.full_like(x, torch.nan)
    for some in torch.arange(n).split(_AT_ONCE):
        start, stop = int(some[0]), int(some[-1]) + 1
        before = torch.stack(
            [padded[start + reach - k * apart : stop + reach - k * apart] for k in range(1, _BEFORE + 1)]
        )
        enough = torch.isfinite(before).sum(0) >= _FEWEST
        away[start:stop] = torch.where(enough, x[start:stop] - before.nanmedian(0).values, torch.nan)
    return _mean_of_last(away, _LAST).square()


def _still(x: Tensor) -> Tensor:
    mean = _mean_of_last(x, _STILL)
    variance = (_mean_of_last(x.square(), _STILL) - mean.square()).clamp(min=_LEAST)
    variance[: _STILL - 1] = torch.nan
    return 1 / variance


def _mean_of_last(x: Tensor, n: int) -> Tensor:
    """Return the mean of what was measured in the last n rows, ``(R, C)``; NaN where less than half was."""
    there = torch.isfinite(x)
    sums, counts = (
        F.pad(values.double().cumsum(0), (0, 0, n, 0)) for values in (torch.where(there, x.double(), 0.0), there)
    )
    total, count = (values[n:] - values[:-n] for values in (sums, counts))
    return torch.where(2 * count >= n, total / count.clamp(min=1), torch.nan)


def _by_entity(model: WindowModel, data: Series, score: Callable[[Tensor], Tensor]) -> Tensor:
    scaled = (
        model.scaler_for(data, data.entity_of_row(), of="rows").to(torch.device("cpu")).apply(data.values, data.mask)
    )
    rows = torch.where(data.mask, scaled, torch.nan).double()
    return torch.cat([score(own) for own in rows.split(data.lengths.tolist())])

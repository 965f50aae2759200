"""Effects of covariates and of the calendar on series: linear, found on what the series' own past does not explain.

A channel is the effect of its row, beta' x, and a rest that goes on by itself. Ordinary least squares would take for an
effect what the rest happens to do at the same time, for it wanders. So both sides are filtered by the regression of the
rest on its own lags first, and the rest is estimated anew, a few times over (Cochrane and Orcutt, 1949). Each entity has
weights of its own, drawn to those of all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from distaff.series.heads.ridge import Moments, solve
from distaff_data.datasets.series import Scaler, Series
from distaff_timeseries.calendars import Calendar

_ROUNDS = 3
_PULLS = (1e-3, 1e-2, 1e-1, 1.0)
"""Penalties on the distance from the weights of all entities, as parts of the mean of the Gram matrix's diagonal."""
_MOST_OWN = 512  # entities times channels beyond which none has weights of its own
_MOST_ROWS = 200_000  # of all entities, the latest of each
_LEAST_ROWS = 2_000  # of each
_PRODUCTS = 64  # columns of static times known covariates, beyond which there are none
_AT_ONCE = 65_536  # rows


@dataclass(frozen=True)
class Regressors:
    """Columns that explain the rows of series.

    Attributes:
        calendar: Which columns the calendar has; None for none.
        covariates: Whether there are columns of the covariates that are known ahead.
        scaler: Of the covariates' columns, one of each entity; None without them.
    """

    calendar: Calendar | None
    covariates: bool
    scaler: Scaler | None = None

    @classmethod
    def of(cls, data: Series, calendar: Calendar | None, *, covariates: bool) -> Regressors:
        """Return the columns of series, the covariates' in units of the entities' training rows."""
        return cls(calendar, covariates, covariate_scaler(data, "train") if covariates else None)

    def columns(self, data: Series, rows: Tensor) -> Tensor:
        """Return the columns of some rows of series with the same entities, float32 ``(n, F)``."""
        parts = [torch.zeros(len(rows), 0)]
        if self.calendar is not None:
            parts.append(self.calendar.columns(data.times[rows]))
        if self.covariates and data.covariates is not None and self.scaler is not None:
            entity = torch.searchsorted(data.offsets, rows, right=True) - 1
            before = torch.maximum(rows - 1, data.offsets[entity])
            known, static = (data.covariates.having(role) for role in ("future", "static"))
            here, last = (self._scaled(data, some, entity) for some in (rows, before))
            parts += [here[:, known], last[:, known]]
            if int(known.sum()) * int(static.sum()) <= _PRODUCTS:
                parts.append((here[:, known].unsqueeze(2) * here[:, static].unsqueeze(1)).flatten(1))
        return torch.cat(parts, 1)

    def _scaled(self, data: Series, rows: Tensor, entity: Tensor) -> Tensor:
        assert data.covariates is not None
        assert self.scaler is not None
        some = data.covariates.rows(rows)
        return self.scaler.of_rows(entity).apply(some.values, some.mask)


@dataclass(frozen=True)
class Effects:
    """Weights of the columns for each entity and channel, the last entity one that is not known, ``(E + 1, C, F)``."""

    weights: Tensor

    def of(self, data: Series, codes: Tensor, regressors: Regressors) -> Tensor:
        """Return the effects at all rows of some series, scaled, ``(R, C)``.

        Args:
            data: The series.
            codes: Which of the model's entities each of the series' is, ``(E,)``; -1 for another one.
            regressors: Of those series.
        """
        effects, entity = torch.zeros(len(data.values), self.weights.shape[1]), data.entity_of_row()
        for rows in torch.arange(len(data.values)).split(_AT_ONCE):
            columns = regressors.columns(data, rows)
            for place in entity[rows].unique().tolist():
                own = entity[rows] == place
                effects[rows[own]] = columns[own] @ self.weights[codes[place]].T
        return effects


def covariate_scaler(data: Series, split: str | None) -> Scaler:
    """Return the scaler of covariates by the measured rows of each entity, of a split or all; columns of 0 and 1 stay."""
    covariates = data.covariates
    assert covariates is not None
    rows = torch.ones(len(data.values), dtype=torch.bool) if split is None else data.rows_of(split)
    names = tuple(map(str, range(len(covariates))))
    scaler = Scaler.by_entity(replace(data, channels=names, values=covariates.values, mask=covariates.mask), rows)
    flags = ((covariates.values == 0) | (covariates.values == 1) | ~covariates.mask).all(0)
    return Scaler(torch.where(flags, 0.0, scaler.mean), torch.where(flags, 1.0, scaler.std))


@torch.no_grad()
def fit_effects(data: Series, values: Tensor, regressors: Regressors, season: int) -> Effects:
    """Return the effects of the columns on series.

    Args:
        data: The series.
        values: Their values, scaled, 0 where missing, ``(R, C)``.
        regressors: The columns.
        season: Rows of a season, by which the rest is filtered too; 1 for none.
    """
    lags = sorted({1, 2, season})
    return Effects(torch.stack([_of_channel(data, values, regressors, lags, c) for c in range(values.shape[1])], 1))


@dataclass
class _Sums:
    """Moments of training and of validation rows of each entity that has some."""

    train: dict[int, Moments]
    valid: dict[int, Moments]

    @staticmethod
    def pooled(of: Mapping[int, Moments], width: int) -> Moments:
        """Return the sums of all entities."""
        total = Moments.empty(width, 1, torch.device("cpu"))
        for moments in of.values():
            total.gram += moments.gram
            total.cross += moments.cross
            total.square += moments.square
            total.n += moments.n
        return total


def _of_channel(data: Series, values: Tensor, regressors: Regressors, lags: list[int], channel: int) -> Tensor:
    """Return the weights of one channel, ``(E + 1, F)``."""
    y, mask = values[:, channel].double(), data.mask[:, channel]
    width = regressors.columns(data, torch.zeros(1, dtype=torch.long)).shape[1]
    common, sums = torch.zeros(width, dtype=torch.float64), _Sums({}, {})
    for _ in range(_ROUNDS):
        rest = y - torch.cat(
            [regressors.columns(data, rows).double() @ common for rows in torch.arange(len(y)).split(_AT_ONCE)]
        )
        filter_ = _own_past(data, rest, mask, lags)
        sums = _filtered(data, y, mask, regressors, lags, filter_, width)
        pooled = (sums.pooled(of, width + 1) for of in (sums.train, sums.valid))
        common = solve(*pooled)[:-1, 0].double()
    weights = common.repeat(data.n_entities + 1, 1)
    if 1 < data.n_entities <= _MOST_OWN // values.shape[1] and sums.valid:
        weights[:-1] = _drawn(sums, common, data.n_entities)
    return weights.float()


def _own_past(data: Series, rest: Tensor, mask: Tensor, lags: list[int]) -> Tensor:
    """Return the least-squares weights of a rest's own lags, ``(L,)``."""
    size = len(lags)
    gram, cross = torch.zeros(size, size, dtype=torch.float64), torch.zeros(size, dtype=torch.float64)
    for _, rows in _rows_with_past(data, mask, lags, "train"):
        past = torch.stack([rest[rows - lag] for lag in lags], 1)
        gram += past.T @ past
        cross += past.T @ rest[rows]
    penalty = 1e-6 * gram.diagonal().mean().clamp(min=1e-12)
    solution: Tensor = torch.linalg.solve(gram + penalty * torch.eye(size, dtype=torch.float64), cross)
    return solution


def _filtered(
    data: Series, y: Tensor, mask: Tensor, regressors: Regressors, lags: list[int], weights: Tensor, width: int
) -> _Sums:
    """Return the sums of filtered columns, and 1, and of the filtered channel."""
    sums = _Sums({}, {})
    for split, of in (("train", sums.train), ("valid", sums.valid)):
        for entity, rows in _rows_with_past(data, mask, lags, split):
            columns, left = regressors.columns(data, rows), y[rows].clone()
            for lag, weight in zip(lags, weights.tolist(), strict=True):
                columns -= weight * regressors.columns(data, rows - lag)
                left -= weight * y[rows - lag]
            x = torch.cat([columns.double(), torch.ones(len(rows), 1, dtype=torch.float64)], 1)
            of.setdefault(entity, Moments.empty(width + 1, 1, x.device)).add(x, left.unsqueeze(1))
    return sums


def _rows_with_past(data: Series, mask: Tensor, lags: list[int], split: str) -> Iterator[tuple[int, Tensor]]:
    """Yield rows of a split, the latest of each entity, that were measured as were those some lags before them."""
    most = max(_LEAST_ROWS, _MOST_ROWS // data.n_entities)
    chosen = data.rows_of(split) & mask
    for entity, (start, stop) in enumerate(zip(data.offsets[:-1].tolist(), data.offsets[1:].tolist(), strict=True)):
        if stop - start <= max(lags):
            continue
        rows = start + max(lags) + torch.nonzero(chosen[start + max(lags) : stop]).flatten()
        for lag in lags:
            rows = rows[mask[rows - lag]]
        if len(rows):
            yield entity, rows[-most:]


def _drawn(sums: _Sums, common: Tensor, n_entities: int) -> Tensor:
    """Return each entity's weights, drawn to the common ones as far as validation rows say, ``(E, F)``."""
    weights = common.repeat(len(_PULLS) + 1, n_entities, 1)
    errors = torch.zeros(len(_PULLS) + 1, dtype=torch.float64)
    ends = torch.cat([common, common.new_zeros(1)]).unsqueeze(1)
    for entity, train in sums.train.items():
        size = train.gram.diagonal().mean().clamp(min=1e-12)
        eye = torch.eye(len(ends), dtype=torch.float64)
        away = train.cross - train.gram @ ends
        fits = [ends + torch.linalg.solve(train.gram + pull * size * eye, away) for pull in _PULLS]
        weights[:-1, entity] = torch.stack(fits)[:, :-1, 0]
        if entity in sums.valid:
            valid = sums.valid[entity]
            judged = torch.tensor([valid.error(fit) for fit in (*fits, ends)], dtype=torch.float64) / valid.n
            errors += judged / judged.min().clamp(min=1e-12)
    return weights[int(errors.argmin())]

"""Intervals around forecasts: conformal, in each window's own scale, and adapted as the rows come in.

An error is measured in units of its window: the deviation of its entity in training, or the deviation of the window itself,
or between the two, whichever gives the better intervals. Its quantile is split-conformal at first (Papadopoulos et al.
2002), from the entity's own validation windows where these are many. Where they are few, the last training windows join
them, whose errors are enlarged by as much as validation's are larger, and the quantile is that of all entities in units of
each one's mean error. Then it follows the errors of every later window once its horizon has passed: up by a step after a
miss, down by a smaller one after a hit, on a logarithmic scale, with a trend (after quantile tracking: Angelopoulos, Candès
and Tibshirani, NeurIPS 2023; Gibbs and Candès, NeurIPS 2021). In the long run the share of hits is the coverage whatever the
series does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from distaff.series.blocks import blocks
from distaff.series.contract import WindowModel
from distaff_data.datasets.series import Series
from distaff_data.datasets.windows import Windows, with_future
from distaff_data.errors import InputError

LEVELS = (0.8, 0.9, 0.95)
"""Coverages that are measured."""
_GRID = (0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95)  # coverages whose quantiles the CRPS is computed from
_OWN = 64  # windows from which an entity has quantiles of its own
_STRETCHES = 20  # horizons that fit into its validation rows, below which windows that overlap are few
_DRAWN = 5.0  # such stretches of an entity that tell as much of its mean error as all entities do
_OF_TRAIN = 4096  # training windows of all entities that are replayed
_MOST = 16_384  # windows of all entities that are replayed, the latest of each
_STEP = 0.03  # of the logarithm of a quantile after a miss, times the coverage
_TREND = (
    0.2  # of squared steps that the trend of the logarithm learns at a time, so that a quantile that grows is not late
)
_EXPONENTS = (0.0, 0.5, 1.0)
_CHOSEN_AT = 0.9  # coverage at which the exponent is chosen, by the interval score
_LEAST = 0.01  # deviation of a window, of its entity's
_ZERO = 1e-12  # the least error, whose logarithm can be taken
_TINY = 1e-6  # deviation of an entity, of the channel's


@dataclass(frozen=True)
class Coverage:
    """The share of test values that intervals of some coverages hold, and their mean width in the channels' own units.

    Attributes:
        levels: The L coverages.
        held: ``(L, E, C)``; NaN where an entity has no test window.
        width: ``(L, E, C)``.
        n: Values that were judged, ``(E, C)``.
        crps: Mean continuous ranked probability score, in units of the channels' training deviation; from the quantiles.
    """

    levels: tuple[float, ...]
    held: Tensor
    width: Tensor
    n: Tensor
    crps: float

    def overall(self, values: Tensor) -> list[float]:
        """Return the means of :attr:`held` or :attr:`width` over all values, one for each level."""
        return ((values.nan_to_num() * self.n).sum((1, 2)) / self.n.sum()).tolist()


@dataclass(frozen=True)
class Intervals:
    """The intervals of one model at one horizon, H, over E entities of C channels.

    Attributes:
        train: Errors of training windows in units of their windows, ``(E, W, H, C)``; NaN where nothing was measured and of
            entities that have validation windows enough.
        valid: Those of the validation windows, ``(E, V, H, C)``.
        test: Those of the test windows, in order of time, ``(E, T, H, C)``.
        scales: The units of the test windows, ``(E, T, C)``; NaN where an entity has fewer windows.
        starts: First rows of the test windows, ``(E, T)``; the largest integer where an entity has fewer.
        spread: Deviation of each entity in training, scaled, ``(E, C)``.
        exponent: Of the window's own deviation in the unit.
    """

    train: Tensor
    valid: Tensor
    test: Tensor
    scales: Tensor
    starts: Tensor
    spread: Tensor
    exponent: float
    _known: dict[float, Tensor] = field(default_factory=dict)

    def first(self, coverage: float) -> Tensor:
        """Return quantiles before any test window, ``(E, H, C)``; infinite where windows are too few."""
        return _quantiles(torch.cat([self.train, self.valid], 1), coverage)

    def followed(self, coverage: float) -> Tensor:
        """Return the quantiles before the test windows and after more and more of them, ``(S, E, H, C)``."""
        if coverage not in self._known:
            self._known[coverage] = torch.stack([state[0] for state in self._states((check(coverage),))])
        return self._known[coverage]

    def radius(self, windows: Windows, values: Tensor, mask: Tensor, coverage: float) -> Tensor:
        """Return half widths for windows of the model's own data, as they were known at the time, ``(b, H, C)``, scaled.

        Args:
            windows: The windows, their horizons included or not.
            values: Of the windows without their horizons, scaled.
            mask: Likewise.
            coverage: Between 0 and 1.
        """
        states, horizon, entities = self.followed(coverage), self.valid.shape[2], windows.entities
        before = (windows.starts - horizon).unsqueeze(1)  # the last window whose horizon has passed
        passed = torch.searchsorted(self.starts[entities].contiguous(), before, right=True).squeeze(1)
        return states[passed // self._together, entities] * self._units(values, mask, self.spread[entities]).unsqueeze(
            1
        )

    def radius_of_new(self, entities: Tensor, spread: Tensor, values: Tensor, mask: Tensor, coverage: float) -> Tensor:
        """Return half widths for windows of new data, by all that is known, ``(b, H, C)``, scaled.

        Args:
            entities: Which of the model's entities each window is of; -1 for another one, of which the middle of the
                model's entities is expected, in its own unit.
            spread: Deviations of the windows' entities, ``(b, C)``, read where the model does not know the entity.
            values: As in :meth:`radius`, as are all that follow.
            mask: Likewise.
            coverage: Between 0 and 1.
        """
        last = self.followed(coverage)[-1]
        strange = (entities < 0).view(-1, 1, 1)
        quantiles = torch.where(strange, last.median(0).values, last[entities.clamp(min=0)])
        spread = torch.where(strange[:, 0], spread, self.spread[entities.clamp(min=0)])
        return quantiles * self._units(values, mask, spread).unsqueeze(1)

    def _units(self, values: Tensor, mask: Tensor, spread: Tensor) -> Tensor:
        return _unit(_deviation(values, mask, (1,)).cpu(), spread, self.exponent)

    def coverage(self, levels: Sequence[float], std: Tensor) -> Coverage | None:
        """Return what the intervals hold of the test windows, each as it was known at the time; None without any.

        Args:
            levels: Coverages to judge.
            std: What widths are multiplied by, ``(E, C)`` or what is broadcast to that.
        """
        n_windows, horizon = self.test.shape[1:3]
        if not n_windows:
            return None
        grid = tuple(dict.fromkeys((*levels, *_GRID)))
        lost = 1 - torch.tensor([(1 + c) / 2 for c in grid]).view(-1, 1, 1, 1, 1)
        held, width, loss = (torch.zeros(len(grid), *self.spread.shape, dtype=torch.float64) for _ in range(3))
        centre = torch.zeros(self.spread.shape, dtype=torch.float64)
        states: list[Tensor] = []
        following, n_dropped = self._states(grid), 0
        for windows in torch.arange(n_windows).split(self._together):
            passed = (windows - horizon + 1).clamp(min=0) // self._together
            states += [next(following) for _ in range(int(passed[-1]) + 1 - n_dropped - len(states))]
            states, n_dropped = states[int(passed[0]) - n_dropped :], int(passed[0])
            now = torch.stack(states, 2)[:, :, passed - n_dropped]
            errors, unit = self.test[:, windows], self.scales[:, windows].unsqueeze(2)
            finite = torch.isfinite(errors)
            held += ((errors <= now) & finite).sum((2, 3))
            width += torch.where(finite, 2 * now * unit, 0.0).sum((2, 3))
            pinball = (errors - now).clamp(min=0) + lost * 2 * now  # of the upper and the lower quantile together
            loss += torch.where(finite, pinball * unit, 0.0).sum((2, 3))
            centre += torch.where(finite, errors * unit, 0.0).sum((1, 2))
        count = torch.isfinite(self.test).sum((1, 2))
        chosen = [grid.index(level) for level in levels]
        shares, widths = held[chosen] / count, width[chosen] / count * std
        return Coverage(tuple(levels), shares, widths, count, _crps(loss, centre, count, grid))

    @property
    def _together(self) -> int:
        """Windows that quantiles are moved by at once."""
        return max(1, self.valid.shape[2] // 8)

    def _states(self, levels: Sequence[float]) -> Iterator[Tensor]:
        """Yield the quantiles of some coverages, ``(L, E, H, C)``, at the first test window, and after some more each time.

        Those of all validation windows are where it begins, and it follows these windows too, so that it starts from the
        errors of the last of them.
        """
        state = torch.stack([self.first(level) for level in levels]).clamp(min=_ZERO).log()
        goal = torch.tensor(levels).view(-1, 1, 1, 1)

        trend = torch.zeros_like(state)  # of the logarithm, a window

        def follow(scores: Tensor) -> None:
            nonlocal state, trend
            missed = (scores.clamp(min=_ZERO).log() > state.unsqueeze(2)).sum(2)
            n = torch.isfinite(scores).sum(1)
            excess = missed * goal - (n - missed) * (1 - goal)
            trend = trend + _TREND * _STEP**2 * excess
            state = state + _STEP * excess + n * trend

        for scores in self.valid.split(self._together, 1) if self.valid.shape[1] else ():
            follow(scores)
        yield state.exp()
        for scores in self.test.split(self._together, 1) if self.test.shape[1] else ():
            if scores.shape[1] == self._together:
                follow(scores)
                yield state.exp()


def calibrate(model: WindowModel, horizon: int) -> Intervals:
    """Return the intervals of a fitted model that can forecast that many rows ahead."""
    data, spread = model.data, entity_spread(model.data, model, "train")
    valid, test = (_replayed(model, horizon, split, _MOST) for split in ("valid", "test"))
    few = (valid.starts >= 0).sum(1) + horizon - 1 < _STRETCHES * horizon
    train = _replayed(model, horizon, "train", _OF_TRAIN if bool(few.any()) else 0)
    train.errors[~few] = torch.nan
    relative = spread[:, None, None]

    def in_units(exponent: float) -> tuple[Tensor, Tensor]:
        of_train, of_valid = (
            replayed.errors / _unit(replayed.deviation, spread.unsqueeze(1), exponent).unsqueeze(2)
            for replayed in (train, valid)
        )
        return of_train * _optimism(of_train, of_valid[few]), of_valid

    def score(exponent: float) -> float:
        unit = _unit(torch.cat([train.deviation, valid.deviation], 1), spread.unsqueeze(1), exponent).unsqueeze(2)
        scores = torch.cat(in_units(exponent), 1)
        radius = _quantiles(scores, _CHOSEN_AT).unsqueeze(1)
        missed = (scores - radius).clamp(min=0) / (0.5 * (1 - _CHOSEN_AT))
        return float(((2 * torch.where(scores.isnan(), torch.nan, radius) + missed) * unit / relative).nanmean())

    enough = valid.errors.numel() and bool(torch.isfinite(_quantiles(valid.errors, _CHOSEN_AT)).all())
    exponent = min(_EXPONENTS, key=score) if enough else 1.0
    scales = _unit(test.deviation, spread.unsqueeze(1), exponent)
    starts = torch.where(test.starts < 0, torch.iinfo(torch.long).max, test.starts)
    assert len(starts) == data.n_entities
    return Intervals(*in_units(exponent), test.errors / scales.unsqueeze(2), scales, starts, spread, exponent)


def entity_spread(data: Series, model: WindowModel, split: str | None = None) -> Tensor:
    """Return the deviation of each entity's measured rows, of a split if it has such rows, scaled, ``(E, C)``."""
    chosen = data.mask if split is None else data.mask & data.rows_of(split).unsqueeze(1)
    entity, n = data.entity_of_row(), data.n_entities
    scaled = model.scaler_for(data, entity, of="rows").to(torch.device("cpu")).apply(data.values, data.mask)
    sums = [torch.zeros(n, scaled.shape[1], dtype=torch.float64) for _ in range(3)]
    for total, values in zip(sums, (chosen.double(), scaled * chosen, scaled.square() * chosen), strict=True):
        total.index_add_(0, entity, values.double())
    count = sums[0].clamp(min=1)
    deviation = (sums[2] / count - (sums[1] / count).square()).clamp(min=0).sqrt()
    return torch.where(sums[0] > 1, deviation, 1.0).clamp(min=_TINY).float()


def check(coverage: float) -> float:
    """Return a coverage.

    Raises:
        InputError: It is not between 0 and 1.
    """
    if not 0 < coverage < 1:
        raise InputError("the coverage lies between 0 and 1", column="coverage", value=coverage)
    return coverage


@dataclass(frozen=True)
class _Replayed:
    """Errors of the windows of a split ``(E, T, H, C)``, deviations ``(E, T, C)`` and starts; NaN and -1 beyond the last."""

    errors: Tensor
    deviation: Tensor
    starts: Tensor


@torch.no_grad()
def _replayed(model: WindowModel, horizon: int, split: str, at_most: int) -> _Replayed:
    """Return the errors of a split's windows, the latest of each entity, about ``at_most`` of all."""
    data, length = model.data, model.length
    n, n_channels = data.n_entities, len(data.channels)
    windows = with_future(data, length, horizon, split, model.device)
    left = torch.bincount(windows.entities, minlength=n).flip(0).cumsum(0).flip(0)  # windows from each entity on
    last = torch.cat([left[1:], left.new_zeros(1)])
    from_end = len(windows) - 1 - torch.arange(len(windows)) - last[windows.entities]
    windows = windows.where(from_end < (max(_OWN, at_most // n) if at_most else 0))
    counts = torch.bincount(windows.entities, minlength=n)
    most = int(counts.max())
    place = torch.arange(len(windows)) - (counts.cumsum(0) - counts)[windows.entities]
    errors = torch.full((n, most, horizon, n_channels), torch.nan)
    deviation, starts = torch.full((n, most, n_channels), torch.nan), torch.full((n, most), -1)
    starts[windows.entities, place] = windows.starts
    for block in blocks(windows) if len(windows) else ():  # a model need not know what to do with no window at all
        values, mask = model.take(windows, block)
        history, observed = values[:, :length], mask[:, :length]
        away = (model.forecast_after(windows, block, history, observed, horizon) - values[:, length:]).abs()
        away = torch.where(mask[:, length:], away, torch.nan)
        at = (windows.entities[block], place[block])
        errors[at], deviation[at] = away.cpu(), _deviation(history, observed, (1,)).cpu()
    return _Replayed(errors, deviation, starts)


def _deviation(values: Tensor, mask: Tensor, over: tuple[int, ...]) -> Tensor:
    """Return deviations of measured values."""
    count = mask.sum(over, keepdim=True).clamp(min=1)
    mean = (values * mask).sum(over, keepdim=True) / count
    return (((values - mean) * mask).square().sum(over) / count.squeeze(over)).sqrt()


def _unit(deviation: Tensor, spread: Tensor, exponent: float) -> Tensor:
    """Return the geometric mean of a window's deviation and its entity's."""
    return spread ** (1 - exponent) * torch.maximum(deviation, _LEAST * spread) ** exponent


def _quantiles(scores: Tensor, coverage: float) -> Tensor:
    """Return the ceil((n + 1) coverage)-th smallest of scores ``(E, T, H, C)``, ``(E, H, C)``.

    It is of an entity's own n scores where these are many; otherwise of all entities', each in units of the mean score of
    its entity, in which the mean of all counts too, the more the fewer its own are. Infinite where n is too small.
    """
    quantile, horizon = _order_statistic(scores, coverage), scores.shape[2]
    count = torch.isfinite(scores).sum(1)
    units, unit = _units_of_entities(scores)
    relative = (scores / units.unsqueeze(2)).flatten(0, 1).unsqueeze(0)
    pooled = _order_statistic(relative, coverage) * unit.unsqueeze(1)
    many = (count >= _OWN) & (count + horizon - 1 >= _STRETCHES * horizon)
    return torch.where(many & torch.isfinite(quantile), quantile, pooled)


def _units_of_entities(scores: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean scores of entities, drawn to that of all, ``(E, C)``, and for each window ``(E, T, C)``.

    The one for a window is without the windows that overlap it: a score that helped to make its own unit looks smaller than
    the next one will.
    """
    horizon = scores.shape[2]
    finite = torch.isfinite(scores)
    total, count = scores.nansum(2), finite.sum(2)  # (E, T, C)
    overall = total.sum((0, 1)) / count.sum((0, 1)).clamp(min=1)

    def drawn(sums: Tensor, counts: Tensor) -> Tensor:
        stretches = counts / horizon**2
        mean = sums / counts.clamp(min=1)
        return ((stretches * mean + _DRAWN * overall) / (stretches + _DRAWN)).clamp(min=_ZERO)

    near_total, near_count = (_within(x, horizon) for x in (total, count))
    of_all = total.sum(1, keepdim=True), count.sum(1, keepdim=True)
    return drawn((of_all[0] - near_total).clamp(min=0), of_all[1] - near_count), drawn(total.sum(1), count.sum(1))


def _within(x: Tensor, reach: int) -> Tensor:
    """Return sums over the rows less than ``reach`` from each, along the second axis of ``(E, T, C)``."""
    sums = F.pad(x.double().cumsum(1), (0, 0, 1, 0))
    row = torch.arange(x.shape[1])
    return (sums[:, (row + reach).clamp(max=x.shape[1])] - sums[:, (row - reach + 1).clamp(min=0)]).to(x.dtype)


def _optimism(train: Tensor, valid: Tensor) -> Tensor:
    """Return how many times the middle error of validation windows is that of training windows, 1 at least, ``(H, C)``."""
    middle = (
        [scores.flatten(0, 1).nanmedian(0).values for scores in (train, valid)] if train.numel() * valid.numel() else []
    )
    if not middle:
        return torch.ones(train.shape[2:])
    return (middle[1] / middle[0].clamp(min=_ZERO)).nan_to_num(1.0).clamp(min=1.0)


def _order_statistic(scores: Tensor, coverage: float) -> Tensor:
    n = torch.isfinite(scores).sum(1)
    rank = torch.ceil((n + 1) * coverage - 1e-9).long()
    end = torch.full_like(scores[:, :1] if scores.shape[1] else scores.new_zeros(n.shape).unsqueeze(1), torch.inf)
    ordered = torch.cat([torch.where(scores.isnan(), torch.inf, scores).sort(1).values, end], 1)
    at = (rank - 1).clamp(0, ordered.shape[1] - 1).unsqueeze(1)
    return torch.where(rank <= n, ordered.gather(1, at)[:, 0], torch.inf)


def _crps(loss: Tensor, centre: Tensor, count: Tensor, grid: Sequence[float]) -> float:
    """Return twice the integral of the pinball loss over quantile levels, by trapezes, as a mean over values.

    Args:
        loss: Sums of both quantiles' pinball losses, ``(L, E, C)``.
        centre: Sums of absolute errors, ``(E, C)``: both quantiles at coverage 0 are the forecast.
        count: Values, ``(E, C)``.
        grid: The L coverages.
    """
    order = sorted(range(len(grid)), key=lambda place: grid[place])
    levels = torch.tensor([0.0, *(grid[place] for place in order), 1.0], dtype=torch.float64)
    sums = torch.cat([centre.sum().view(1), loss[order].sum((1, 2)), torch.zeros(1)])  # nothing is lost at coverage 1
    finite = torch.isfinite(sums)
    return float(torch.trapezoid(sums[finite], levels[finite]) / count.sum())

"""Effect cards: what moving one factor changes in the output, with an interval and a control.

The machinery knows nothing of models. A factor is moved over a ladder of values for a sample of examples, everything is
decoded, and named properties of the output are compared between the ends of the ladder, example by example. The control is
the same comparison with the two ends swapped at random for each example: a factor that does nothing in one direction gives
no more than that. A page has a card for each of many factors, so the p value of a card is multiplied by their number: where
no factor does anything, a page has a false card with a chance of 5 % at most.

Properties must share a unit (shares, say), since specificity compares them; divide by their spread where they do not.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from distaff_data.arrays import Bools, Floats

Outputs = TypeVar("Outputs")

QUANTILES = (0.01, 0.10, 0.25, 0.50, 0.75, 0.90, 0.99)
BEYOND = (3.0, 6.0)  # standard deviations
LEVEL = 0.05
_BOOTSTRAPS = 1000
_SWAPS = 500  # at least
_FINE = 5.0  # times as many swaps as would resolve the level of one factor among all
_ROUNDING = 1e-9  # of the largest change: a smaller one is the arithmetic's


@dataclass(frozen=True)
class Ladder:
    """Values that a factor is moved to, ascending.

    Attributes:
        levels: ``(L,)``.
        labels: What each is, such as ``99 %`` or ``+3 sd``.
        inside: True for the quantiles, whose ends an effect is measured between, ``(L,)``.
        out_of_range: True where no observed value is as far out, ``(L,)``.
    """

    levels: Floats
    labels: tuple[str, ...]
    inside: Bools
    out_of_range: Bools

    @classmethod
    def from_values(cls, values: Floats) -> Ladder:
        """Return the quantiles of values ``(n,)`` from 1 to 99 %, and 3 and 6 sd from their mean where that is further."""
        within = np.quantile(values, QUANTILES)
        mean, sd = float(values.mean()), float(values.std())
        rungs = [(float(q), f"{p:.0%}".replace("%", " %"), True) for q, p in zip(within, QUANTILES, strict=True)]
        rungs += [(mean - s * sd, f"-{s:g} sd", False) for s in BEYOND if mean - s * sd < within[0]]
        rungs += [(mean + s * sd, f"+{s:g} sd", False) for s in BEYOND if mean + s * sd > within[-1]]
        rungs.sort(key=lambda rung: rung[0])
        levels = np.array([level for level, _, _ in rungs])
        outside = (levels < values.min()) | (levels > values.max())
        return cls(levels, tuple(label for _, label, _ in rungs), np.array([i for _, _, i in rungs]), outside)


@dataclass(frozen=True)
class Effect:
    """The change of one property of the output with the factor.

    Attributes:
        property: Its name.
        effect: Mean change over examples from the lowest to the highest quantile.
        low, high: 95 % paired bootstrap interval.
        consistency: Share of the steps between quantiles, of those that change anything, that go the effect's way.
        specificity: |effect| / sum of |effects|; None for magnitudes, and where there is nothing to compare with.
        p_value: Against the control, over all properties of all factors at once.
        holds: The interval leaves out 0 and the control seldom gives as much.
    """

    property: str
    effect: float
    low: float
    high: float
    consistency: float
    specificity: float | None
    p_value: float
    holds: bool


@dataclass(frozen=True)
class EffectCard:
    """All effects of one factor, largest first.

    Attributes:
        ladder: Where the factor was moved.
        effects: Of every property; magnitudes last.
        means: Mean of every property at every rung, ``(L, M)``, in the order of ``effects``.
        low, high: 95 % bootstrap interval of those means.
        n: Examples.
    """

    ladder: Ladder
    effects: tuple[Effect, ...]
    means: Floats
    low: Floats
    high: Floats
    n: int

    @property
    def headline(self) -> Effect | None:
        """The largest effect that holds, of the properties that have a direction; None when there is none: no card."""
        return headline_of(self.effects)


def headline_of(effects: Iterable[Effect]) -> Effect | None:
    """Return :attr:`EffectCard.headline` of a factor's effects."""
    return next((e for e in effects if e.holds and e.specificity is not None), None)


def effect_card(
    codes: Floats,
    factor: int,
    ladder: Ladder,
    decode: Callable[[Floats], Outputs],
    properties: Callable[[Outputs], Mapping[str, Floats]],
    *,
    magnitudes: Collection[str] = (),
    periods: Mapping[str, float] | None = None,
    n_factors: int = 1,
    seed: int = 0,
) -> EffectCard:
    """Move one factor of a sample of examples and compare the output's properties.

    Args:
        codes: Factors of the examples, ``(B, J)``.
        factor: Which one is moved.
        ladder: Where to; its quantiles are of everybody's values, not only the sample's.
        decode: Output from codes ``(B, J)``.
        properties: Named numbers of an output, each ``(B,)``.
        magnitudes: Properties that say how much changes and not what: reported, but part of no specificity.
        periods: Of properties that go around, such as a phase, what a whole turn is. They are counted from the lowest rung
            and followed from rung to rung by the shorter way.
        n_factors: The number of factors that cards are made of; p values are corrected for it.
        seed: Of the bootstrap and the control.
    """
    values, names = on_ladder(codes, factor, ladder, decode, properties, periods=periods)
    return compare_effects(values, names, ladder, magnitudes=magnitudes, n_factors=n_factors, seed=seed)


def on_ladder(
    codes: Floats,
    factor: int,
    ladder: Ladder,
    decode: Callable[[Floats], Outputs],
    properties: Callable[[Outputs], Mapping[str, Floats]],
    *,
    periods: Mapping[str, float] | None = None,
) -> tuple[Floats, tuple[str, ...]]:
    """Return the properties ``(L, B, M)`` at every rung and their names; see :func:`effect_card`."""
    names: tuple[str, ...] = ()
    rungs = []
    for level in ladder.levels:
        moved = codes.copy()
        moved[:, factor] = level
        measured = properties(decode(moved))
        names = tuple(measured)
        rungs.append(np.stack(list(measured.values()), axis=1))
    values = np.stack(rungs)
    for name, period in (periods or {}).items():
        at = names.index(name)
        values[:, :, at] = np.unwrap(values[:, :, at], period=period, axis=0) - values[0, :, at]
    return values, names


def compare_effects(
    values: Floats,
    names: tuple[str, ...],
    ladder: Ladder,
    *,
    magnitudes: Collection[str] = (),
    n_factors: int = 1,
    seed: int = 0,
) -> EffectCard:
    """Return the card of one of ``n_factors`` factors from properties ``(L, B, M)`` at every rung of the ladder."""
    rng = np.random.default_rng(seed)
    weights = _resampled(values.shape[1], rng)
    effects = _effects(values, names, ladder, weights, magnitudes, n_factors, rng)
    order = [names.index(effect.property) for effect in effects]
    spread = np.stack([np.quantile(weights @ rung[:, order], [0.025, 0.975], axis=0) for rung in values], axis=1)
    return EffectCard(ladder, effects, values.mean(1)[:, order], spread[0], spread[1], values.shape[1])


def effects_of(
    values: Floats,
    names: tuple[str, ...],
    ladder: Ladder,
    *,
    magnitudes: Collection[str] = (),
    n_factors: int = 1,
    seed: int = 0,
) -> tuple[Effect, ...]:
    """Return the effects that :func:`compare_effects` puts on the card, without the intervals of every rung."""
    rng = np.random.default_rng(seed)
    return _effects(values, names, ladder, _resampled(values.shape[1], rng), magnitudes, n_factors, rng)


def _effects(
    values: Floats,
    names: tuple[str, ...],
    ladder: Ladder,
    weights: Floats,
    magnitudes: Collection[str],
    n_factors: int,
    rng: np.random.Generator,
) -> tuple[Effect, ...]:
    inside = np.flatnonzero(ladder.inside)
    change = values[inside[-1]] - values[inside[0]]
    change[:, np.abs(change).max(0) <= _ROUNDING * np.abs(change).max()] = 0.0
    signed = np.array([name not in magnitudes for name in names])
    effect = change.mean(0)
    low, high = np.quantile(weights @ change, [0.025, 0.975], axis=0)
    p_values = _against_control(change, signed, n_factors, rng)
    consistency = _consistency(values[inside].mean(1), effect)
    total = np.abs(effect[signed]).sum()
    comparable = int(signed.sum()) > 1
    effects = [
        Effect(
            name,
            float(effect[m]),
            float(low[m]),
            float(high[m]),
            float(consistency[m]),
            float(abs(effect[m]) / total) if signed[m] and comparable and total > 0 else (1.0 if signed[m] else None),
            float(p_values[m]),
            bool(p_values[m] <= LEVEL and (low[m] > 0 or high[m] < 0)),
        )
        for m, name in enumerate(names)
    ]
    order = sorted(range(len(names)), key=lambda m: (not signed[m], -abs(effects[m].effect)))
    return tuple(effects[m] for m in order)


def _resampled(n: int, rng: np.random.Generator) -> Floats:
    """Return the weight of each of ``n`` examples in each resample of the bootstrap."""
    return rng.multinomial(n, np.full(n, 1 / n), size=_BOOTSTRAPS) / n


def _against_control(change: Floats, signed: Bools, n_factors: int, rng: np.random.Generator) -> Floats:
    """Return how often swapped ends give as large an effect on any property of any factor, ``(M,)``.

    Effects are in units of each property's change. The number of factors multiplies the p value (Bonferroni), whose swaps
    are as many as it takes for it to pass the level.
    """
    scale = np.sqrt((change**2).mean(0))
    live = scale > 0
    unit = change / np.where(live, scale, 1.0)
    n_swaps = max(_SWAPS, int(np.ceil(_FINE * n_factors / LEVEL)))
    swaps = rng.choice([-1.0, 1.0], size=(n_swaps, len(change)))
    by_chance = np.abs(swaps @ unit / len(change))
    observed = np.abs(unit.mean(0))
    p_values = np.ones(change.shape[1])
    for group in (signed & live, ~signed & live):
        if group.any():
            largest = by_chance[:, group].max(1)
            p_values[group] = (1 + (largest[:, None] >= observed[group]).sum(0)) / (1 + n_swaps)
    return np.minimum(p_values * n_factors, 1.0)


def _consistency(means: Floats, effect: Floats) -> Floats:
    """Return the share of steps of the mean ``(L, M)`` with the effect's sign, among the steps that change it."""
    steps = np.sign(np.where(np.abs(np.diff(means, axis=0)) > 1e-12, np.diff(means, axis=0), 0.0))
    moving = (steps != 0).sum(0)
    return np.where(moving > 0, (steps == np.sign(effect)).sum(0) / np.maximum(moving, 1), 0.0)

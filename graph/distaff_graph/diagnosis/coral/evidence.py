"""What speaks against each metric by itself: extremes, level, distribution, order of onsets, and its component.

Each is compared with the metric's own past, so that metrics of any kind and unit compare, and enters by log(1 + x); what
speaks against a metric is the sum. None of them finds all faults: an outlier has no level, a change of spread has neither,
and of several metrics that are all as far out as can be, the first is the likelier cause.

* **Extremes** and **level** are those of :mod:`~distaff_graph.diagnosis.coral.scores`, over 1 + the median of their peers.
* **Distribution**: the energy coefficient between the normal rows and those of the incident, over the largest between
  blocks of the normal rows and all others. A metric that drifts is ever another, and says nothing.
* **Order**: 1 / (1 + rows after the first metric), half of it by the first row beyond the past and half by the first that
  another one follows: outliers come in any row.
* **Remainder**: half of the same as for distributions, of what all other metrics leave of it; see
  :mod:`~distaff_graph.diagnosis.coral.remainders`.
* **Falls**: metrics that rise where something is wrong (latency, errors, cpu) fall where work stays away, which is an
  effect: half of a fallen level is taken off.
* **Component**: what failed is out of the ordinary inside (cpu, memory, disk) and outside (latency, errors, traffic), what
  only suffers outside alone (as in PRISM, arXiv 2601.21359): a quarter of the strongest evidence of the other side is added.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from distaff_data.arrays import Bools, Floats, Ints
from distaff_graph.diagnosis.coral.scores import beside_peers
from distaff_graph.diagnosis.energy import energy_coefficient

_ROWS = 240  # of either state by which distributions are compared, evenly spaced
_BLOCKS = 4  # of the normal rows
_ALIKE = 0.1  # energy coefficient between states that are the same for all one knows
_FALLEN = 0.5  # of a level, taken off where falling is an effect
_REMAINDER = 0.5  # of what speaks for a changed mechanism
_OTHER_SIDE = 0.25  # of the evidence on the other side of a component, added
FOLLOWED = 2  # rows in which another has to follow


@dataclass(frozen=True)
class Kinds:
    """The kinds of M metrics.

    Attributes:
        entity_of: Entity of each as an integer ``(M,)``.
        kind_of: Kind of each (cpu, latency, ...) as an integer ``(M,)``; those of a kind are peers.
        inside: Which measure the inside of their entity ``(M,)``.
        rising: Which rise where something is wrong ``(M,)``.
    """

    entity_of: Ints
    kind_of: Ints
    inside: Bools
    rising: Bools

    @classmethod
    def of(cls, entity_of: Ints, kind_of: Ints) -> Kinds:
        """Return kinds of which nothing but entity and kind is known."""
        nothing = np.zeros(len(entity_of), dtype=bool)
        return cls(entity_of, kind_of, nothing, nothing)


@dataclass(frozen=True)
class Weighed:
    """The kinds of evidence that count.

    Attributes:
        level: Levels, beside extremes.
        distribution: Distributions.
        order: The order of onsets.
        remainder: Remainders, what all others leave of a metric.
        components: The other side of each component.
    """

    level: bool = True
    distribution: bool = True
    order: bool = True
    remainder: bool = True
    components: bool = True


class EnergyDistances:
    """The distribution of each of M metrics in the normal state, by normal rows ``(n, M)``, at least two."""

    def __init__(self, normal: Floats) -> None:
        self._normal = _few(normal)
        rows, length = self._normal, max(len(self._normal) // _BLOCKS, 1)
        largest = np.zeros(rows.shape[1])
        for start in range(0, len(rows) - length + 1, length):
            rest = np.vstack([rows[:start], rows[start + length :]])
            if len(rest):
                largest = np.maximum(largest, energy_coefficient(rest, rows[start : start + length]))
        self._largest = np.maximum(largest, _ALIKE)

    def apart(self, rows: Floats) -> Floats:
        """Return how far rows ``(n, M)`` are from the normal ones, ``(M,)``; over 1 is further than blocks of these are."""
        return energy_coefficient(self._normal, _few(rows)) / self._largest


def evidence(
    extreme: Floats,
    level: Floats,
    apart: Floats,
    early: Floats,
    remainder: Floats,
    kinds: Kinds,
    kpi: int | None,
    weighed: Weighed,
) -> Floats:
    """Return what speaks against each metric, ``(M,)``, at least 0.

    Args:
        extreme: The furthest out it was, over the furthest ever.
        level: Its level, signed, over the furthest level ever.
        apart: Its distribution's distance, over the furthest ever.
        early: Earliness, 1 for the first.
        remainder: The distance of what all others leave of it, over the furthest ever.
        kinds: The kinds of the metrics.
        kpi: The metric that shows the incident, which is nobody's property; None if there is none.
        weighed: The kinds of evidence that count.
    """
    total = np.log1p(beside_peers(extreme, kinds.kind_of))
    if weighed.level:
        total += np.log1p(beside_peers(np.abs(level), kinds.kind_of))
        total -= np.where(kinds.rising, _FALLEN * np.log1p(np.maximum(-level, 0)), 0)
    if weighed.distribution:
        total += np.log1p(beside_peers(apart, kinds.kind_of))
    if weighed.order:
        total += early
    if weighed.remainder:
        total += _REMAINDER * np.log1p(beside_peers(remainder, kinds.kind_of))
    total = np.maximum(total, 0)
    return total + _OTHER_SIDE * _other_side(total, kinds, kpi) if weighed.components else total


def earliness(first: Floats, followed: Floats) -> Floats:
    """Return 1 / (1 + rows after the first of all), ``(M,)``, the mean by both onsets; 0 where there is none."""
    return (_after_first(first) + _after_first(followed)) / 2


def followed_onsets(beyond: Bools) -> Floats:
    """Return the first row of each metric that is beyond its past and is soon followed by another, infinite without one.

    Args:
        beyond: Which rows are beyond, ``(n, M)``.
    """
    soon = np.zeros_like(beyond)
    for ahead in range(1, min(FOLLOWED, len(beyond) - 1) + 1):
        soon[:-ahead] |= beyond[ahead:]
    lasting = beyond & soon
    return np.where(lasting.any(0), lasting.argmax(0), np.inf)


def _after_first(onset: Floats) -> Floats:
    seen = np.isfinite(onset)
    if not seen.any():
        return np.zeros(len(onset))
    rows = np.where(seen, onset, 0.0) - onset[seen].min()
    return np.where(seen, 1 / (1 + np.maximum(rows, 0)), 0.0)


def _other_side(total: Floats, kinds: Kinds, kpi: int | None) -> Floats:
    """Return the strongest evidence on the other side of each metric's component, ``(M,)``; 0 where it has no other side."""
    counted = np.ones(len(total), dtype=bool)
    if kpi is not None:
        counted[kpi] = False
    strongest = np.zeros((2, int(kinds.entity_of.max(initial=-1)) + 1))
    for side, members in enumerate((~kinds.inside & counted, kinds.inside & counted)):
        np.maximum.at(strongest[side], kinds.entity_of[members], total[members])
    other: Floats = np.where(kinds.inside, strongest[0, kinds.entity_of], strongest[1, kinds.entity_of])
    return other


def _few(rows: Floats) -> Floats:
    few: Floats = rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), _ROWS)).astype(int))]
    return few

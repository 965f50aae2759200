"""The choice of parents: one graph for all targets, greedily, by an information criterion.

A column of :mod:`~distaff_graph.diagnosis.coral.regression` is a metric at a lag; columns lie in blocks of K, block 0
the metrics in the same row. The search adds the column of any target that saves most of

    n log RSS + df (log n + 2 log of the number of candidates)

(the extended BIC of Chen and Chen, Biometrika 2008, which has no penalty to tune and is free of units), then drops what
that made superfluous, and goes on while the criterion falls.

Edges within a row make no cycle: a column that would close one is refused. Their direction is told by the past. If i acts on
j within a row, i's own past reaches j through i only, and given i it tells j no more; the other way round j would need it
beside. The right direction therefore saves more. An edge within a row is added only if its direction saves more than the
other one by as much as an edge has to save at all; what is not told is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from distaff_data.arrays import Bools, Floats, Ints
from distaff_graph.diagnosis.coral.regression import EMPTY, Fit, Problem, decreases, fit, increases

ROWS_PER_PARENT = 10  # fewer rows of the normal state cannot tell parents from chance


@dataclass(frozen=True)
class Criterion:
    """The worth of a column.

    Attributes:
        n_rows: Rows n that the criterion counts.
        penalty: What a column must save of n log RSS.
        spared: ``(K,)`` residual sums of squares that are of other rows and not counted.
        least: ``(K,)`` residual sums of squares that are counted at least.
    """

    n_rows: float
    penalty: float
    spared: Floats
    least: Floats

    @classmethod
    def of(cls, problem: Problem, n_rows: float, candidates: int) -> Criterion:
        """Return the extended BIC over ``n_rows`` rows with so many candidates."""
        penalty = np.log(max(n_rows, 2.0)) + 2 * np.log(candidates)
        return cls(n_rows, float(penalty), np.zeros(problem.n_targets), problem.noise_floor)

    def value(self, rss: Floats) -> Floats:
        """Return n log RSS, ``(..., K)``."""
        return self.n_rows * np.log(np.maximum(rss - self.spared, self.least))

    def take(self, targets: Ints) -> Criterion:
        """Return the criterion of these targets only."""
        return Criterion(self.n_rows, self.penalty, self.spared[targets], self.least[targets])


def choose(
    problem: Problem,
    allowed: Bools,
    start: Ints,
    kept: Bools,
    criterion: Criterion,
    *,
    most: int,
    rows_per_parent: int = ROWS_PER_PARENT,
    within: Sequence[int] = (0,),
) -> Fit:
    """Choose the columns of every target, from those of ``start`` on.

    Args:
        problem: The moments of targets and blocks of K columns; the targets are the K metrics.
        allowed: ``(F, K)``: columns that may be added.
        start: ``(K, P)`` columns to begin with, and room for ``most`` beside those kept.
        kept: ``(F, K)``: columns never dropped.
        criterion: What a column is worth.
        most: Columns of a target beside those kept, at most.
        rows_per_parent: Rows of the criterion that each of them takes.
        within: Blocks whose columns are of the targets' own row.
    """
    most = min(most, int(criterion.n_rows / rows_per_parent))
    search = _Search(problem, allowed, start.copy(), kept, criterion, most, within)
    while search.add():
        pass
    return fit(problem, search.support)


class _Search:
    """The columns chosen so far, what every other would save, and who acts on whom within a row."""

    def __init__(
        self,
        problem: Problem,
        allowed: Bools,
        support: Ints,
        kept: Bools,
        criterion: Criterion,
        most: int,
        within: Sequence[int],
    ) -> None:
        n = problem.n_targets
        self.problem, self.allowed, self.kept, self.criterion = problem, allowed, kept, criterion
        self.support, self.most, self.within = support, most, within
        self.saved = np.zeros_like(problem.cross)  # by columns of earlier rows; 0 for those within the row
        self.at_once = np.zeros((len(within), n, n))  # by those within the row, (source, target)
        self.best = np.zeros(n, np.int64)  # column of an earlier row that saves most
        self._refit(np.arange(n))
        self.reach = self._reach()

    def add(self) -> bool:
        """Add columns and drop what they make superfluous; return False if none is worth it.

        A column of an earlier row concerns its target only, so all that save more than the best one within the row go in
        together: the same search as one by one, in few steps.
        """
        earlier = self.saved[self.best, np.arange(self.problem.n_targets)]
        block, source, target, most = self._best_within()
        ahead = np.flatnonzero(earlier > max(most, self.criterion.penalty))
        if len(ahead):
            self._put(ahead, self.best[ahead])
        elif most > self.criterion.penalty:
            self._put(np.array([target]), np.array([self.within[block] * self.problem.n_targets + source]))
        else:
            return False
        return True

    def _best_within(self) -> tuple[int, int, int, float]:
        """Return block, source and target of the column within the row that saves most, of those allowed, and how much."""
        directed = self.at_once >= self.at_once.transpose(0, 2, 1) + self.criterion.penalty
        worth = np.where(directed & ~self.reach.T, self.at_once, 0.0)
        block, source, target = (int(i) for i in np.unravel_index(int(worth.argmax()), worth.shape))
        return block, source, target, float(worth[block, source, target])

    def _put(self, targets: Ints, columns: Ints) -> None:
        n = self.problem.n_targets
        self.support[targets, (self.support[targets] == EMPTY).argmax(1)] = columns
        before = self.support[targets]
        self._refit(targets)
        if (self.support[targets] != before).any():
            self.reach = self._reach()
        elif columns[0] // n in self.within:
            self.reach |= np.outer(self.reach[:, columns[0] % n], self.reach[targets[0]])

    def _refit(self, targets: Ints) -> None:
        """Drop superfluous columns of these targets, and see what others would save."""
        problem, criterion = self.problem.take(targets), self.criterion.take(targets)
        support = self.support[targets]
        each = np.arange(len(targets))
        fitted = fit(problem, support)
        for _ in range(support.shape[1]):
            free = self._free(support, targets)
            lost = (criterion.value(fitted.rss + increases(fitted).T) - criterion.value(fitted.rss)).T
            cost = np.where(free, lost, np.inf)
            slot = cost.argmin(1)
            weak = cost[each, slot] < criterion.penalty
            if not weak.any():
                break
            support[each[weak], slot[weak]] = EMPTY
            fitted = fit(problem, support)
        saved = criterion.value(fitted.rss) - criterion.value(fitted.rss - decreases(problem, fitted))
        saved[~self.allowed[:, targets]] = 0
        row, place = np.nonzero(support != EMPTY)
        saved[support[row, place], row] = 0
        saved[:, self._free(support, targets).sum(1) >= self.most] = 0
        self.support[targets] = support
        n = self.problem.n_targets
        for number, block in enumerate(self.within):
            self.at_once[number][:, targets] = saved[block * n : (block + 1) * n]
            saved[block * n : (block + 1) * n] = 0
        self.saved[:, targets], self.best[targets] = saved, saved.argmax(0)

    def _free(self, support: Ints, targets: Ints) -> Bools:
        """Return which columns of the support may be dropped."""
        free: Bools = (support != EMPTY) & ~self.kept[support, targets[:, None]]
        return free

    def _reach(self) -> Bools:
        """Return whether one metric acts on another within a row, in any number of steps, ``(K, K)``."""
        n = self.problem.n_targets
        reach = np.eye(n, dtype=bool)
        target, slot = np.nonzero((self.support != EMPTY) & np.isin(self.support // n, self.within))
        reach[self.support[target, slot] % n, target] = True
        while True:
            further = (reach.astype(np.float32) @ reach.astype(np.float32)) > 0
            if (further == reach).all():
                return reach
            reach = further

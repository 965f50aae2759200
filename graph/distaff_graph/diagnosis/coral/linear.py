"""The disentangled graph by linear regression: relations shared by both states, plus those that the present one adds.

x_t = sum_l A_l^T x_{t-l} + e_t in the normal state, and sum_l (A_l + D_l)^T x_{t-l} + e_t in the present state, l from 0 on.
A and D are sparse: A's edges are chosen on the normal state's moments (``search``), then D's among what the present state
does beside, while the weights of A are those of both states together: without that, small errors of A become large where
the present state is far from the normal. An edge of D that A lacks is *dependent*: the state brought it. An edge of A is
*invariant*, by the weaker of its strengths where D changed its weight, unless that made it vanish. This is CORAL's split
(Wang et al., KDD 2023) written in a model where both subgraphs are identified; an edge's strength is the partial correlation
given the other parents.

Each state is centred on its own mean: a level that shifts is a deviation, no relation. Of the present state only its own
rows count for the criterion, with what the normal state leaves unexplained taken off.

A batch costs one product with the rows and the search from the parents found before, so neither time nor memory grows with
the history; A is learned once an incident.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from distaff_data.arrays import Bools, Floats, Ints
from distaff_graph.diagnosis.coral.graph import Graph, Knowledge
from distaff_graph.diagnosis.coral.moments import LagMoments
from distaff_graph.diagnosis.coral.regression import EMPTY, Fit, Problem, fit, strengths
from distaff_graph.diagnosis.coral.search import Criterion, choose

_LEAST = 1e-6  # strength of a new edge that is hardly there yet
_GONE = 0.1  # strength in the present state below which a changed edge no longer holds
_ROWS_PER_CHANGE = 3  # of the present state: what it changed beside the normal one is little
_MOST_GIVEN = 32  # known parents of a metric that take part in its regression; all of them stay in the graph


class LinearLearner:
    """A graph learned by linear regression: batches of the normal state, then, after ``switch``, of the present one.

    Args:
        knowledge: What is known of the graph over the M metrics.
        n_lags: p.
        max_parents: Most columns, metrics at a lag, that a metric can have for parents in each subgraph.
        keep: What the rows of the present state still count after one more batch; 1 forgets nothing.
    """

    def __init__(self, knowledge: Knowledge, *, n_lags: int = 2, max_parents: int = 12, keep: float = 1.0) -> None:
        self.knowledge, self.keep, self.max_parents = knowledge, keep, max_parents
        self.normal = LagMoments(knowledge.n_metrics, n_lags)
        self.present: LagMoments | None = None
        self.graph = Graph.empty(knowledge.n_metrics)
        self.parents: Fit | None = None
        self._given = knowledge.known.toarray().astype(bool)
        self._allowed = knowledge.allowed()
        most = min(int(self._given.sum(0).max(initial=0)), _MOST_GIVEN)
        self._start = _first_sources(self._given, max_parents + most)
        self._added = np.full((knowledge.n_metrics, max_parents), EMPTY)

    def switch(self) -> None:
        """Treat the rows that follow as those of another state."""
        # The first rows have their lags in the other state; they would make a shift of level look like a relation.
        self.present = LagMoments(self.normal.n_metrics, self.normal.n_lags)

    def update(self, rows: Floats) -> Graph:
        """Return the graph after more rows ``(n, M)`` of the state at hand."""
        if self.present is None:
            self.normal.update(rows)
            self.parents = None
        else:
            self.present.update(rows, self.keep)
        self.graph = self._solve()
        return self.graph

    def normal_edges(self) -> Bools:
        """Return the edges of the normal state, bool ``(M, M)``."""
        return _matrix(self._start, np.ones(self._start.shape)) > 0

    def state(self) -> dict[str, Floats]:
        """Return the moments of both states and the parents, by name; rows are not kept."""
        states = {"normal": self.normal} | ({} if self.present is None else {"present": self.present})
        moments = {f"{state}_{name}": value for state, m in states.items() for name, value in m.state().items()}
        return moments | {"start": self._start.astype(float), "added": self._added.astype(float)}

    def load_state(self, tensors: Mapping[str, Floats]) -> None:
        """Go on from what :meth:`state` gave; the graph is solved anew from it."""
        self.normal.load_state({name: tensors[f"normal_{name}"] for name in self.normal.state()})
        if "present_gram" in tensors:
            self.switch()
            assert self.present is not None
            self.present.load_state({name: tensors[f"present_{name}"] for name in self.present.state()})
        self._start, self._added = (np.asarray(tensors[name]).astype(np.int64) for name in ("start", "added"))
        self.graph = self._solve()

    def _solve(self) -> Graph:
        scale = self._scale()
        n, blocks = len(scale), self.normal.n_lags + 1
        moving = scale > 0
        allowed = np.tile(self._allowed & moving[:, None] & moving, (blocks, 1))
        normal = self._problem(self.normal, scale)
        if self.parents is None:
            kept = np.vstack([self._given, np.zeros((len(allowed) - n, n), bool)])
            criterion = Criterion.of(normal, self.normal.n_rows, len(allowed))
            self.parents = choose(normal, allowed, self._start, kept, criterion, most=self.max_parents)
            self._start = self.parents.support
        shared = self.parents
        invariant = _matrix(shared.support, strengths(shared))
        dependent = np.zeros_like(invariant)
        if self.present is not None and self.present.n_rows > 0:
            present = self._problem(self.present, scale)
            self._added = self._changes(normal, present, allowed, shared)
            changed = _matrix(self._added, np.ones(self._added.shape)) > 0
            # What a changed edge amounts to now is read off the present state, beside the parents in both subgraphs.
            both = fit(present, _union(shared.support, self._added))
            now = _matrix(both.support, strengths(both))
            dependent = np.where(changed & (invariant == 0), np.maximum(now, _LEAST), 0)
            invariant = np.where(changed, np.minimum(invariant, np.where(now > _GONE, now, 0)), invariant)
        return Graph.from_dense(np.where(self._given, 1.0, invariant), np.where(self._given, 0.0, dependent))

    def _changes(self, normal: Problem, present: Problem, allowed: Bools, shared: Fit) -> Ints:
        """Return the columns ``(M, P)`` by which the present state differs from the normal one.

        One regression over both states: columns of both, and the same columns once more, 0 in the normal state.
        """
        n, columns = normal.n_targets, len(normal.gram)
        total = normal.gram + present.gram
        gram = np.block([[total, present.gram], [present.gram, present.gram]])
        fixed = np.hstack([normal.fixed, normal.fixed + columns])
        joint = Problem(gram, gram[:, :n], np.diag(gram)[:n], normal.n_rows + present.n_rows, fixed)
        remaining = shared.rss * present.n_rows / max(normal.n_rows, 1.0)
        # Any of the changes could be at any metric, and few are: all are candidates at once.
        criterion = Criterion.of(joint, present.n_rows, columns * n)
        criterion = replace(criterion, spared=shared.rss, least=np.maximum(remaining, criterion.least))
        start = np.hstack([shared.support, np.where(self._added == EMPTY, EMPTY, self._added + columns)])
        changes = choose(
            joint,
            np.vstack([np.zeros_like(allowed), allowed]),
            start,
            np.vstack([np.ones_like(allowed), np.zeros_like(allowed)]),
            criterion,
            most=self.max_parents,
            rows_per_parent=_ROWS_PER_CHANGE,
            within=(0, columns // n),
        )
        # Chosen ones first of what may stand anywhere in the table.
        return -np.sort(-np.where(changes.support < columns, EMPTY, changes.support - columns))[:, : self.max_parents]

    def _scale(self) -> Floats:
        """Return standard deviations ``(M,)`` of the normal state; of the present one where a metric never moved before."""
        scale = np.zeros(self.normal.n_metrics)
        for state in [self.normal] + ([] if self.present is None else [self.present]):
            square = np.diag(state.centred(self.normal.mean()))[: len(scale)] / max(state.n_rows, 1.0)
            noise = 1e-12 * np.diag(state.gram)[1 : 1 + len(scale)] / max(state.n_rows, 1.0)
            scale = np.where(scale > 0, scale, np.sqrt(np.where(square > noise, square, 0)))
        return scale

    def _problem(self, state: LagMoments, scale: Floats) -> Problem:
        n = len(scale)
        unit = np.tile(np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0), state.n_lags + 1)
        gram = state.centred(state.mean()) * np.outer(unit, unit)
        fixed = np.add.outer(np.arange(n), n * np.arange(1, state.n_lags + 1))
        return Problem(gram, gram[:, :n], np.diag(gram)[:n], state.n_rows, fixed)


def _first_sources(edges: Bools, most: int) -> Ints:
    """Return the first sources of each target, ``(M, most)``, ``_MOST_GIVEN`` at most."""
    support = np.full((len(edges), most), EMPTY)
    for target, sources in enumerate(edges.T):
        first = np.flatnonzero(sources)[:_MOST_GIVEN]
        support[target, : len(first)] = first
    return support


def _union(first: Ints, second: Ints) -> Ints:
    """Return the sources in either table, ``(M, P + P)``, none twice."""
    twice = (second[:, :, None] == first[:, None, :]).any(2)
    return np.hstack([first, np.where(twice, EMPTY, second)])


def _matrix(support: Ints, values: Floats) -> Floats:
    """Return values ``(M, P)`` of the columns in ``support`` as a matrix ``(M sources, M targets)``, the largest of each."""
    n = len(support)
    matrix = np.zeros((n, n))
    target, slot = np.nonzero(support != EMPTY)
    np.maximum.at(matrix, (support[target, slot] % n, target), values[target, slot])
    return matrix

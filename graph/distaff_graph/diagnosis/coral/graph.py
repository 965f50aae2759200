"""A disentangled causal graph, and what a user knows of it.

An entry (i, j) says that metric i acts on metric j, with a strength in [0, 1]. The *invariant* subgraph holds in
the normal state and in the present one; the *dependent* subgraph holds in the present state only.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from scipy.sparse import coo_array, csr_array

from distaff_data.arrays import Bools, Floats, Ints
from distaff_data.errors import InputError


def no_edges(n_metrics: int) -> csr_array:
    """Return an empty ``(M, M)`` matrix."""
    return csr_array((n_metrics, n_metrics), dtype=float)


@dataclass(frozen=True)
class Graph:
    """Two sparse ``(M, M)`` float matrices of strengths, cause -> effect, without a diagonal.

    Attributes:
        invariant: Relations that hold in both states.
        dependent: Relations that the present state brought.
    """

    invariant: csr_array
    dependent: csr_array

    @classmethod
    def empty(cls, n_metrics: int) -> Graph:
        """Return a graph without edges."""
        return cls(no_edges(n_metrics), no_edges(n_metrics))

    @classmethod
    def from_dense(cls, invariant: Floats, dependent: Floats) -> Graph:
        """Return a graph from dense matrices ``(M, M)``."""
        return cls(csr_array(invariant), csr_array(dependent))

    @property
    def n_metrics(self) -> int:
        """The number M of metrics."""
        return int(self.invariant.shape[0])

    def fused(self) -> csr_array:
        """Return the strength of i -> j by either subgraph: the noisy or, a + b - ab."""
        return csr_array(self.invariant + self.dependent - self.invariant * self.dependent)

    def spread(self, positions: Ints, n_metrics: int) -> Graph:
        """Return the same edges among the metrics at ``positions`` of ``n_metrics``."""
        return Graph(*(_spread(subgraph, positions, n_metrics) for subgraph in (self.invariant, self.dependent)))

    def take(self, positions: Ints) -> Graph:
        """Return the edges among the metrics at ``positions``."""
        return Graph(*(subgraph[positions][:, positions] for subgraph in (self.invariant, self.dependent)))


@dataclass(frozen=True)
class Knowledge:
    """Known and forbidden edges; whatever is in neither matrix is unknown and may be learned.

    Attributes:
        known: Boolean ``(M, M)``: edges that are there.
        forbidden: Boolean ``(M, M)``: edges that are not.
        complete: Edges that are not known are forbidden: nothing is left to learn but strengths.
    """

    known: csr_array
    forbidden: csr_array
    complete: bool = False
    n_metrics: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "n_metrics", int(self.known.shape[0]))
        if self.known.shape != self.forbidden.shape:
            raise InputError(
                f"known edges are among {self.known.shape[0]} metrics, forbidden {self.forbidden.shape[0]}"
            )
        if self.known.multiply(self.forbidden).sum():
            raise InputError("an edge is both known and forbidden")

    @classmethod
    def nothing(cls, n_metrics: int) -> Knowledge:
        """Return knowledge of no edge."""
        return cls(_boolean([], n_metrics), _boolean([], n_metrics))

    @classmethod
    def from_edges(
        cls,
        n_metrics: int,
        known: Iterable[tuple[int, int]] = (),
        forbidden: Iterable[tuple[int, int]] = (),
        *,
        complete: bool = False,
    ) -> Knowledge:
        """Return knowledge from pairs of positions (cause, effect).

        Raises:
            InputError: A position is out of range, or an edge is both known and forbidden.
        """
        return cls(_boolean(known, n_metrics), _boolean(forbidden, n_metrics), complete)

    def take(self, positions: Ints) -> Knowledge:
        """Return what is known among the metrics at ``positions``."""
        known, forbidden = (mask[positions][:, positions] for mask in (self.known, self.forbidden))
        return Knowledge(csr_array(known), csr_array(forbidden), self.complete)

    def allowed(self) -> Bools:
        """Return the edges that may be there, bool ``(M, M)``; never the diagonal."""
        known = self.known.toarray().astype(bool)
        allowed = known if self.complete else ~self.forbidden.toarray().astype(bool)
        others: Bools = allowed & ~np.eye(self.n_metrics, dtype=bool)
        return others


def _boolean(edges: Iterable[tuple[int, int]], n_metrics: int) -> csr_array:
    pairs = np.array(list(edges), dtype=np.int64).reshape(-1, 2)
    outside = pairs[((pairs < 0) | (pairs >= n_metrics)).any(1)]
    if len(outside):
        raise InputError(f"an edge names a metric outside of 0..{n_metrics - 1}", value=tuple(outside[0].tolist()))
    pairs = np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0)
    ones = np.ones(len(pairs), dtype=bool)
    return csr_array(coo_array((ones, (pairs[:, 0], pairs[:, 1])), shape=(n_metrics, n_metrics)))


def _spread(subgraph: csr_array, positions: Ints, n_metrics: int) -> csr_array:
    entries = subgraph.tocoo()
    places = (positions[entries.coords[0]], positions[entries.coords[1]])
    return csr_array(coo_array((entries.data, places), shape=(n_metrics, n_metrics)))

"""The stop of a diagnosis: the ranking and the graph have both stopped changing.

CORAL (KDD 2023) stops once consecutive top-5 lists have a rank-biased overlap of at least 0.9 twice in a row. Two lists
that swap their first two have exactly 0.9, so more than that is asked for here. A ranking can rest while the graph still
moves, so the graph has to agree too; strengths go on wavering with every batch, and agreement of 0.85 is what is asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from distaff_data.arrays import Floats
from distaff_graph.diagnosis.coral.graph import Graph

_ROUNDING = 1e-9
_PERSISTENCE = 0.9  # of the reader who goes on to the next rank, p of the rank-biased overlap


def rank_biased_overlap(first: Sequence[int], second: Sequence[int], p: float = _PERSISTENCE) -> float:
    """Return the extrapolated rank-biased overlap of two lists of one length, without repeats, in [0, 1].

    RBO_ext = (X_k / k) p^k + (1 - p) / p sum_d (X_d / d) p^d with X_d the overlap at depth d (Webber, Moffat and Zobel,
    TOIS 2010, eq. 30). Of lists of unequal length the longer one is cut.
    """
    depth = min(len(first), len(second))
    if depth == 0:
        return float(len(first) == len(second))
    overlap = np.array([len(set(first[:d]) & set(second[:d])) / d for d in range(1, depth + 1)])
    powers = p ** np.arange(1, depth + 1)
    return float(overlap[-1] * powers[-1] + (1 - p) / p * (overlap * powers).sum())


def graph_agreement(first: Graph, second: Graph) -> float:
    """Return 1 - |A - B| / (|A| + |B|) over both subgraphs, in [0, 1]; 1 for two empty graphs."""
    pairs = list(zip((first.invariant, first.dependent), (second.invariant, second.dependent), strict=True))
    total = sum(float(abs(a).sum() + abs(b).sum()) for a, b in pairs)
    return 1.0 - sum(float(abs(a - b).sum()) for a, b in pairs) / total if total > 0 else 1.0


class Convergence:
    """A count of consecutive agreements.

    Args:
        top_k: Entities of the ranking that are compared.
        rank_agreement: Rank-biased overlap that must be exceeded.
        graph_agreement: Least agreement of the graphs.
        patience: Agreements in a row that make it converged.
    """

    def __init__(
        self, *, top_k: int = 5, rank_agreement: float = 0.9, graph_agreement: float = 0.85, patience: int = 2
    ) -> None:
        self.top_k, self.rank_agreement, self.graph_agreement = top_k, rank_agreement, graph_agreement
        self.patience, self.count = patience, 0
        self._ranking: list[int] | None = None
        self._graph: Graph | None = None

    @property
    def done(self) -> bool:
        """True once it has converged."""
        return self.count >= self.patience

    def update(self, ranking: Sequence[int], graph: Graph) -> bool:
        """Compare with the last ranking and graph; return ``done``."""
        top = list(ranking[: self.top_k])
        if self._ranking is not None and self._graph is not None:
            lists_agree = rank_biased_overlap(self._ranking, top) > self.rank_agreement + _ROUNDING
            agrees = lists_agree and graph_agreement(self._graph, graph) >= self.graph_agreement
            self.count = self.count + 1 if agrees else 0
        self._ranking, self._graph = top, graph
        return self.done

    def state(self) -> dict[str, Floats]:
        """Return the count and the last ranking, by name; the last graph is the learner's."""
        return {"count": np.array([self.count], float), "ranking": np.array(self._ranking or [], float)}

    def load_state(self, tensors: Mapping[str, Floats], graph: Graph) -> None:
        """Go on from what :meth:`state` gave, with the last graph."""
        self.count = int(tensors["count"][0])
        ranking = [int(entity) for entity in tensors["ranking"]]
        self._ranking, self._graph = (ranking, graph) if ranking else (None, None)

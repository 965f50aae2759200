"""Scores of validation users that are kept, so that a blend of components is judged in milliseconds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from distaff.ranking.metrics import blocks, find_hits, ranking_metrics, top_k
from distaff_data.datasets.csr import Csr
from distaff_data.datasets.interactions import Interactions

Scorer = Callable[[Csr], Tensor]

_K = 20
_DEPTH = 100  # items of each component's list that may come to the top of a blend
_TINY = 1e-12


@dataclass(frozen=True)
class Jury:
    """Users whose validation interactions judge.

    Attributes:
        history: Their training interactions, ``(n, n_items)``.
        relevant: Their validation interactions.
    """

    history: Csr
    relevant: Csr

    @classmethod
    def of(cls, data: Interactions, n_users: int, generator: torch.Generator) -> Jury:
        """Return a sample of the users with both kinds of interactions; all of them where there are no more."""
        users = torch.nonzero((data.valid.counts() > 0) & (data.train.counts() > 0)).squeeze(1)
        if len(users) > n_users:
            users = users[torch.randperm(len(users), generator=generator)[:n_users]].sort().values
        return cls(data.train.take(users), data.valid.take(users))

    def judge(self, score: Scorer) -> float:
        """Return Recall@20 plus NDCG@20 of one scorer's lists."""
        k = min(_K, self.history.n_cols)
        hits = []
        for rows in self.blocks():
            seen = self.history.take(rows)
            hits.append(find_hits(top_k(score(seen), seen, k)[0], self.relevant.take(rows)))
        return sum(_measured(torch.cat(hits), self.relevant.counts()))

    def blocks(self) -> list[Tensor]:
        """Return rows, as many at a time as are ranked at a time."""
        return list(blocks(torch.arange(self.history.n_rows), self.history.n_cols))


@dataclass(frozen=True)
class Pool:
    """The items of each user that are high in some component's list, with all components' scores, at unit length a user.

    A component alone is judged by its exact list; a blend's list lacks only what is below rank 100 in all of its components.

    Attributes:
        scores: ``(n_components, n, P)``, minus infinity where a user has fewer items than P.
        hits: Whether the item is relevant, ``(n, P)``.
        n_relevant: Relevant items of each user, ``(n,)``.
    """

    scores: Tensor
    hits: Tensor
    n_relevant: Tensor

    @classmethod
    def of(cls, jury: Jury, scorers: Sequence[Scorer]) -> Pool:
        """Score everyone by all components once."""
        parts = [_block(jury.history.take(rows), jury.relevant.take(rows), scorers) for rows in jury.blocks()]
        width = max(hits.shape[1] for _, hits in parts)
        scores = torch.cat([F.pad(s, (0, width - s.shape[2]), value=-torch.inf) for s, _ in parts], 1)
        hits = torch.cat([F.pad(h, (0, width - h.shape[1])) for _, h in parts])
        return cls(scores, hits, jury.relevant.counts())

    def measure(self, weights: Tensor) -> tuple[float, float]:
        """Return Recall@20 and NDCG@20 of the blend with these weights ``(n_components,)``."""
        used = torch.nonzero(weights).squeeze(1)
        total = torch.einsum("c,cnp->np", weights[used], self.scores[used])
        best = total.topk(min(_K, total.shape[1]), 1).indices
        return _measured(self.hits.gather(1, best), self.n_relevant)


def _block(history: Csr, relevant: Csr, scorers: Sequence[Scorer]) -> tuple[Tensor, Tensor]:
    """Return scores ``(n_components, b, P)`` and hits ``(b, P)`` of the items that are high in some list."""
    tables = [unit(scores, scores) for scores in (score(history) for score in scorers)]
    row = history.row_index()
    high = torch.zeros(tables[0].shape, dtype=torch.bool)
    for table in tables:
        table[row, history.indices.long()] = -torch.inf
        high.scatter_(1, table.topk(min(_DEPTH, table.shape[1]), 1).indices, True)
    high[row, history.indices.long()] = False
    rows, items = high.nonzero(as_tuple=True)
    counts = high.sum(1)
    place = torch.arange(len(rows)) - (counts.cumsum(0) - counts)[rows]
    shape = (history.n_rows, max(1, int(counts.max())))
    scores = torch.full((len(tables), *shape), -torch.inf)
    for pooled, table in zip(scores, tables, strict=True):
        pooled[rows, place] = table[rows, items]
    hits = torch.zeros(shape, dtype=torch.bool)
    hits[rows, place] = relevant.dense().bool()[rows, items]
    return scores, hits


def unit(scores: Tensor, whole: Tensor) -> Tensor:
    """Return scores ``(b, n_items)`` over the length of ``whole`` a user, which puts all components on one scale."""
    length: Tensor = torch.linalg.vector_norm(whole, dim=1, keepdim=True)
    return scores / length.clamp(min=_TINY)


def _measured(hits: Tensor, n_relevant: Tensor) -> tuple[float, float]:
    values = ranking_metrics(hits, n_relevant, (_K,))
    recall, ndcg = (float(values[f"{name}@{_K}"].double().mean()) for name in ("recall", "ndcg"))
    return recall, ndcg

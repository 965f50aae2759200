"""Exact full-ranking evaluation.

Definitions follow the field's common protocol (LightGCN, RLMRec): every item is ranked, excluded interactions are masked,
users with at least one relevant item count, and each metric is the mean over them. With ``hits`` at ranks ``r <= K`` of
``n`` relevant items: Recall = hits/n, Precision = hits/K, HitRate = [hits > 0], MRR = 1/first rank, NDCG has gain
1/log2(r + 1) over an ideal cut at min(K, n), MAP averages precision at each hit over min(K, n).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor

from distaff.ranking.products import Products
from distaff.ranking.selection import blocks, find_hits, one_torch_thread, rows, top_k
from distaff_data.datasets.csr import Csr
from distaff_data.datasets.interactions import Interactions
from distaff_data.errors import InputError

KS = (5, 10, 20, 50)
__all__ = [
    "KS",
    "Evaluation",
    "Products",
    "best_items",
    "blocks",
    "catalogue_metrics",
    "chance",
    "evaluate",
    "exclusion",
    "find_hits",
    "gini",
    "ranking_metrics",
    "top_k",
]


@dataclass(frozen=True)
class Evaluation:
    """Result of one evaluation.

    Attributes:
        split: The split whose interactions were relevant.
        metrics: Mean of each metric over the evaluated users, and catalogue metrics of their lists.
        users: Positions of the evaluated users, int64 ``(n,)``.
        per_user: Each user's value of each metric, float32 ``(n,)``.
        cold_users: Users with relevant items who have no training interaction; evaluated, since a control can serve them.
        cold_items: Items that are relevant to someone but never occur in training; they count as misses.
    """

    split: str
    metrics: dict[str, float]
    users: Tensor
    per_user: dict[str, Tensor]
    cold_users: int
    cold_items: int


def evaluate(
    predict: Callable[[Tensor], Tensor],
    data: Interactions,
    split: str,
    *,
    ks: Sequence[int] = KS,
    exclude: Sequence[str] = ("train",),
) -> Evaluation:
    """Rank all items for every user with interactions in ``split`` and score the lists.

    Args:
        predict: Maps user positions ``(b,)`` to float scores ``(b, n_items)``; :class:`Products` are ranked faster.
        data: The dataset.
        split: ``valid`` or ``test``.
        ks: List lengths.
        exclude: Splits whose interactions are not ranked.

    Raises:
        InputError: The split is empty.
    """
    relevant = data.split(split)
    users = torch.nonzero(relevant.counts() > 0).squeeze(1)
    if users.numel() == 0:
        raise InputError(f"dataset {data.name!r} has no {split} interactions to evaluate on")
    seen = exclusion(data, exclude).take(users)
    k = min(max(ks), data.n_items)
    items, _ = best_items(predict, users, seen, k)
    with one_torch_thread():
        return _measure(data, split, users, items, ks)


def _measure(data: Interactions, split: str, users: Tensor, items: Tensor, ks: Sequence[int]) -> Evaluation:
    """Return all metrics of the lists ``items`` ``(n, k)`` of ``users`` ``(n,)``."""
    relevant = data.split(split)
    per_user = ranking_metrics(find_hits(items, relevant.take(users)), relevant.counts()[users], ks)
    metrics = {name: float(value.double().mean()) for name, value in per_user.items()}
    trained = torch.bincount(data.train.indices, minlength=data.n_items)
    return Evaluation(
        split,
        metrics | catalogue_metrics(items, trained, ks),
        users,
        per_user,
        cold_users=int((data.train.counts()[users] == 0).sum()),
        cold_items=int((trained[relevant.indices.long().unique()] == 0).sum()),
    )


def best_items(predict: Callable[[Tensor], Tensor], users: Tensor, seen: Csr, k: int) -> tuple[Tensor, Tensor]:
    """Return the best ``k`` items of each user, best first.

    Args:
        predict: As for :func:`evaluate`.
        users: Positions, int64 ``(n,)``.
        seen: ``(n, n_items)`` items not to list, a row for each of ``users``.
        k: List length, at most ``n_items``.

    Returns:
        Items int64 ``(n, k)``, -1 where fewer than ``k`` are left, and their scores, float32 ``(n, k)``.

    Raises:
        ValueError: A score is NaN.
    """
    if isinstance(predict, Products):
        return predict.top_k(users, seen, k)
    # Filled in place: a small tensor kept from each block would lie in the room of that block's scores, and the allocator
    # could not use it again for the next.
    items, scores = torch.empty(users.numel(), k, dtype=torch.long), torch.empty(users.numel(), k)
    start = 0
    for block in blocks(users, seen.n_cols):
        stop = start + block.numel()
        items[start:stop], scores[start:stop] = top_k(predict(block), rows(seen, start, stop), k)
        start = stop
    return items, scores


def exclusion(data: Interactions, splits: Sequence[str]) -> Csr:
    """Return the interactions of any of ``splits``: what a list must not contain."""
    nothing = Csr(torch.zeros(data.n_users + 1, dtype=torch.long), torch.empty(0, dtype=torch.int32), data.n_items)
    matrices = [data.split(name) for name in splits] or [nothing]
    return reduce(Csr.union, matrices)


def ranking_metrics(hits: Tensor, n_relevant: Tensor, ks: Sequence[int]) -> dict[str, Tensor]:
    """Return each user's metrics from hits ``(n, max_k)`` in rank order and the number of relevant items ``(n,)``."""
    hit = hits.float()
    ranks = torch.arange(1, hit.shape[1] + 1)
    discount = 1.0 / torch.log2(ranks + 1.0)
    ideal = discount.cumsum(0)
    precision_at = hit.cumsum(1) / ranks
    first = torch.where(hits.any(1), hits.int().argmax(1) + 1, 0)
    out: dict[str, Tensor] = {}
    for k in ks:
        top = hit[:, :k]
        count = top.sum(1)
        reachable = n_relevant.clamp(max=min(k, hit.shape[1]))
        out[f"recall@{k}"] = count / n_relevant
        out[f"ndcg@{k}"] = (top * discount[:k]).sum(1) / ideal[reachable - 1]
        out[f"precision@{k}"] = count / k
        out[f"hit_rate@{k}"] = (count > 0).float()
        out[f"mrr@{k}"] = torch.where((first > 0) & (first <= k), 1.0 / first.clamp(min=1), 0.0)
        out[f"map@{k}"] = (top * precision_at[:, :k]).sum(1) / reachable
    return out


def catalogue_metrics(items: Tensor, popularity: Tensor, ks: Sequence[int]) -> dict[str, float]:
    """Return coverage, Gini and popularity of lists, from items ``(n, max_k)`` and training counts ``(n_items,)``.

    Coverage is the share of items listed at all, Gini the inequality of how often items are listed (0 when even), and mean
    popularity the mean training count of listed items.
    """
    out: dict[str, float] = {}
    for k in ks:
        listed = items[:, :k].flatten()
        listed = listed[listed >= 0]
        counts = torch.bincount(listed, minlength=popularity.numel()).double()
        out[f"coverage@{k}"] = float((counts > 0).double().mean())
        out[f"gini@{k}"] = gini(counts)
        out[f"mean_popularity@{k}"] = float(popularity[listed].double().mean()) if listed.numel() else 0.0
    return out


def gini(counts: Tensor) -> float:
    """Return the Gini coefficient of non-negative counts ``(n,)``: 0 when all are equal, towards 1 when one holds all."""
    total = float(counts.sum())
    if total == 0:
        return 0.0
    n = counts.numel()
    ordered = counts.sort().values
    ranks = torch.arange(1, n + 1, dtype=torch.float64)
    return float((2 * ranks - n - 1).dot(ordered) / (n * total))


def chance(
    data: Interactions, split: str, *, ks: Sequence[int] = KS, exclude: Sequence[str] = ("train",)
) -> dict[str, float]:
    """Return the Recall, NDCG, Precision and HitRate expected of random lists: the noise floor of :func:`evaluate`.

    With ``n`` relevant among ``m`` items that may be listed, each rank hits with probability n/m, and no rank of K hits with
    the hypergeometric probability C(m - n, K) / C(m, K).
    """
    relevant = data.split(split)
    users = torch.nonzero(relevant.counts() > 0).squeeze(1)
    n = relevant.counts()[users].double()
    m = (data.n_items - exclusion(data, exclude).counts()[users]).double().clamp(min=1.0)
    out: dict[str, float] = {}
    for k in ks:
        length = m.clamp(max=k)
        discount = (1.0 / torch.log2(torch.arange(2, k + 2, dtype=torch.float64))).cumsum(0)
        log_miss = _log_choose(m - n, length) - _log_choose(m, length)
        out[f"recall@{k}"] = float((length / m).mean())
        out[f"precision@{k}"] = float((n / m * length / k).mean())
        out[f"ndcg@{k}"] = float((n / m * discount[length.long() - 1] / discount[n.clamp(max=k).long() - 1]).mean())
        out[f"hit_rate@{k}"] = float((1.0 - log_miss.exp()).mean())
    return out


def _log_choose(n: Tensor, k: Tensor) -> Tensor:
    """Return the log of the binomial coefficient; -inf where k > n."""
    inside = torch.lgamma(n + 1) - torch.lgamma(k + 1) - torch.lgamma((n - k).clamp(min=0) + 1)
    return torch.where(k > n, -torch.inf, inside)

"""Calibrated re-ranking (Steck, RecSys 2018): lists whose factors are those that the user takes.

Greedy: each next item of a list maximises (1 - w) s - w KL(p || q), with the item's score s, scaled to [0, 1] over the
user's candidates and averaged over the list, the user's target shares p and the shares q of the list so far.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from distaff.factors.activity import LIST, shared_items
from distaff.factors.intents.blind_spots import (
    IntentPosterior,
    candidates,
    divergence,
    held_out,
    listed_without,
    weighted,
)
from distaff.ranking.metrics import exclusion, find_hits
from distaff.recommenders.base import Recommender
from distaff.recommenders.intents import Intents
from distaff_data.errors import InputError

WEIGHTS = (0.2, 0.4, 0.6, 0.8, 0.95)
_CANDIDATES = 100
_CELLS = 1 << 22  # users by candidates by factors at once
_SMOOTH = 0.01  # of the target mixed into q, so that an absent factor costs much and not everything


@dataclass(frozen=True)
class Calibration:
    """Lists re-ranked with one weight, beside the lists as they were (weight 0).

    Attributes:
        weight: Of calibration.
        list_shares: Mean posterior share of each factor over the lists, weighted as in an audit.
        kl: Divergence of those shares from the data's, in nats.
        recall: Recall@20.
        churn: Share of the lists' items that are new.
        users: Users with held-out interactions, whom all this is measured on.
        split: Whose interactions those are.
    """

    weight: float
    list_shares: list[float]
    kl: float
    recall: float
    churn: float
    users: int
    split: str

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return asdict(self)


def calibrations(
    model: Recommender,
    intents: Intents,
    weights: Sequence[float],
    *,
    split: str | None = None,
    n_users: int | None = None,
    seed: int = 0,
) -> list[Calibration]:
    """Re-rank everyone's best 100 items towards their own mix of intents, with each weight.

    Args:
        model: Whose lists are re-ranked.
        intents: Whose users' mixes are the targets, and by which items count.
        weights: From 0, which leaves the lists alone, to 1, which ignores the scores; 0 is always measured first.
        split: Whose interactions recall and divergence are measured with: validation, since a weight is chosen by them, or
            else test, or training.
        n_users: Measure on a sample of so many.
        seed: Of the sample.

    Raises:
        InputError: A weight outside 0 to 1.
    """
    for weight in weights:
        if not 0 <= weight <= 1:
            raise InputError("the weight of calibration lies between 0 and 1", value=weight)
    data = model.data
    split = split or held_out(data, prefer="valid")
    interactions = data.split(split)
    users = torch.nonzero(interactions.counts() > 0).squeeze(1)
    if n_users is not None:
        order = torch.randperm(len(users), generator=torch.Generator().manual_seed(seed))
        users = users[order[:n_users]].sort().values
    posterior = IntentPosterior(intents, torch.bincount(data.train.indices, minlength=data.n_items))
    relevant = interactions.take(users)
    pairs = posterior.shares(users[relevant.row_index()], relevant.indices.long())
    tried = [0.0, *(w for w in weights if w > 0)]
    history = exclusion(data, listed_without(split))
    parts: list[list[Tensor]] = [[] for _ in tried]
    for block, scores, items in candidates(model, users, history, _CANDIDATES):
        for part_users, s, i in _smaller(block, scores, items, posterior.n_factors):
            for number, weight in enumerate(tried):
                parts[number].append(calibrated(posterior, part_users, s, i, weight, LIST))
    lists = [torch.cat(part) for part in parts]
    out = []
    for weight, items in zip(tried, lists, strict=True):
        mass = weighted(posterior.mass(users, items), relevant.counts()).sum(0)
        shares = (mass / mass.sum().clamp(min=1e-300)).numpy()
        recall = float((find_hits(items, relevant).sum(1) / relevant.counts()).mean())
        stays = int(shared_items(items, lists[0]).sum()) / max(int((items >= 0).sum()), 1)
        kl = divergence(pairs.mean(0).numpy(), shares)
        out.append(Calibration(weight, shares.tolist(), kl, recall, 1.0 - stays, len(users), split))
    return out


def calibrated(
    posterior: IntentPosterior, users: Tensor, scores: Tensor, items: Tensor, weight: float, length: int
) -> Tensor:
    """Return lists ``(b, length)`` from candidates and their scores ``(b, n)``, best first; -1 is no candidate.

    No Python loop over users: all of a block choose their next item at once.
    """
    length = min(length, items.shape[1])
    if weight == 0:
        return items[:, :length]
    present = items >= 0
    shares = posterior.shares(users.repeat_interleave(items.shape[1]), items.clamp(min=0).flatten())
    shares = shares.float().unflatten(0, items.shape)
    target = posterior.users[users].float()
    quality = _scaled(scores, present)
    chosen = torch.full((len(users), length), -1)
    total = torch.zeros_like(target)
    free = present.clone()
    for place in range(length):
        q = (total.unsqueeze(1) + shares) / (place + 1)
        mixed = q.mul_(1 - _SMOOTH).add_(_SMOOTH * target.unsqueeze(1)).clamp_(min=1e-12)
        fit = (mixed.log_() @ target.unsqueeze(2)).squeeze(2)  # -KL, up to the target's entropy
        gain = (1 - weight) * quality / (place + 1) + weight * fit
        best = gain.masked_fill(~free, -torch.inf).argmax(1, keepdim=True)
        chose = free.gather(1, best).squeeze(1)
        chosen[chose, place] = items.gather(1, best).squeeze(1)[chose]
        total += shares.gather(1, best.unsqueeze(2).expand(-1, -1, shares.shape[2])).squeeze(1) * chose.unsqueeze(1)
        free.scatter_(1, best, False)
    return chosen


def _scaled(scores: Tensor, present: Tensor) -> Tensor:
    """Return scores of a user's candidates between 0 and 1."""
    low = scores.masked_fill(~present, torch.inf).amin(1, keepdim=True)
    high = scores.masked_fill(~present, -torch.inf).amax(1, keepdim=True)
    return ((scores - low) / (high - low).clamp(min=1e-12)).masked_fill(~present, 0.0)


def _smaller(users: Tensor, scores: Tensor, items: Tensor, n_factors: int) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Return the block in pieces whose candidates' shares fit in memory."""
    size = max(1, _CELLS // max(items.shape[1] * n_factors, 1))
    return list(zip(users.split(size), scores.split(size), items.split(size), strict=True))

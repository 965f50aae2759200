"""Intents as a mixture of distributions over items, fitted to who took what at least once.

The number of times n_uj that user u chose item j is Poisson with mean lambda_uj = sum_k w_uk b_kj, where b_k is intent k's
distribution over items and w_uk how often u follows it; all that is known is whether n_uj > 0. Factorisations that take
the 0s and 1s for counts read "at least once" as "once", which flattens popular items and active users. Here the
expectation step restores the expected count lambda / (1 - exp(-lambda)) of each interaction (the Bernoulli-Poisson link of
Zhou, AISTATS 2015), so that work is still in proportion to the interactions.

Both sides are posterior modes under Dirichlet priors of a fixed number of pseudo-counts, spread evenly over the intents:
what little is known of a rare item or user is not mistaken for certainty. The surface has local optima, where two intents
have merged and a third is split; several starts, of which the highest posterior is kept, make that rare.
"""

from __future__ import annotations

import torch
from torch import Tensor

from distaff_data.datasets.csr import Csr
from distaff_graph.sparse import Bipartite, csr_tensor, edge_dots, history_pattern, product, with_values

_TINY = 1e-30
_USER_PRIOR, _ITEM_PRIOR = 2.0, 2.0  # pseudo-counts of a user or item, over all intents
_STARTS = 8
_TRIAL, _FINAL = 40, 100  # steps of each start, and of the best one in the end
# Steps for a user's weights: a fixed number, so that they do not depend on who else is in the block.
_UPDATES = 100


def fit_parts(train: Csr, n_intents: int, generator: torch.Generator) -> Tensor:
    """Return the intents' distributions over items, fitted to who took what.

    Args:
        train: Users by items, ``(n_users, n_items)``.
        n_intents: K.
        generator: Of the starts.

    Returns:
        float32 ``(n_items, K)``, positive, columns summing to 1.
    """
    fit = _Fit(train, n_intents)
    starts = [fit.run(*fit.start(generator), _TRIAL) for _ in range(_STARTS)]
    _, parts = fit.run(*max(starts, key=lambda start: fit.posterior(*start)), _FINAL)
    return parts


def mix(history: Csr, parts: Tensor) -> Tensor:
    """Return weights w of users on ``parts``, the mode of a concave posterior.

    Args:
        history: ``(b, n_items)``.
        parts: Positive ``(n_items, K)``, columns summing to 1.

    Returns:
        ``(b, K)``; a row sums to how many choices the user is expected to have made, repeated ones included. Zero where
        the history is empty.
    """
    pattern = history_pattern(history, parts)
    weights = history.counts().to(parts.dtype).unsqueeze(1).expand(-1, parts.shape[1]) / parts.shape[1]
    for _ in range(_UPDATES):
        weights = _shrunk(weights * product(with_values(pattern, _restored(pattern, weights, parts)), parts))
    return weights


def responsibilities(history: Csr, weights: Tensor, parts: Tensor, intent: int) -> Tensor:
    """Return p(intent | user, item) of each interaction, ``(nnz,)``: w_uk b_kj over its sum over intents."""
    pattern = history_pattern(history, parts)
    one = slice(intent, intent + 1)
    joint = edge_dots(pattern, weights[:, one].contiguous(), parts[:, one].contiguous())
    return joint / edge_dots(pattern, weights, parts).clamp_(min=_TINY)


class _Fit:
    """Expectation-maximisation over one matrix."""

    def __init__(self, train: Csr, n_intents: int) -> None:
        graph = Bipartite.build(train)
        self._pattern, self._order = graph.pattern, graph.order
        self._n_intents, n_users = n_intents, train.n_rows
        self._indptr = graph.indptr[n_users:] - graph.indptr[n_users]
        self._users = graph.indices[train.nnz :]
        self._activity, self._popularity = graph.degrees[:n_users].unsqueeze(1), graph.degrees[n_users:].unsqueeze(1)

    def start(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return everyone's weights and all distributions near the mean, at random."""

        def near(mean: Tensor) -> Tensor:
            return mean * (0.5 + torch.rand(len(mean), self._n_intents, generator=generator))

        parts = near(self._popularity)
        return near(self._activity / self._n_intents), parts / parts.sum(0)

    def run(self, weights: Tensor, parts: Tensor, steps: int) -> tuple[Tensor, Tensor]:
        """Return users' weights ``(n_users, K)`` and items' parts ``(n_items, K)`` after some steps from these."""
        for _ in range(steps):
            ratio = _restored(self._pattern, weights, parts)
            of_items = csr_tensor(self._indptr, self._users, ratio[self._order], len(weights))
            counts = parts * product(of_items, weights)
            weights = _shrunk(weights * product(with_values(self._pattern, ratio), parts))
            parts = counts + _ITEM_PRIOR / self._n_intents
            parts = parts / parts.sum(0)
        return weights, parts

    def posterior(self, weights: Tensor, parts: Tensor) -> float:
        """Return the log posterior but for a constant: log(1 - exp(-lambda)) of what was taken, -lambda of the rest."""
        rate = edge_dots(self._pattern, weights, parts).clamp_(min=_TINY)
        likelihood = torch.log(-torch.expm1(-rate)).sum() + rate.sum() - weights.sum()
        shares = weights / weights.sum(1, keepdim=True).clamp(min=_TINY)
        prior = _USER_PRIOR * shares.clamp(min=_TINY).log().sum() + _ITEM_PRIOR * parts.log().sum()
        return float(likelihood + prior / self._n_intents)


def _restored(pattern: Tensor, weights: Tensor, parts: Tensor) -> Tensor:
    """Return expected count over rate of each interaction, 1 / (1 - exp(-lambda)), ``(nnz,)``."""
    rate = edge_dots(pattern, weights, parts).clamp_(min=_TINY)
    return torch.expm1(rate.neg_()).neg_().reciprocal_()


def _shrunk(counts: Tensor) -> Tensor:
    """Return weights from counts ``(b, K)``: the row's total, in shares that the prior draws together."""
    total = counts.sum(1, keepdim=True)
    return (counts + _USER_PRIOR / counts.shape[1]) * (total / (total + _USER_PRIOR))

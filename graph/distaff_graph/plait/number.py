"""The number of intents, by how likely the mixture makes interactions that it has not seen.

Rankings cannot choose it: a mixture of too many intents ranks nearly as well as one of the right number, and where the
blend has no use for the mixture they do not tell at all. The likelihood of held-out interactions falls as soon as one intent
is cut in two, since each part is then estimated from less.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from distaff.recommenders.intents import as_shares
from distaff_data.datasets.csr import Csr
from distaff_graph.plait.mixture import mix
from distaff_graph.plait.pool import Jury
from distaff_graph.sparse import edge_dots, history_pattern

_TINY = 1e-30
_FINEST = 8  # the last steps are an eighth of the number, and at least one


@dataclass(frozen=True)
class ChosenMixture:
    """The mixture of the number of intents that was chosen.

    Attributes:
        parts: Its intents' distributions over items, ``(n_items, K)``.
        tried: Mean log-likelihood of a held-out interaction, by number of intents.
    """

    parts: Tensor
    tried: dict[int, float]

    @property
    def n_intents(self) -> int:
        """K."""
        return self.parts.shape[1]

    @property
    def note(self) -> str:
        """What was found, for a reader."""
        others = ", ".join(f"{value:.3f} with {k}" for k, value in sorted(self.tried.items()) if k != self.n_intents)
        return f"{self.n_intents} intents make held-out interactions likeliest, {self.tried[self.n_intents]:.3f} ({others})"


def choose_mixture(jury: Jury, numbers: Sequence[int], fit: Callable[[int], Tensor]) -> ChosenMixture:
    """Return the mixture that makes the jury's held-out interactions likeliest.

    The numbers given are tried first; from the best of them the search goes on in steps that are halved where neither side
    is better, up to the largest number given.

    Args:
        jury: Users with held-out interactions.
        numbers: Of intents; one alone is taken as it is.
        fit: Returns the intents' distributions over items for a number of intents.
    """
    parts = {k: fit(k) for k in numbers}
    if len(parts) == 1:
        return ChosenMixture(next(iter(parts.values())), {})
    tried = {k: held_out_likelihood(jury, table) for k, table in parts.items()}
    best = max(tried, key=lambda k: (tried[k], -k))
    step = max(1, best // 4)
    while step >= max(1, best // _FINEST):
        for k in {best - step, best + step} - tried.keys():
            if 1 <= k <= max(numbers):
                parts[k] = fit(k)
                tried[k] = held_out_likelihood(jury, parts[k])
        before, best = best, max(tried, key=lambda k: (tried[k], -k))
        if best == before:
            step //= 2
    return ChosenMixture(parts[best], tried)


def held_out_likelihood(jury: Jury, parts: Tensor) -> float:
    """Return the mean over users of the mean log probability of their held-out items, of the items not taken in training."""
    total = torch.zeros((), dtype=torch.float64)
    for rows in jury.blocks():
        history, relevant = jury.history.take(rows), jury.relevant.take(rows)
        shares = as_shares(mix(history, parts))
        left = 1.0 - _sums(history, _chances(history, shares, parts))
        logs = _chances(relevant, shares, parts).clamp(min=_TINY).log()
        total += (_sums(relevant, logs) / relevant.counts() - left.clamp(min=_TINY).log()).sum()
    return float(total / jury.history.n_rows)


def _chances(pairs: Csr, shares: Tensor, parts: Tensor) -> Tensor:
    """Return the probability of each pair's item given its user's shares, ``(nnz,)``."""
    return edge_dots(history_pattern(pairs, parts), shares, parts).double()


def _sums(pairs: Csr, values: Tensor) -> Tensor:
    """Return the sums of values of pairs by user."""
    return torch.zeros(pairs.n_rows, dtype=torch.float64).index_add_(0, pairs.row_index(), values)

"""The choice of a blend on validation: components and their main setting, weights, and the intents' number and share.

Of each family of components the best is fitted and kept; their scores of a sample of validation users are put at unit length
once, and a coordinate search finds weights that are not negative. What is searched for is the worse of two ratios: Recall@20
and NDCG@20 over the best that any component reaches alone. A component alone has ratios of at most 1 and is where the search
begins, so the blend loses in neither unless no single component is best in both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from distaff.model.base import Session
from distaff_data.datasets.csr import Csr
from distaff_data.datasets.interactions import Interactions
from distaff_data.errors import UnsupportedError
from distaff_graph.controls.linear import LinearRecommender
from distaff_graph.plait.components import INSTEAD, fitted
from distaff_graph.plait.mixture import fit_parts, mix
from distaff_graph.plait.number import choose_mixture
from distaff_graph.plait.pool import Jury, Pool, Scorer

_USERS = 2000  # of the sample
_HELD_OUT = 0.1  # of a user's interactions, at least one
_ENOUGH = 3  # interactions of a user some of whose are held out
_STEPS = (0.05, 0.1, 0.2, 0.4, 0.7)  # on the way from the weights to one component
_PASSES = 6
_WORTH_IT = 5e-4  # a component that gains less is left out


@dataclass
class Choice:
    """A blend, and what was found on the way to it.

    Attributes:
        specs: The components.
        weights: Their weights, which sum to 1.
        share: Weight of the mixture beside all of them.
        n_intents: K; None where there are no intents.
        notes: What a reader of the blend should know.
        n_tried: Configurations that were judged on validation.
        models: Components that are fitted to the whole training part already, by their texts.
        parts: The mixture, likewise, by K.
    """

    specs: tuple[str, ...]
    weights: tuple[float, ...]
    share: float = 0.0
    n_intents: int | None = None
    notes: list[str] = field(default_factory=list)
    n_tried: int = 0
    models: dict[str, LinearRecommender] = field(default_factory=dict)
    parts: dict[int, Tensor] = field(default_factory=dict)


def trial_of(data: Interactions, session: Session) -> Interactions | None:
    """Return the data that a fit chooses on: as they are, or with a validation part; see :func:`with_validation`."""
    return with_validation(data, session.generator(2))


def with_validation(data: Interactions, generator: torch.Generator) -> Interactions | None:
    """Return data with a validation part: its own, else one held out of training; None where there is too little."""
    if bool(((data.valid.counts() > 0) & (data.train.counts() > 0)).any()):
        return data
    train = data.train
    counts = train.counts()
    n_held = torch.where(counts >= _ENOUGH, (counts * _HELD_OUT).round().clamp(min=1), 0).long()
    if not bool(n_held.any()):
        return None
    row = train.row_index()
    order = torch.argsort(row + torch.rand(train.nnz, generator=generator, dtype=torch.float64) * 0.999)
    place = torch.arange(train.nnz) - train.indptr[row]
    held = torch.zeros(train.nnz, dtype=torch.bool)
    held[order] = place < n_held[row]

    def part(chosen: Tensor) -> Csr:
        return Csr.from_pairs(row[chosen], train.indices[chosen], train.n_rows, train.n_cols)

    return replace(data, train=part(~held), valid=part(held))


def choose(
    data: Interactions,
    session: Session,
    families: Sequence[Sequence[str]],
    n_intents: Sequence[int],
    share: float | None,
    max_gb: float,
) -> Choice:
    """Return the blend that is best on the validation part of ``data``.

    Args:
        data: With a validation part.
        session: Of the fit.
        families: Alternatives of each component.
        n_intents: The K to choose among, to begin with; empty for a blend without intents.
        share: The mixture's share, where it is not to be chosen.
        max_gb: Memory that an item-item matrix may take.
    """
    jury = Jury.of(data, _USERS, session.generator(1))
    choice = Choice((), ())
    kept = [one for family in families if (one := _best_or_instead(family, data, session, jury, choice, max_gb))]
    choice.models = dict(kept)
    specs = tuple(choice.models)
    scorers: list[Scorer] = [model.weigh for model in choice.models.values()]
    if n_intents:
        mixture = choose_mixture(jury, n_intents, lambda k: fit_parts(data.train, k, session.generator()))
        choice.n_intents, choice.parts = mixture.n_intents, {mixture.n_intents: mixture.parts}
        choice.n_tried += len(mixture.tried)
        choice.notes += [mixture.note] if mixture.tried else []
        scorers.append(_expected(mixture.parts))
    search = _Search(Pool.of(jury, scorers), len(specs))
    weights, choice.share = search.run(share)
    choice.n_tried += search.n_looks
    chosen = [i for i in range(len(specs)) if weights[i] > 0]
    choice.specs, choice.weights = tuple(specs[i] for i in chosen), tuple(float(weights[i]) for i in chosen)
    choice.notes += [f"{spec} left out: it added nothing" for spec in specs if spec not in choice.specs]
    choice.notes.append(search.summary(weights, choice.share))
    return choice


def _best_or_instead(
    family: Sequence[str], data: Interactions, session: Session, jury: Jury, choice: Choice, max_gb: float
) -> tuple[str, LinearRecommender] | None:
    """Return the best member of a family, or of what stands in for it where none of them fits in memory."""
    instead = INSTEAD.get(family[0].partition(":")[0], ()) if len(family) > 1 else ()  # one that was named stays alone
    return _best(family, data, session, jury, choice, max_gb) or _best(instead, data, session, jury, choice, max_gb)


def _best(
    family: Sequence[str], data: Interactions, session: Session, jury: Jury, choice: Choice, max_gb: float
) -> tuple[str, LinearRecommender] | None:
    """Return the best member of a family, fitted; None, with a note, where none can be fitted."""
    best: tuple[float, str, LinearRecommender] | None = None
    for spec in family:
        try:
            model = fitted(spec, data, session, max_gb)
        except UnsupportedError as error:
            choice.notes.append(f"{spec} left out: {error}")
            continue
        value = jury.judge(model.weigh)
        choice.n_tried += 1
        if best is None or value > best[0]:
            best = value, spec, model
    return None if best is None else best[1:]


def _expected(parts: Tensor) -> Scorer:
    return lambda history: mix(history, parts) @ parts.T


class _Search:
    """Weights of ``n_linear`` components, and of a mixture where the pool has one more."""

    def __init__(self, pool: Pool, n_linear: int) -> None:
        self._pool, self._n_linear, self.n_looks = pool, n_linear, 0
        self._n = len(pool.scores)
        alone = [self._measure(self._vertex(i)) for i in range(self._n)]
        self._reference = tuple(max(values) or 1.0 for values in zip(*alone, strict=True))

    def run(self, share: float | None) -> tuple[Tensor, float]:
        """Return the linear components' weights ``(n_linear,)`` and the mixture's share."""
        n_linear = self._n_linear
        linear = self._linear()
        if self._n == n_linear:
            return linear, 0.0
        steps = (0.0, *_STEPS, 1.0) if share is None else (share,)
        if not n_linear:
            steps = (1.0,)
        mixture = self._vertex(n_linear)
        blended = max((linear.lerp(mixture, t) for t in steps), key=self.worth)
        if share is None and n_linear:
            blended = self._climb(blended, range(self._n))
        found = float(blended[n_linear])
        rest = blended[:n_linear] / (1.0 - found) if found < 1.0 else linear[:n_linear]
        return rest, found

    def worth(self, weights: Tensor) -> float:
        """Return the worse of both metrics' ratios to the best that a component reaches alone."""
        return min(value / best for value, best in zip(self._measure(weights), self._reference, strict=True))

    def summary(self, weights: Tensor, share: float) -> str:
        """Return the blend's metrics on the validation users beside the best of any component."""
        whole = torch.zeros(self._n)
        whole[: self._n_linear] = weights * (1.0 - share)
        if self._n > self._n_linear:
            whole[self._n_linear] = share
        recall, ndcg = self._pool.measure(whole)
        best = "/".join(f"{value:.4f}" for value in self._reference)
        n = len(self._pool.n_relevant)
        return (
            f"Recall@20/NDCG@20 of {n} validation users {recall:.4f}/{ndcg:.4f}; the best of a component alone {best}"
        )

    def _linear(self) -> Tensor:
        """Return the best weights of the linear components, ``(n,)``."""
        free = list(range(self._n_linear))
        if not free:
            return torch.zeros(self._n)
        even = sum((self._vertex(i) for i in free), torch.zeros(self._n)) / len(free)
        start = max([*(self._vertex(i) for i in free), even], key=self.worth)
        return self._climb(start, free)

    def _climb(self, weights: Tensor, free: Sequence[int]) -> Tensor:
        """Return weights that no step towards or away from a component improves; then without those that add nothing."""
        best = self.worth(weights)
        for _ in range(_PASSES):
            before = best
            for i in free:
                for candidate in self._moves(weights, i):
                    value = self.worth(candidate)
                    if value > best:
                        best, weights = value, candidate
            if best <= before:
                break
        for i in sorted(free, key=lambda i: float(weights[i])):
            smaller = _without(weights, i)
            if weights[i] > 0 and smaller is not None and (value := self.worth(smaller)) > best - _WORTH_IT:
                best, weights = max(best, value), smaller
        return weights

    def _moves(self, weights: Tensor, i: int) -> list[Tensor]:
        towards = [weights.lerp(self._vertex(i), step) for step in _STEPS]
        less, halved = _without(weights, i), weights.clone()
        halved[i] /= 2.0
        return [*towards, *([] if less is None or weights[i] == 0 else [less, halved / halved.sum()])]

    def _vertex(self, i: int) -> Tensor:
        vertex = torch.zeros(self._n)
        vertex[i] = 1.0
        return vertex

    def _measure(self, weights: Tensor) -> tuple[float, float]:
        self.n_looks += 1
        return self._pool.measure(weights)


def _without(weights: Tensor, i: int) -> Tensor | None:
    """Return weights without one component; None where nothing is left."""
    others = weights.clone()
    others[i] = 0.0
    total = others.sum()
    return others / total if total > 0 else None

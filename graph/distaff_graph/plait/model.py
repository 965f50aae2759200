"""Plait: linear components blended into one recommender, every score of which is attributed to intents without a rest.

Published models with intents pay for them with accuracy, and their intents are rarely real. Plait keeps the two apart:

* **Intents** come from what recovers planted ones best: a mixture of K distributions over items, fitted to who took
  what at least once (:mod:`distaff_graph.plait.mixture`). It gives each of a user's interactions a posterior over intents,
  r_ujk proportional to w_uk b_kj.
* **Scores** come from whatever measures best on the validation part of the data (:mod:`distaff_graph.plait.choosing`): EASE,
  weighted factorisations, graph filters, neighbours, and the mixture's own expectation sum_k w_uk b_kj. Each is scaled to
  unit length over a user's items before they are averaged.

All but the last are linear in a user's interactions once the user is known, so giving intent k the part r_ujk of each
interaction splits them into K parts, as the mixture is split by itself. The parts sum to the score, with nothing left
over. That is an *attribution*: the components know no intents, a part is not what the user would be scored without it, and
any responsibilities, random ones included, would sum so. ``distaff factors`` therefore shows how far the parts gather in
fewer intents than where items have exchanged theirs (:meth:`Plait.reassigned_intent_scores`).

A user has no parameters: new users are scored exactly as those of the training data.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self, TypeVar

import torch
from pydantic import Field
from torch import Tensor

from distaff.model.base import Session
from distaff.model.config import Choices, ModelConfig, Span
from distaff.ranking.selection import block_size
from distaff.recommenders.intents import Intents, as_shares
from distaff_data.datasets.csr import Csr
from distaff_data.datasets.interactions import Interactions
from distaff_data.errors import InputError
from distaff_graph.plait.blend import Blend, BlendConfig
from distaff_graph.plait.choosing import Choice
from distaff_graph.plait.components import component
from distaff_graph.plait.mixture import fit_parts, mix, responsibilities
from distaff_graph.plait.pool import unit

_C = TypeVar("_C", Choice, Choice | None)
_MIXTURES = (2, 4, 8, 16, 32)
_SHARE, _INTENTS = 0.1, 16  # where there is nothing to choose them on
_BEFORE = ("penalty", "embedding_dim", "reg", "confidence", "ease_share", "intent_share", "n_intents")


class PlaitConfig(BlendConfig):
    """Settings of Plait.

    Attributes:
        intent_share: Weight of the mixture's own score beside the components'; chosen on validation when left out.
        n_intents: K; the one that makes validation interactions likeliest when left out.
    """

    intent_share: Annotated[float | None, Field(ge=0, le=1), Span(0.0, 1.0)] = None
    n_intents: Annotated[int | None, Field(ge=1), Choices(4, 8, 16, 32, 64)] = None

    @classmethod
    def parse(cls, settings: Mapping[str, Any]) -> Self:
        """Build from settings; those of a model that was saved by 0.1 are translated.

        Raises:
            InputError: Every setting that is unknown or out of range.
        """
        if settings.keys() == set(_BEFORE):
            return super().parse(_translated(settings))
        before = [name for name in settings if name in _BEFORE[:5]]
        if before:
            raise InputError(
                f"{before[0]} was a setting of plait in 0.1; components have their own now, such as "
                "components=ease:penalty=50,als:embedding_dim=256:reg=30 with weights=0.3,0.7",
                value=before[0],
            )
        return super().parse(settings)


class Plait(Blend):
    """Scores are those of a blend that chooses itself, with a mixture whose intents split every score exactly.

    The components, their weights, the mixture's share and K are chosen on validation where settings do not say them; see
    :class:`~distaff_graph.plait.blend.Blend`, which is the same without intents.
    """

    name: ClassVar[str] = "plait"
    control: ClassVar[bool] = False
    ablations: ClassVar[tuple[str, ...]] = ("blend",)
    Config: ClassVar[type[ModelConfig]] = PlaitConfig
    config: PlaitConfig

    @property
    def blend(self) -> dict[str, float]:
        """The weight of each component, and of the mixture; they sum to 1."""
        return {**super().blend, "mixture": self._choice.share}

    @property
    def chosen(self) -> dict[str, Any]:
        """The settings that give this blend, with its intents, without a choice."""
        return {**super().chosen, "intent_share": self._choice.share, "n_intents": self._choice.n_intents}

    @property
    def remarks(self) -> tuple[str, ...]:
        """The weights, K, and what was found while they were chosen."""
        first, *rest = super().remarks
        return (f"{first}, with {self._choice.n_intents} intents", *rest)

    def fold_in(self, history: Csr) -> Tensor:
        """Return scores of any interactions; all users are scored in this way."""
        return self._split(history)

    def predict(self, users: Tensor) -> Tensor:
        """Return scores of the users' training interactions."""
        return self.fold_in(self.data.train.take(users))

    def intents(self) -> Intents:
        """Return how often users follow each intent, and p(k | item)."""
        return Intents.from_loadings(mix(self.data.train, self._parts), self._parts * self._mass)

    def user_mixes(self, users: Tensor) -> Tensor:
        """Return how often users follow each intent, as shares."""
        return as_shares(mix(self.data.train.take(users), self._parts))

    def intent_scores(self, users: Tensor, intent: int) -> Tensor:
        """Return the part of the score from the intent's part of each interaction; the parts sum to the score."""
        return self._split(self.data.train.take(users), intent)

    def all_intent_scores(self, users: Tensor) -> Tensor:
        """Return the parts of all intents, user by user."""
        parts = [self.history_parts(self.data.train.take(user)) for user in users.split(1)]
        return torch.cat(parts) if parts else torch.zeros(0, self._parts.shape[1], self.data.n_items)

    def history_parts(self, history: Csr) -> Tensor:
        """Return the parts of all intents in the scores of one history ``(1, n_items)``, ``(1, K, n_items)``."""
        joint = mix(history, self._parts).T * self._parts.T  # (K, n_items)
        mixture: Tensor = self._choice.share * joint / _length(joint.sum(0))
        return (mixture + self._linear_parts(history, _shares_of(joint[:, history.indices.long()]))).unsqueeze(0)

    def reassigned_intent_scores(self, user: Tensor, items: Tensor, orders: Tensor) -> Tensor | None:
        """Return the linear components' parts by the responsibilities of other items; their sum stays as it is.

        The mixture's own score is made of intents: it is left out, since it is largest where its intents agree.

        Args:
            user: One position, int64 ``(1,)``.
            items: Positions, int64 ``(m,)``.
            orders: Whose responsibilities each item has, int64 ``(n, n_items)``.

        Returns:
            ``(n, K, m)``; None where the blend is nothing but the mixture.
        """
        if not any(self._weights()):
            return None
        history = self.data.train.take(user)
        others = orders[:, history.indices.long()]
        starts = torch.arange(len(others) + 1) * others.shape[1]
        exchanged = Csr(starts, others.sort(1).values.flatten().int(), history.n_cols)  # had the user taken those
        rates = mix(exchanged, self._parts).unsqueeze(2) * self._parts[others].transpose(1, 2)
        return _shares_of(rates) @ self._contributions(history, items)

    def _contributions(self, history: Csr, items: Tensor) -> Tensor:
        """Return what each interaction of one history ``(1, n_items)`` adds to the linear components' scores, ``(nnz, m)``.

        Components are linear in the shares of interactions, so that parts are shares times this.
        """
        taken = torch.arange(history.nnz)
        total = torch.zeros(len(taken), len(items))
        for weight, model in zip(self._weights(), self._models, strict=True):
            listed, whole = [], torch.zeros(history.n_cols)
            for block in taken.split(block_size(history.n_cols)):
                copies = history.take(torch.zeros(len(block), dtype=torch.long))
                alone = (block.unsqueeze(1) == taken).float()
                scores = model.weigh(copies, alone.flatten())
                listed.append(scores[:, items])
                whole += scores.sum(0)
            total += weight * torch.cat(listed) / _length(whole)
        return total

    def _linear_parts(self, history: Csr, shares: Tensor) -> Tensor:
        """Return each intent's part ``(K, n_items)`` of the linear components' scores of one history.

        Args:
            history: ``(1, n_items)``.
            shares: Of each interaction, ``(K, nnz)``.
        """
        copies = history.take(torch.zeros(len(shares), dtype=torch.long))
        total = torch.zeros(len(shares), history.n_cols)
        for weight, model in zip(self._weights(), self._models, strict=True):
            parts = model.weigh(copies, shares.flatten())
            total += weight * parts / _length(parts.sum(0))
        return total

    def state(self) -> dict[str, Tensor]:
        """Return the blend, parts (n_items, K) and the intents' mass (K,)."""
        return {**super().state(), "parts": self._parts, "mass": self._mass}

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore the blend and the intents; a model that was saved by 0.1 has its three components by name."""
        if "links" in tensors:
            self._load_before(tensors)
        else:
            super().load_state(tensors)
        self._parts, self._mass = tensors["parts"], tensors["mass"]

    def _load_before(self, tensors: Mapping[str, Tensor]) -> None:
        choice = self._given()
        assert choice is not None  # settings of 0.1 have weights
        vectors = tensors["vectors"]
        states = {"ease": {"weights": tensors["links"]}, "als": {"items": vectors, "users": vectors[:0].clone()}}
        self._choice, self._models = choice, [component(spec) for spec in choice.specs]
        for model in self._models:
            model.bind(self.data)
            model.load_state(states[model.name])

    def _split(self, history: Csr, intent: int | None = None) -> Tensor:
        """Return scores, or the part that one intent has in them."""
        share, parts = self._choice.share, self._parts
        if intent is None and not share:
            return self.weigh(history)
        weights = mix(history, parts)
        whole = weights @ parts.T
        if intent is None:
            return self.weigh(history) + share * unit(whole, whole)
        added = torch.outer(weights[:, intent], parts[:, intent])
        return self.weigh(history, responsibilities(history, weights, parts, intent)) + share * unit(added, whole)

    def _mixtures(self) -> tuple[int, ...]:
        """Return the numbers of intents to choose among, to begin with."""
        return _MIXTURES if self.config.n_intents is None else (self.config.n_intents,)

    def _share(self) -> float | None:
        """Return the mixture's share, where it is given."""
        return self.config.intent_share

    def _given(self) -> Choice | None:
        """Return the blend of the settings, where weights say that there is nothing to choose."""
        return self._with_intents(super()._given())

    def _default(self) -> Choice:
        """Return the blend of data with too little to choose on."""
        return self._with_intents(super()._default())

    def _with_intents(self, choice: _C) -> _C:
        if choice is not None:
            given, n_intents = self.config.intent_share, self.config.n_intents
            share = _SHARE if given is None else given
            choice.share = share if choice.specs else 1.0
            choice.n_intents = _INTENTS if n_intents is None else n_intents
        return choice

    def _adopt(self, choice: Choice, data: Interactions, session: Session) -> None:
        """Take a choice over, and fit what it has not fitted."""
        super()._adopt(choice, data, session)
        assert choice.n_intents is not None
        parts = choice.parts.get(choice.n_intents)
        self._parts = fit_parts(data.train, choice.n_intents, session.generator()) if parts is None else parts
        self._mass = mix(data.train, self._parts).sum(0)
        choice.parts = {}


def _shares_of(mixture: Tensor) -> Tensor:
    """Return responsibilities from intents' rates of items ``(..., K, n)``: shares of K."""
    shares: Tensor = mixture / mixture.sum(-2, keepdim=True).clamp(min=1e-30)
    return shares


def _length(scores: Tensor) -> Tensor:
    """Return the length of a user's scores ``(n_items,)``, by which components come on one scale."""
    length: Tensor = torch.linalg.vector_norm(scores).clamp(min=1e-12)
    return length


def _translated(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings of 0.1 as today's: EASE had a share, and the mixture and ALS the rest."""
    ease, of_rest = float(settings["ease_share"]), float(settings["intent_share"])
    als = ":".join(f"{name}={settings[name]}" for name in ("embedding_dim", "reg", "confidence"))
    weights = (ease, (1.0 - ease) * (1.0 - of_rest))
    return {
        "components": (f"ease:penalty={settings['penalty']}", f"als:{als}"),
        "weights": weights if sum(weights) > 0 else (0.5, 0.5),
        "intent_share": (1.0 - ease) * of_rest,
        "n_intents": settings["n_intents"],
    }

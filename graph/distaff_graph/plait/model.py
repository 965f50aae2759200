"""Plait: three components blended into one recommender, every score of which is attributed to intents without a rest.

Published models with intents pay for them with accuracy, and their intents are rarely real. Plait keeps the two apart:

* **Intents** come from what recovers planted ones best: a mixture of K distributions over items, fitted to who took
  what at least once (:mod:`distaff_graph.plait.mixture`). It gives each of a user's interactions a posterior over intents,
  r_ujk proportional to w_uk b_kj.
* **Scores** come from what measures best on sparse data: EASE (Steck, WWW 2019), which links items directly; weighted
  matrix factorisation (Hu, Koren and Volinsky, ICDM 2008), which reaches items that were never taken together; and the
  mixture's own expectation sum_k w_uk b_kj. Each is scaled to unit length over a user's items before they are averaged.

The first two are linear in a user's interactions once the user is known, so giving intent k the part r_ujk of each
interaction splits them into K parts, as the mixture is split by itself. The parts sum to the score, with nothing left
over. That is an *attribution*: EASE and the factorisation know no intents, a part is not what the user would be scored
without it, and any responsibilities, random ones included, would sum so. ``distaff factors`` therefore shows how far the
parts gather in fewer intents than where items have exchanged theirs (:meth:`Plait.reassigned_intent_scores`).

A user has no parameters: new users are scored exactly as those of the training data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from distaff.model.config import Choices, ModelConfig, Span
from distaff.recommenders.base import Intents, Recommender, Session, Unlearned, as_shares
from distaff_data.datasets.csr import Csr
from distaff_data.datasets.interactions import Interactions
from distaff_graph.controls.als import ALS, regularised_gram, solve_components, solve_users
from distaff_graph.controls.ease import EASE
from distaff_graph.plait.mixture import fit_parts, mix, responsibilities
from distaff_graph.sparse import history_pattern, product, with_values

_TINY = 1e-12


class PlaitConfig(ModelConfig):
    """Settings of Plait.

    Attributes:
        penalty: EASE's penalty, in interactions.
        embedding_dim: Numbers an item has in the factorisation.
        reg: Weight of the factorisation's squared norms.
        confidence: Weight of an interaction in the factorisation, where the absence of one weighs 1.
        ease_share: Weight of EASE's score.
        intent_share: Of what EASE leaves, the weight of the mixture's score; the factorisation's has the rest.
        n_intents: K.
    """

    penalty: Annotated[float, Field(gt=0), Span(5, 2000, log=True)] = 50.0
    embedding_dim: Annotated[int, Field(ge=1), Choices(64, 128, 256)] = 256
    reg: Annotated[float, Field(gt=0), Span(0.1, 100, log=True)] = 30.0
    confidence: Annotated[float, Field(ge=1), Span(5, 100, log=True)] = 50.0
    ease_share: Annotated[float, Field(ge=0, le=1), Span(0.1, 0.9)] = 0.3
    intent_share: Annotated[float, Field(ge=0, le=1), Span(0.0, 1.0)] = 0.1
    n_intents: Annotated[int, Field(ge=1), Choices(8, 16, 32, 64)] = 32


class Plait(Recommender):
    """Scores are the weighted sum of three, each over its length: EASE's, the factorisation's and the mixture's.

    Raises:
        InputError: The package ``implicit`` is not installed.
        UnsupportedError: The catalogue is too large for EASE.
    """

    name: ClassVar[str] = "plait"
    Config: ClassVar[type[ModelConfig]] = PlaitConfig
    config: PlaitConfig

    def _fit(self, data: Interactions, session: Session) -> None:
        """Fit the three parts, each on its own."""
        c = self.config
        links = EASE(penalty=c.penalty)
        links._fit(data, session)
        factorisation = ALS(embedding_dim=c.embedding_dim, reg=c.reg, confidence=c.confidence)
        parts = fit_parts(data.train, c.n_intents, session.generator())
        self._state = {
            "links": links.state()["weights"],
            "vectors": factorisation.item_vectors(data, session),
            "parts": parts,
            "mass": mix(data.train, parts).sum(0),
        }
        self._train = data.train

    def unlearn(self, users: Tensor, seed: int) -> Unlearned:
        """Fit anew without them."""
        return self.relearn(users, seed)

    def predict(self, users: Tensor) -> Tensor:
        """Return scores of the users' training interactions."""
        return self.fold_in(self._train.take(users))

    def fold_in(self, history: Csr) -> Tensor:
        """Return scores of any interactions; all users are scored in this way."""
        whole = self._components(history)
        return self._blend(whole, whole)

    def intents(self) -> Intents:
        """Return how often users follow each intent, and p(k | item)."""
        parts = self._state["parts"]
        return Intents.from_loadings(mix(self._train, parts), parts * self._state["mass"])

    def user_mixes(self, users: Tensor) -> Tensor:
        """Return how often users follow each intent, as shares."""
        return as_shares(mix(self._train.take(users), self._state["parts"]))

    def intent_scores(self, users: Tensor, intent: int) -> Tensor:
        """Return the part of the score that the intent's share of each interaction brings; the parts sum to the score."""
        history = self._train.take(users)
        return self._blend(self._components(history, intent), self._components(history))

    def all_intent_scores(self, users: Tensor) -> Tensor:
        """Return the parts of all intents, user by user: one system of equations for all, and one product with the links."""
        shape = (0, self.config.n_intents, self.data.n_items)
        gram = regularised_gram(self._state["vectors"], self.config.reg)
        parts = [self._user_parts(self._train.take(user), gram) for user in users.split(1)]
        return torch.cat(parts) if parts else torch.zeros(shape)

    def reassigned_intent_scores(self, user: Tensor, items: Tensor, orders: Tensor) -> Tensor:
        """Return the parts of EASE's score and the factorisation's by the responsibilities of other items.

        The mixture's own score is made of intents: it is left out, since it is largest where its intents agree.
        """
        history = self._train.take(user)
        links, vectors, parts = (self._state[name] for name in ("links", "vectors", "parts"))
        taken, n = history.indices.long(), len(orders)
        offsets = torch.arange(n + 1) * taken.numel()
        others = Csr(
            offsets, orders[:, taken].sort(1).values.flatten().int(), history.n_cols
        )  # the user, had they taken those
        weights = mix(others, parts).unsqueeze(2)  # (n, K, 1)
        of_taken = _shares_of(weights * parts[orders[:, taken]].mT)
        gram = regularised_gram(vectors, self.config.reg)
        solved = solve_components(vectors[taken], gram, self.config.confidence, of_taken.flatten(0, 1))
        whole = self._components(history)
        linked = (of_taken @ links[taken][:, items]).flatten(0, 1)
        dealt = [linked, solved @ vectors[items].T, torch.zeros_like(linked)]
        blended: Tensor = self._blend(dealt, whole).unflatten(0, (n, -1))
        return blended

    def state(self) -> dict[str, Tensor]:
        """Return links (n_items, n_items), vectors (n_items, d), parts (n_items, K) and the intents' mass (K,)."""
        return dict(self._state)

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore the tables."""
        self._state = dict(tensors)
        self._train = self.data.train

    def _components(self, history: Csr, intent: int | None = None) -> list[Tensor]:
        """Return EASE's, the factorisation's and the mixture's scores ``(b, n_items)``, or one intent's part of each."""
        links, vectors, parts = (self._state[name] for name in ("links", "vectors", "parts"))
        weights = mix(history, parts)
        counted, share = history_pattern(history, links), None
        if intent is not None:
            share = responsibilities(history, weights, parts, intent)
            counted = with_values(counted, share)
            weights, parts = weights[:, intent : intent + 1], parts[:, intent : intent + 1]
        users = solve_users(history, vectors, self.config.reg, self.config.confidence, share)
        return [product(counted, links), users @ vectors.T, weights @ parts.T]

    def _user_parts(self, history: Csr, gram: Tensor) -> Tensor:
        """Return the parts of all intents in the scores of one user, ``(1, K, n_items)``."""
        links, vectors, parts = (self._state[name] for name in ("links", "vectors", "parts"))
        weights = mix(history, parts)
        items = history.indices.long()
        mixture = weights.T * parts.T  # (K, n_items)
        shares = _shares_of(mixture[:, items])
        solved = solve_components(vectors[items], gram, self.config.confidence, shares)
        components = [shares @ links[items], solved @ vectors.T, mixture]
        return self._blend(components, [component.sum(0, keepdim=True) for component in components]).unsqueeze(0)

    def _blend(self, components: Sequence[Tensor], whole: Sequence[Tensor]) -> Tensor:
        """Return the weighted sum of components, each over its length as a whole, which puts all on one scale."""
        c = self.config
        rest = 1.0 - c.ease_share
        shares = (c.ease_share, rest * (1.0 - c.intent_share), rest * c.intent_share)
        total = torch.zeros_like(components[0])
        for share, component, length in zip(shares, components, whole, strict=True):
            total.addcmul_(component, share / torch.linalg.vector_norm(length, dim=1, keepdim=True).clamp(min=_TINY))
        return total


def _shares_of(mixture: Tensor) -> Tensor:
    """Return responsibilities from an intent's rates of items ``(..., K, n)``: shares of K."""
    shares: Tensor = mixture / mixture.sum(-2, keepdim=True).clamp(min=1e-30)
    return shares

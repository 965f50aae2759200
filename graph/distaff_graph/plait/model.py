"""Plait: three strands twined into one recommender, every score of which is an exact sum over intents.

Published models with intents pay for them with accuracy, and their intents are rarely real. Plait keeps the two apart:

* **Intents** come from what recovers planted ones best: a mixture of K distributions over items, fitted to who took
  what at least once (:mod:`distaff_graph.plait.mixture`). It gives each of a user's interactions a posterior over intents,
  r_ujk proportional to w_uk b_kj.
* **Scores** come from what measures best on sparse data: EASE (Steck, WWW 2019), which links items directly; weighted
  matrix factorisation (Hu, Koren and Volinsky, ICDM 2008), which reaches items that were never taken together; and the
  mixture's own expectation sum_k w_uk b_kj. Each is scaled to unit length over a user's items before they are averaged.

The first two are linear in a user's interactions once the user is known, so giving intent k the part r_ujk of each
interaction splits them into K parts, as the mixture is split by itself. The parts sum to the score, with nothing left
over. A user has no parameters: new users are scored exactly as those of the training data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from distaff.model.config import Choices, ModelConfig, Span
from distaff.recommenders.base import Intents, Recommender, Session, Unlearned
from distaff_data.datasets.csr import Csr
from distaff_data.datasets.interactions import Interactions
from distaff_graph.controls.als import ALS, solve_users
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
        """Scores of the users' training interactions."""
        return self.fold_in(self._train.take(users))

    def fold_in(self, history: Csr) -> Tensor:
        """Scores of any interactions; all users are scored in this way."""
        whole = self._strands(history)
        return self._twined(whole, whole)

    def intents(self) -> Intents:
        """A user's mix is how often they follow each intent, an item's is p(k | item)."""
        parts = self._state["parts"]
        return Intents.from_loadings(mix(self._train, parts), parts * self._state["mass"])

    def intent_scores(self, users: Tensor, intent: int) -> Tensor:
        """The part of the score that comes from the intent's part of each interaction; the parts sum to the score."""
        history = self._train.take(users)
        return self._twined(self._strands(history, intent), self._strands(history))

    def state(self) -> dict[str, Tensor]:
        """Links (n_items, n_items), vectors (n_items, d), parts (n_items, K) and the intents' mass (K,)."""
        return dict(self._state)

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Take them back."""
        self._state = dict(tensors)
        self._train = self.data.train

    def _strands(self, history: Csr, intent: int | None = None) -> list[Tensor]:
        """EASE's, the factorisation's and the mixture's scores ``(b, n_items)``, or what one intent adds to each."""
        links, vectors, parts = (self._state[name] for name in ("links", "vectors", "parts"))
        weights = mix(history, parts)
        counted, share = history_pattern(history, links), None
        if intent is not None:
            share = responsibilities(history, weights, parts, intent)
            counted = with_values(counted, share)
            weights, parts = weights[:, intent : intent + 1], parts[:, intent : intent + 1]
        users = solve_users(history, vectors, self.config.reg, self.config.confidence, share)
        return [product(counted, links), users @ vectors.T, weights @ parts.T]

    def _twined(self, strands: Sequence[Tensor], whole: Sequence[Tensor]) -> Tensor:
        """The weighted sum of strands, each over the length that it has as a whole, which puts all on one scale."""
        c = self.config
        rest = 1.0 - c.ease_share
        shares = (c.ease_share, rest * (1.0 - c.intent_share), rest * c.intent_share)
        total = torch.zeros_like(strands[0])
        for share, strand, length in zip(shares, strands, whole, strict=True):
            total.addcmul_(strand, share / torch.linalg.vector_norm(length, dim=1, keepdim=True).clamp(min=_TINY))
        return total

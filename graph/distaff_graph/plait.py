"""Plait: two linear recommenders twined into one, every score of which is an exact sum over intents.

Published models with intents pay for them with accuracy, and their intents are rarely real. Plait keeps the two apart:

* **Scores** come from what measures best on sparse data: EASE (Steck, WWW 2019), which links items directly, and weighted
  matrix factorisation (Hu, Koren and Volinsky, ICDM 2008), which reaches items that were never taken together. Each is
  scaled to unit length over a user's items and the two are averaged; together they rank better than either.
* **Intents** come from what recovers planted ones best: a mixture of K distributions over items (non-negative
  factorisation under the Kullback-Leibler divergence). It gives each of a user's interactions a posterior over intents,
  r_ujk proportional to theta_uk phi_kj.

Both scores are linear in a user's interactions once the user is known, so giving intent k the part r_ujk of each
interaction splits a score into K parts that sum to it, with nothing left over. A user has no parameters: new users are
scored exactly as those of the training data.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from distaff.config import Choices, ModelConfig, Span
from distaff.recommender import Intents, Recommender, Session
from distaff_data.interactions import Csr, Interactions
from distaff_graph.controls.als import ALS, solve_users
from distaff_graph.controls.ease import EASE
from distaff_graph.controls.nmf import NMF, mix
from distaff_graph.sparse import edge_dots, history_pattern, product, with_values

_TINY = 1e-12


class PlaitConfig(ModelConfig):
    """Settings of Plait.

    Attributes:
        penalty: EASE's penalty, in interactions.
        embedding_dim: Numbers an item has in the factorisation.
        reg: Weight of the factorisation's squared norms.
        confidence: Weight of an interaction in the factorisation, where the absence of one weighs 1.
        ease_share: Weight of EASE's score; the factorisation's has the rest.
        n_intents: K.
    """

    penalty: Annotated[float, Field(gt=0), Span(5, 2000, log=True)] = 50.0
    embedding_dim: Annotated[int, Field(ge=1), Choices(64, 128, 256)] = 256
    reg: Annotated[float, Field(gt=0), Span(0.1, 100, log=True)] = 30.0
    confidence: Annotated[float, Field(ge=1), Span(5, 100, log=True)] = 50.0
    ease_share: Annotated[float, Field(ge=0, le=1), Span(0.1, 0.9)] = 0.3
    n_intents: Annotated[int, Field(ge=1), Choices(8, 16, 32, 64)] = 32


class Plait(Recommender):
    """Scores are s e / |e| + (1 - s) a / |a|: EASE's scores e and the factorisation's a, each over its length.

    Raises:
        InputError: The package ``implicit`` is not installed.
        UnsupportedError: The catalogue is too large for EASE.
    """

    name: ClassVar[str] = "plait"
    Config: ClassVar[type[ModelConfig]] = PlaitConfig
    config: PlaitConfig

    def learn(self, data: Interactions, session: Session) -> None:
        """Fit the three parts, each on its own."""
        c = self.config
        links = EASE(penalty=c.penalty)
        links.learn(data, session)
        factorisation = ALS(embedding_dim=c.embedding_dim, reg=c.reg, confidence=c.confidence)
        intents = NMF(n_intents=c.n_intents)
        parts = intents.item_vectors(data, session)
        self._state = {
            "links": links.tensors()["weights"],
            "vectors": factorisation.item_vectors(data, session),
            "parts": parts,
            "mass": mix(data.train, parts).sum(0),
        }
        self._train = data.train

    def predict(self, users: Tensor) -> Tensor:
        """Scores of the users' training interactions."""
        return self.fold_in(self._train.take(users))

    def fold_in(self, history: Csr) -> Tensor:
        """Scores of any interactions; all users are scored in this way."""
        whole = self._strands(history)
        return self._mixed(*whole, *_lengths(*whole))

    def intents(self) -> Intents:
        """A user's mix is theta, the posterior weights of the mixture; an item's is p(k | item)."""
        parts = self._state["parts"]
        return Intents.from_loadings(mix(self._train, parts), parts * self._state["mass"])

    def intent_scores(self, users: Tensor, intent: int) -> Tensor:
        """The part of the score that comes from the intent's part of each interaction; the parts sum to the score."""
        history = self._train.take(users)
        part = self._strands(history, self._posterior(history, intent))
        return self._mixed(*part, *_lengths(*self._strands(history)))

    def tensors(self) -> dict[str, Tensor]:
        """Links (n_items, n_items), vectors (n_items, d), parts (n_items, K) and the intents' mass (K,)."""
        return dict(self._state)

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take them back."""
        self._state = dict(tensors)
        self._train = self.data.train

    def _strands(self, history: Csr, share: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """EASE's and the factorisation's scores ``(b, n_items)``, counting ``share`` ``(nnz,)`` of each interaction."""
        links, vectors = self._state["links"], self._state["vectors"]
        pattern = history_pattern(history, links)
        counted = pattern if share is None else with_values(pattern, share)
        users = solve_users(history, vectors, self.config.reg, self.config.confidence, share)
        return product(counted, links), users @ vectors.T

    def _mixed(self, ease: Tensor, factorised: Tensor, ease_length: Tensor, factorised_length: Tensor) -> Tensor:
        share = self.config.ease_share
        ease = ease.mul_(share / ease_length.clamp(min=_TINY))
        return ease.addcmul_(factorised, (1.0 - share) / factorised_length.clamp(min=_TINY))

    def _posterior(self, history: Csr, intent: int) -> Tensor:
        """p(intent | user, item) of each interaction, ``(nnz,)``; interactions that no intent explains are shared evenly."""
        parts = self._state["parts"]
        pattern = history_pattern(history, parts)
        weights = mix(history, parts)
        total = edge_dots(pattern, weights, parts)
        own = edge_dots(
            pattern, weights[:, intent : intent + 1].contiguous(), parts[:, intent : intent + 1].contiguous()
        )
        return torch.where(total > _TINY, own / total.clamp(min=_TINY), 1.0 / parts.shape[1])


def _lengths(ease: Tensor, factorised: Tensor) -> tuple[Tensor, Tensor]:
    """Euclidean lengths over items, ``(b, 1)``, which put the two scores on one scale for every user."""
    return torch.linalg.vector_norm(ease, dim=1, keepdim=True), torch.linalg.vector_norm(
        factorised, dim=1, keepdim=True
    )

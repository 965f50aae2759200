"""Filters of the graph of users and items, through the interactions alone: nothing of items by items is ever made.

With R~ = D_u^-a R D_i^-b the matrix P = R~^T R~ has eigenvalues between 0 and 1 where a = b = 1/2; what is smooth on the
graph has those near 1. A polynomial of P lets it pass and holds back the rest, at two sparse products a degree (Park, Shin
and Shin, "Turbo-CF", SIGIR 2024). GF-CF (Shen et al., CIKM 2021) adds an ideal low-pass filter, the projection onto the
leading eigenvectors of P, to the first degree.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from distaff.model.base import Session
from distaff.model.config import Choices, ModelConfig, Span
from distaff_data.datasets.csr import Csr
from distaff_data.datasets.interactions import Interactions
from distaff_graph.controls.linear import LinearRecommender, Walk, history_columns, history_shares
from distaff_graph.controls.puresvd import leading_right_vectors
from distaff_graph.sparse import product

_DENSE = 500  # users or items up to which a dense decomposition is quicker
_SPARE = 40  # dimensions of the subspace above those that are asked for
_ROUNDS = 4


class GraphFilterConfig(ModelConfig):
    """Settings of GraphFilter.

    Attributes:
        order: Degree of the polynomial.
        user_exponent: a, of users' numbers of interactions.
        item_exponent: b, of items'; above 1/2 it holds popular items back.
    """

    order: Annotated[int, Field(ge=1, le=3), Choices(1, 2, 3)] = 1
    user_exponent: Annotated[float, Field(ge=0, le=1), Span(0.0, 1.0)] = 0.5
    item_exponent: Annotated[float, Field(ge=0, le=1), Span(0.0, 1.0)] = 0.3


class GraphFilter(LinearRecommender):
    """Scores are x P^order, with P = R~^T R~ and R~ = D_u^-a R D_i^-b: walks of that many steps over shared users."""

    name: ClassVar[str] = "graph_filter"
    seeded: ClassVar[bool] = False
    Config: ClassVar[type[ModelConfig]] = GraphFilterConfig
    config: GraphFilterConfig

    def _fit(self, data: Interactions, session: Session) -> None:
        """Keep the interactions, which are all that it needs."""
        c = self.config
        self._walk = Walk(data.train, entering=c.item_exponent, users=2 * c.user_exponent, leaving=c.item_exponent)

    def weigh(self, history: Csr, shares: Tensor | None = None) -> Tensor:
        """Return filtered histories."""
        x = history_columns(history, shares)
        for _ in range(self.config.order):
            x = self._walk(x)
        return x.T.contiguous()

    def state(self) -> dict[str, Tensor]:
        """Return nothing: the interactions are the data's."""
        return {}

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the interactions from the data."""
        self._fit(self.data, Session(0, torch.device("cpu")))


class GFCFConfig(ModelConfig):
    """Settings of GFCF.

    Attributes:
        embedding_dim: Eigenvectors that the low-pass filter lets pass; at most as many as there are users or items.
        low_pass: Weight of the low-pass filter beside the first degree.
    """

    embedding_dim: Annotated[int, Field(ge=1), Choices(64, 128, 256, 512)] = 256
    low_pass: Annotated[float, Field(ge=0), Span(0.0, 2.0)] = 0.3


class GFCF(LinearRecommender):
    """Scores are x P + w x D_i^-1/2 V V^T D_i^1/2, with V the leading right singular vectors of D_u^-1/2 R D_i^-1/2."""

    name: ClassVar[str] = "gfcf"
    Config: ClassVar[type[ModelConfig]] = GFCFConfig
    config: GFCFConfig

    def _fit(self, data: Interactions, session: Session) -> None:
        """Decompose the normalised interactions."""
        self._take(data.train, normalised_vectors(data.train, self.config.embedding_dim, session.seed))

    def weigh(self, history: Csr, shares: Tensor | None = None) -> Tensor:
        """Return the sum of both filters."""
        smooth = product(history_shares(history, self._vectors, shares), self._inner) @ self._outer.T
        return self._walk(history_columns(history, shares)).T + self.config.low_pass * smooth

    def state(self) -> dict[str, Tensor]:
        """Return V, ``(n_items, d)``."""
        return {"vectors": self._vectors}

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore V."""
        self._take(self.data.train, tensors["vectors"])

    def _take(self, train: Csr, vectors: Tensor) -> None:
        self._walk = Walk(train, entering=0.5, users=1.0, leaving=0.5)
        self._vectors = vectors
        self._inner, self._outer = around(train, vectors, 0.5)


class LowPassConfig(ModelConfig):
    """Settings of LowPass.

    Attributes:
        embedding_dim: Eigenvectors that pass; at most as many as there are users or items.
        item_exponent: Power of an item's number of interactions that it is divided by before and multiplied by after.
    """

    embedding_dim: Annotated[int, Field(ge=1), Choices(128, 256, 512, 1024)] = 512
    item_exponent: Annotated[float, Field(ge=0, le=1), Span(0.0, 1.0)] = 0.5


class LowPass(LinearRecommender):
    """Scores are x D_i^-b V V^T D_i^b, with V the leading right singular vectors of D_u^-1/2 R D_i^-1/2.

    It is GF-CF's second part by itself; alone it wants many more vectors than beside the first degree.
    """

    name: ClassVar[str] = "low_pass"
    Config: ClassVar[type[ModelConfig]] = LowPassConfig
    config: LowPassConfig

    def _fit(self, data: Interactions, session: Session) -> None:
        """Decompose the normalised interactions."""
        self._take(data.train, normalised_vectors(data.train, self.config.embedding_dim, session.seed))

    def weigh(self, history: Csr, shares: Tensor | None = None) -> Tensor:
        """Return histories projected onto what passes."""
        return product(history_shares(history, self._inner, shares), self._inner) @ self._outer.T

    def state(self) -> dict[str, Tensor]:
        """Return V, ``(n_items, d)``."""
        return {"vectors": self._vectors}

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore V."""
        self._take(self.data.train, tensors["vectors"])

    def _take(self, train: Csr, vectors: Tensor) -> None:
        self._vectors = vectors
        self._inner, self._outer = around(train, vectors, self.config.item_exponent)


def around(train: Csr, vectors: Tensor, exponent: float) -> tuple[Tensor, Tensor]:
    """Return D_i^-b V and D_i^b V, ``(n_items, d)`` each."""
    degrees = torch.bincount(train.indices, minlength=train.n_cols).float().unsqueeze(1)
    inner = torch.where(degrees > 0, vectors * degrees.clamp(min=1.0).pow(-exponent), 0.0)
    return inner, torch.where(degrees > 0, vectors * degrees.pow(exponent), 0.0)


def normalised_vectors(train: Csr, k: int, seed: int) -> Tensor:
    """Return the leading right singular vectors of D_u^-1/2 R D_i^-1/2, float32 ``(n_items, k)``, largest first.

    Exact for small matrices; for others by iteration of a subspace, some dimensions wider than is asked for, with the square
    of P (Halko, Martinsson and Tropp, SIAM Review 2011). What is inexact are directions next to the cut, where the choice
    of k is arbitrary anyway.
    """
    smaller = min(train.n_rows, train.n_cols)
    if smaller <= max(_DENSE, k + 1):
        users, items = (np.maximum(side.counts().numpy(), 1) ** -0.5 for side in (train, train.transpose()))
        scaled = train.scipy().astype(np.float64).multiply(users[:, None]).multiply(items[None, :]).tocsr()
        return leading_right_vectors(scaled, k, seed)
    walk = Walk(train, entering=0.5, users=1.0, leaving=0.5)
    generator = torch.Generator().manual_seed(seed)
    basis = torch.randn(train.n_cols, min(k + _SPARE, smaller), generator=generator)
    for _ in range(_ROUNDS):
        basis = torch.linalg.qr(walk(walk(basis))).Q
    inner = (basis.T @ walk(basis)).double()
    turned: Tensor = basis @ torch.linalg.eigh((inner + inner.T) / 2.0).eigenvectors.float()
    return turned[:, -k:].flip(1).contiguous()

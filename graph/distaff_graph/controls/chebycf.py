"""ChebyCF (Kim et al., SIGIR 2025): a flat pass of the smooth half of the graph's spectrum, as a polynomial."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

import numpy as np
import torch
from numpy.polynomial.chebyshev import chebfit, chebpts1
from pydantic import Field
from torch import Tensor

from distaff.model.base import Session
from distaff.model.config import Choices, ModelConfig, Span
from distaff_data.arrays import Floats
from distaff_data.datasets.csr import Csr
from distaff_data.datasets.interactions import Interactions
from distaff_graph.controls.graph_filter import normalised_vectors
from distaff_graph.controls.linear import LinearRecommender, Walk, history_columns


class ChebyCFConfig(ModelConfig):
    """Settings of ChebyCF.

    Attributes:
        order: Degree of the polynomial.
        flatness: Power of the distance from the middle of the spectrum; the higher, the flatter is the pass there.
        embedding_dim: Eigenvectors that the low-pass filter lets pass; at most as many as there are users or items.
        low_pass: Weight of the low-pass filter beside the polynomial; 0 leaves it out.
        item_exponent: Power of an item's number of interactions that it is divided by before and multiplied by after.
    """

    order: Annotated[int, Field(ge=1, le=32), Choices(4, 8, 12)] = 8
    flatness: Annotated[float, Field(gt=0), Span(1.0, 20.0, log=True)] = 1.5
    embedding_dim: Annotated[int, Field(ge=1), Choices(64, 128, 256, 512)] = 256
    low_pass: Annotated[float, Field(ge=0), Span(0.0, 1.0)] = 0.2
    item_exponent: Annotated[float, Field(ge=0, le=1), Span(0.0, 1.0)] = 0.4


class ChebyCF(LinearRecommender):
    """Scores are x D_i^-b (h(P) + w V V^T) D_i^b, with P the items' normalised graph and V its leading eigenvectors.

    h is the Chebyshev interpolation of 1/2 + sign(t) |t|^flatness / 2 with t = 2 P - 1: eigenvalues near 1 pass whole, those
    near 0 not at all. It is applied by its recurrence, at two sparse products a degree.
    """

    name: ClassVar[str] = "chebycf"
    Config: ClassVar[type[ModelConfig]] = ChebyCFConfig
    config: ChebyCFConfig

    def _fit(self, data: Interactions, session: Session) -> None:
        """Decompose the normalised interactions, where the low-pass filter has a weight."""
        c = self.config
        vectors = torch.zeros(data.n_items, 0)
        self._take(data.train, normalised_vectors(data.train, c.embedding_dim, session.seed) if c.low_pass else vectors)

    def weigh(self, history: Csr, shares: Tensor | None = None) -> Tensor:
        """Return the sum of both filters."""
        x = history_columns(history, shares) * self._before
        passed = self._polynomial(x) + self.config.low_pass * (self._vectors @ (self._vectors.T @ x))
        return (passed * self._after).T.contiguous()

    def state(self) -> dict[str, Tensor]:
        """Return V, ``(n_items, d)``."""
        return {"vectors": self._vectors}

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore V."""
        self._take(self.data.train, tensors["vectors"])

    def _take(self, train: Csr, vectors: Tensor) -> None:
        c = self.config
        degrees = torch.bincount(train.indices, minlength=train.n_cols).float().unsqueeze(1)
        self._before = torch.where(degrees > 0, degrees.clamp(min=1.0).pow(-c.item_exponent), 0.0)
        self._after = degrees.pow(c.item_exponent) * (degrees > 0)
        self._walk = Walk(train, entering=0.5, users=1.0, leaving=0.5)
        nodes = chebpts1(c.order + 1)
        self._coefficients = [float(a) for a in chebfit(nodes, _plateau(nodes, c.flatness), c.order)]
        self._vectors = vectors

    def _polynomial(self, x: Tensor) -> Tensor:
        """Return h(P) x of columns x, by T_n = 2 t T_n-1 - T_n-2."""
        first, second = x, self._centred(x)
        total = self._coefficients[0] * first + self._coefficients[1] * second
        for coefficient in self._coefficients[2:]:
            first, second = second, self._centred(second).mul_(2.0).sub_(first)
            total.add_(second, alpha=coefficient)
        return total

    def _centred(self, x: Tensor) -> Tensor:
        """Return t x."""
        return self._walk(x).mul_(2.0).sub_(x)


def _plateau(t: Floats, flatness: float) -> Floats:
    passed: Floats = 0.5 + 0.5 * np.sign(t) * np.abs(t) ** flatness
    return passed

"""PureSVD (Cremonesi, Koren and Turrin, RecSys 2010): users' rows projected onto the leading right singular vectors."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from pydantic import Field
from scipy.sparse.linalg import svds
from torch import Tensor

from distaff.model.base import Session
from distaff.model.config import Choices, ModelConfig
from distaff_data.datasets.csr import Csr
from distaff_data.datasets.interactions import Interactions
from distaff_graph.controls.inner_products import InnerProducts, sum_rows
from distaff_graph.controls.linear import LinearRecommender, history_shares
from distaff_graph.sparse import product

# Below this size of the smaller side a dense decomposition is quicker than the iterative one, and has no upper limit on
# the number of vectors.
_DENSE = 500


class PureSVDConfig(ModelConfig):
    """Settings of PureSVD.

    Attributes:
        n_intents: K, the singular vectors kept; at most as many as there are users or items.
    """

    n_intents: Annotated[int, Field(ge=1), Choices(16, 32, 64, 128, 256)] = 64


class PureSVD(InnerProducts, LinearRecommender):
    """Scores are X V V^T, with V the K leading right singular vectors of the binary training matrix X.

    The decomposition is exact, not randomised: a control should not lose accuracy to a shortcut. Intents are singular
    vectors, so the first is mostly activity and popularity; signs are chosen so that each vector's largest loading is
    positive.
    """

    name: ClassVar[str] = "puresvd"
    Config: ClassVar[type[ModelConfig]] = PureSVDConfig
    config: PureSVDConfig

    def item_vectors(self, data: Interactions, session: Session) -> Tensor:
        """Return V, ``(n_items, K)``."""
        return fix_signs(right_singular_vectors(data.train, self.config.n_intents, session.seed))

    def project(self, history: Csr, items: Tensor) -> Tensor:
        """Return X V."""
        return sum_rows(history, items)

    def weigh(self, history: Csr, shares: Tensor | None = None) -> Tensor:
        """Return X V V^T of shares."""
        return product(history_shares(history, self._items, shares), self._items) @ self._items.T


def right_singular_vectors(matrix: Csr, k: int, seed: int) -> Tensor:
    """Return the right singular vectors of the ``k`` largest singular values, largest first, float32 ``(n_cols, k)``.

    Fewer where the matrix has fewer rows or columns.
    """
    return leading_right_vectors(matrix.scipy().astype(np.float64), k, seed)


def leading_right_vectors(x: Any, k: int, seed: int) -> Tensor:
    """Return what :func:`right_singular_vectors` does, of a SciPy matrix of float64 values."""
    smaller = min(x.shape)
    if smaller <= max(_DENSE, k + 1):
        _, _, v = np.linalg.svd(x.toarray(), full_matrices=False)
        return torch.from_numpy(v[:k].T.astype(np.float32))
    # ARPACK starts from a vector of its own drawing: the seed makes every digit repeatable.
    start = np.random.default_rng(seed).standard_normal(smaller)
    _, values, v = svds(x, k, v0=start, return_singular_vectors="vh")
    return torch.from_numpy(v[np.argsort(-values)].T.astype(np.float32))


def fix_signs(vectors: Tensor) -> Tensor:
    """Turn each column so that its largest entry by size is positive."""
    largest = vectors.gather(0, vectors.abs().argmax(0, keepdim=True))
    return torch.where(largest < 0, -vectors, vectors)

"""Non-negative matrix factorisation under the Kullback-Leibler divergence (Lee and Seung, NIPS 2000)."""

from __future__ import annotations

import warnings
from typing import Annotated, ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from distaff.model.base import Session
from distaff.model.config import Choices, ModelConfig
from distaff_data.datasets.csr import Csr
from distaff_data.datasets.interactions import Interactions
from distaff_graph.controls.inner_products import InnerProducts
from distaff_graph.sparse import edge_dots, history_pattern, product, with_values

_TINY = 1e-12
# Updates of a user's weights. A fixed number, so that a user's vector does not depend on who else is in the block; on
# Amazon-book 100 come within 1e-6 of the final log-likelihood.
_UPDATES = 100


class NMFConfig(ModelConfig):
    """Settings of NMF.

    Attributes:
        n_intents: K, parts; at most as many as there are users or items.
        max_iterations: Upper limit of multiplicative updates.
        init: ``nndsvda``: from the singular vectors, the same for every seed; ``random``: from the seed, whose spread
            tells how stable the parts are.
    """

    n_intents: Annotated[int, Field(ge=1), Choices(16, 32, 64, 128, 256)] = 64
    max_iterations: Annotated[int, Field(ge=1)] = 200
    init: Annotated[str, Field(pattern="^(nndsvda|random)$")] = "nndsvda"


class NMF(InnerProducts):
    """Scores are W H^T, both non-negative: every intent can only add.

    The Kullback-Leibler divergence makes it the maximum-likelihood fit of Poisson counts and needs work in proportion
    to the interactions only; on planted data its row-normalised user mix finds the planted intents better than the
    squared loss does. The fit is scikit-learn's; the users' vectors are then solved for anew, as folding in does it.
    """

    name: ClassVar[str] = "nmf"
    Config: ClassVar[type[ModelConfig]] = NMFConfig
    config: NMFConfig

    def item_vectors(self, data: Interactions, session: Session) -> Tensor:
        """Return H^T, columns summing to 1, ``(n_items, K)``."""
        parts = self._parts(data, self.config.init, session.seed)
        if not bool(parts.isfinite().all()):
            # A matrix of fewer dimensions than parts has singular vectors of no length to start from.
            parts = self._parts(data, "random", session.seed)
        return parts / parts.sum(0).clamp(min=_TINY)

    def _parts(self, data: Interactions, init: str, seed: int) -> Tensor:
        """Return H^T of any scale, ``(n_items, K)``, from one start."""
        from sklearn import decomposition
        from sklearn.exceptions import ConvergenceWarning

        fit = decomposition.NMF(
            min(self.config.n_intents, data.n_users, data.n_items),
            init=init,
            solver="mu",
            beta_loss="kullback-leibler",
            max_iter=self.config.max_iterations,
            random_state=seed,
        )
        # Where the start is exact already, as of a single pair, scikit-learn divides by its error, 0.
        with warnings.catch_warnings(), np.errstate(invalid="ignore", divide="ignore"):
            warnings.simplefilter("ignore", ConvergenceWarning)  # the limit is a setting, not an accident
            fit.fit(data.train.scipy())
        return torch.from_numpy(fit.components_).float().T

    def project(self, history: Csr, items: Tensor) -> Tensor:
        """Return W that minimises the divergence for fixed H; see :func:`mix`."""
        return mix(history, items)


def mix(history: Csr, parts: Tensor) -> Tensor:
    """Return non-negative weights of users on ``parts`` that minimise the Kullback-Leibler divergence of X from W parts^T.

    A convex problem for each user: multiplicative updates w <- w * (parts^T (x / (parts w))) / sum of parts climb from
    the uniform start to its optimum. No tensor of interactions by parts is stored.

    Args:
        history: X, binary ``(b, n_items)``.
        parts: Non-negative ``(n_items, K)``.

    Returns:
        ``(b, K)``; zero where the history is empty.
    """
    pattern = history_pattern(history, parts)
    total = parts.sum(0).clamp(min=_TINY)
    size = history.counts().to(parts.dtype).unsqueeze(1)
    w = (size / parts.shape[1]).expand(-1, parts.shape[1]) / total
    for _ in range(_UPDATES):
        ratio = edge_dots(pattern, w, parts).clamp_(min=_TINY).reciprocal_()
        pull = product(with_values(pattern, ratio), parts)
        w = w * pull / total
    return w

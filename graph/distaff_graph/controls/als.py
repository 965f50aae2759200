"""Weighted matrix factorisation by alternating least squares (Hu, Koren and Volinsky, ICDM 2008), through ``implicit``."""

from __future__ import annotations

import warnings
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from distaff.model.config import Choices, ModelConfig, Span
from distaff.recommenders.base import Session
from distaff_data.datasets.csr import Csr
from distaff_data.datasets.interactions import Interactions
from distaff_data.errors import InputError
from distaff_graph.controls.inner_products import InnerProducts
from distaff_graph.sparse import edge_dots, history_pattern, product, with_values

# Far more than conjugate gradients need; reached only where rounding keeps the residual up.
_MAX_STEPS = 1000


class ALSConfig(ModelConfig):
    """Settings of ALS.

    Attributes:
        embedding_dim: Numbers a user and an item.
        reg: Weight of the squared norms.
        confidence: Weight of an interaction, where the absence of one weighs 1.
        n_iterations: Alternations.
    """

    embedding_dim: Annotated[int, Field(ge=1), Choices(32, 64, 128, 256)] = 128
    reg: Annotated[float, Field(gt=0), Span(1e-3, 1e2, log=True)] = 1.0
    confidence: Annotated[float, Field(ge=1), Span(1, 100, log=True)] = 20.0
    n_iterations: Annotated[int, Field(ge=1)] = 15


class ALS(InnerProducts):
    """Minimises sum c_ui (x_ui - u . i)^2 + reg (|U|^2 + |I|^2), with c = ``confidence`` where x = 1 and 1 elsewhere.

    ``implicit`` takes a few steps of conjugate gradients an alternation; at the end users are solved for exactly, which
    is what folding in does too. It has no intents: its columns are defined only up to a linear map.

    Raises:
        InputError: ``implicit`` is not installed.
    """

    name: ClassVar[str] = "als"
    Config: ClassVar[type[ModelConfig]] = ALSConfig
    config: ALSConfig
    columns_are_intents: ClassVar[bool] = False

    def item_vectors(self, data: Interactions, session: Session) -> Tensor:
        """Return the items' table, ``(n_items, embedding_dim)``."""
        try:
            from implicit.cpu.als import AlternatingLeastSquares
        except ImportError as error:
            raise InputError('als needs the package implicit: pip install "distaff[als]"') from error
        from threadpoolctl import threadpool_limits

        c = self.config
        # It has threads of its own, and many small products inside each: BLAS threads below them only get in the way.
        with threadpool_limits(1, "blas"), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*BLAS.*", category=RuntimeWarning)
            fit = AlternatingLeastSquares(
                c.embedding_dim,
                regularization=c.reg,
                alpha=c.confidence,
                iterations=c.n_iterations,
                random_state=session.seed,
            )
            fit.fit(data.train.scipy(), show_progress=False)
        return torch.from_numpy(fit.item_factors)

    def project(self, history: Csr, items: Tensor) -> Tensor:
        """Return users' solutions of the normal equations."""
        return solve_users(history, items, self.config.reg, self.config.confidence)


def solve_users(history: Csr, items: Tensor, reg: float, confidence: float, parts: Tensor | None = None) -> Tensor:
    """Return u of (I^T I + (c - 1) sum_{i in history} i i^T + reg) u = c sum_{i in history} i for every user.

    Conjugate gradients for all users at once, in float64 to a relative residual of 1e-8: the K x K matrix of each user
    is only applied, never stored.

    Args:
        history: ``(b, n_items)``.
        items: I, ``(n_items, K)``.
        reg: Weight of the squared norm.
        confidence: c.
        parts: The share of each interaction on the right-hand side, ``(nnz,)``; all of it when None. The solution is linear
            in it.

    Returns:
        float32 ``(b, K)``.
    """
    table = items.double()
    pattern = history_pattern(history, table)
    gram = regularised_gram(items, reg)

    def apply(v: Tensor) -> Tensor:
        on_history = (confidence - 1.0) * edge_dots(pattern, v, table)
        return v @ gram + product(with_values(pattern, on_history), table)

    counted = pattern if parts is None else with_values(pattern, parts.double())
    residual = confidence * product(counted, table)
    u = torch.zeros_like(residual)
    direction = residual
    size = residual.square().sum(1, keepdim=True)
    enough = 1e-16 * size
    for _ in range(_MAX_STEPS):
        if not bool((size > enough).any()):
            break
        applied = apply(direction)
        step = _ratio(size, (direction * applied).sum(1, keepdim=True))
        u = u + step * direction
        residual = residual - step * applied
        size, before = residual.square().sum(1, keepdim=True), size
        direction = residual + _ratio(size, before) * direction
    return u.float()


def regularised_gram(items: Tensor, reg: float) -> Tensor:
    """Return I^T I + reg, float64 ``(K, K)``, of items' vectors ``(n_items, K)``."""
    table = items.double()
    return table.T @ table + reg * torch.eye(table.shape[1], dtype=torch.float64)


def solve_components(taken: Tensor, gram: Tensor, confidence: float, shares: Tensor) -> Tensor:
    """Return what :func:`solve_users` gives one user for several ``parts``, solved at once by the user's K x K matrix.

    Args:
        taken: The items' vectors of the user's history, ``(n, K)``.
        gram: I^T I + reg, float64 ``(K, K)``, from :func:`regularised_gram`.
        confidence: c.
        shares: Parts of each interaction, ``(m, n)``.

    Returns:
        float32 ``(m, K)``.
    """
    history = taken.double()
    matrix = gram + (confidence - 1.0) * history.T @ history
    pull = confidence * shares.double() @ history
    solution: Tensor = torch.linalg.solve(matrix, pull.T)
    return solution.T.float()


def _ratio(a: Tensor, b: Tensor) -> Tensor:
    """Return the quotient, and 0 where ``b`` is 0: a user who is solved exactly stays where they are."""
    return torch.where(b > 0, a / b, 0.0)

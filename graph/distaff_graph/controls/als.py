"""Weighted matrix factorisation by alternating least squares (Hu, Koren and Volinsky, ICDM 2008), every solve exact."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from distaff.model.base import Session
from distaff.model.config import Choices, ModelConfig, Span
from distaff_data.datasets.csr import Csr
from distaff_data.datasets.interactions import Interactions
from distaff_graph.controls.inner_products import InnerProducts
from distaff_graph.controls.linear import LinearRecommender

_ENTRIES = 4_000_000  # numbers of the histories that are solved at a time, padded to the longest


class ALSConfig(ModelConfig):
    """Settings of ALS.

    Attributes:
        embedding_dim: Numbers a user and an item.
        reg: Weight of the squared norms.
        confidence: Weight of an interaction, where the absence of one weighs 1.
        n_iterations: Alternations.

    Penalty and confidence are near the best of eight configurations in `benchmarks/defaults.py`, which has how they do.
    """

    embedding_dim: Annotated[int, Field(ge=1), Choices(32, 64, 128, 256, 512)] = 128
    reg: Annotated[float, Field(gt=0), Span(1e-3, 1e2, log=True)] = 30.0
    confidence: Annotated[float, Field(ge=1), Span(1, 100, log=True)] = 5.0
    n_iterations: Annotated[int, Field(ge=1)] = 15


class ALS(InnerProducts, LinearRecommender):
    """Minimises sum c_ui (x_ui - u . i)^2 + reg (|U|^2 + |I|^2), with c = ``confidence`` where x = 1 and 1 elsewhere.

    It has no intents: its columns are defined only up to a linear map.
    """

    name: ClassVar[str] = "als"
    Config: ClassVar[type[ModelConfig]] = ALSConfig
    config: ALSConfig
    columns_are_intents: ClassVar[bool] = False
    _solver: Solver | None = None

    def item_vectors(self, data: Interactions, session: Session) -> Tensor:
        """Return the items' table, ``(n_items, embedding_dim)``."""
        c = self.config
        self._solver = None
        by_item = data.train.transpose()
        items = 0.1 * torch.randn(data.n_items, c.embedding_dim, generator=session.generator())
        for _ in range(c.n_iterations):
            users = Solver(items, c.reg, c.confidence, torch.float32).solve(data.train)
            items = Solver(users, c.reg, c.confidence, torch.float32).solve(by_item)
        return items

    def project(self, history: Csr, items: Tensor) -> Tensor:
        """Return users' solutions of the normal equations."""
        return solve_users(history, items, self.config.reg, self.config.confidence)

    def weigh(self, history: Csr, shares: Tensor | None = None) -> Tensor:
        """Return inner products of solutions, each interaction on the right-hand side at its share."""
        if self._solver is None:
            self._solver = Solver(self._items, self.config.reg, self.config.confidence)
        return self._solver.solve(history, shares) @ self._items.T

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore both tables."""
        super().load_state(tensors)
        self._solver = None


def solve_users(history: Csr, items: Tensor, reg: float, confidence: float, shares: Tensor | None = None) -> Tensor:
    """Return u of (I^T I + (c - 1) sum_{i in history} i i^T + reg) u = c sum_{i in history} i for every user.

    Args:
        history: ``(b, n_items)``.
        items: I, ``(n_items, d)``.
        reg: Weight of the squared norm.
        confidence: c.
        shares: The share of each interaction on the right-hand side, ``(nnz,)``; all of it when None. The solution is linear
            in it.

    Returns:
        float32 ``(b, d)``.
    """
    return Solver(items, reg, confidence).solve(history, shares)


class Solver:
    """Exact solutions for users, given items, at a cost in proportion to the shorter of history and vector.

    With I^T I + reg = L L^T and Z = I L^-T, a user's system becomes (1 + (c - 1) Z_u^T Z_u) v = c Z_u^T s with u = L^-T v;
    by Woodbury's identity v = Z_u^T (1 + (c - 1) Z_u Z_u^T)^-1 c s, a system as large as the history. Since Z^T Z is at most
    1, eigenvalues of both lie between 1 and c: single precision is enough.

    Args:
        items: I, ``(n_items, d)``.
        reg: Weight of the squared norm, above 0.
        confidence: c.
        dtype: Precision of users' systems.
    """

    def __init__(self, items: Tensor, reg: float, confidence: float, dtype: torch.dtype = torch.float64) -> None:
        table = items.double()
        identity = torch.eye(table.shape[1], dtype=torch.float64)
        self._lower = torch.linalg.cholesky(table.T @ table + reg * identity)
        whitened = torch.linalg.solve_triangular(self._lower, table.T, upper=False).T
        # The last row is empty: what histories are padded with.
        self._table = torch.cat([whitened, whitened.new_zeros(1, whitened.shape[1])]).to(dtype)
        self._confidence = confidence

    def solve(self, history: Csr, shares: Tensor | None = None) -> Tensor:
        """Return users' vectors, float32 ``(b, d)``; see :func:`solve_users`."""
        dim = self._table.shape[1]
        vectors = torch.zeros(history.n_rows, dim, dtype=torch.float64)
        for rows in _alike(history.counts(), dim):
            block = history.take(rows)
            weights = None if shares is None else _taken(history, shares, rows)
            vectors[rows] = self._solve(block, weights).double()
        solution: Tensor = torch.linalg.solve_triangular(self._lower.T, vectors.T, upper=True)
        return solution.T.float().contiguous()

    def _solve(self, history: Csr, shares: Tensor | None) -> Tensor:
        """Return v of histories of like lengths, none of them empty."""
        table, counts, c = self._table, history.counts(), self._confidence
        longest = int(counts.max())
        row = history.row_index()
        place = torch.arange(history.nnz) - history.indptr[row]
        items = torch.full((history.n_rows, longest), len(table) - 1)
        items[row, place] = history.indices.long()
        pull = table.new_zeros(history.n_rows, longest, 1)
        pull[row, place, 0] = c if shares is None else c * shares.to(table.dtype)
        vectors = table[items]  # (b, longest, d)
        if longest <= table.shape[1]:
            dual = _solved((vectors @ vectors.mT).mul_(c - 1.0), pull)
            return (vectors.mT @ dual).squeeze(2)
        return _solved((vectors.mT @ vectors).mul_(c - 1.0), vectors.mT @ pull).squeeze(2)


def _solved(matrix: Tensor, right: Tensor) -> Tensor:
    """Return the solutions of (1 + matrix) v = right, positive definite and written over, ``(b, n, n)``."""
    matrix.diagonal(dim1=1, dim2=2).add_(1.0)
    return torch.cholesky_solve(right, torch.linalg.cholesky(matrix))


def _alike(counts: Tensor, dim: int) -> Iterator[Tensor]:
    """Yield the rows that are not empty, those of like counts together and few enough to be solved at a time."""
    order = torch.argsort(counts, stable=True)
    order = order[counts[order] > 0]
    lengths = counts[order].tolist()
    stop = len(lengths)
    while stop:
        longest = lengths[stop - 1]
        start = max(0, stop - max(1, _ENTRIES // (longest * max(dim, longest))))
        while lengths[start] < 3 * longest // 4:  # little padding, of which the cost is the square
            start += 1
        yield order[start:stop]
        stop = start


def _taken(history: Csr, values: Tensor, rows: Tensor) -> Tensor:
    """Return the values ``(nnz,)`` of some rows' entries, in the order of ``history.take(rows)``."""
    places = [
        torch.arange(start, stop)
        for start, stop in zip(*(history.indptr[rows + i].tolist() for i in (0, 1)), strict=True)
    ]
    return values[torch.cat(places)]

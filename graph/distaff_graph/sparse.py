"""Sparse products on the bipartite graph of users and items, each with a backward of its own.

Node tables hold users first, then items: ``(n_users + n_items, d)``. The adjacency is symmetric, so one CSR matrix
serves forward and backward; a weight belongs to an undirected edge, so it is computed once and copied to the
other direction by a stored permutation. No tensor of shape (edges, d) is ever made.

Chosen by measurement (Gowalla: 70,839 nodes, 1.62 million entries, 2 cores, milliseconds at d = 32 and 64, best of
25): CSR product as ``embedding_bag`` with weights, which prefetches, 2.5 and 7.2; torch's CSR product over int32
indices 4.9 and 11.9; compiled row loops of our own (numba) about as ``embedding_bag``, so not worth a dependency; COO
30, gather and ``index_add`` 200. One dot product an edge by ``sampled_addmm`` 2.6 and 3.9; by gathers in chunks 13
and 25. Autograd from a CSR product to its own values builds a dense gradient, and to the dense operand transposes
each time: hence the Functions here.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from distaff_data.datasets.csr import Csr


def csr_tensor(indptr: Tensor, indices: Tensor, values: Tensor, n_cols: int) -> Tensor:
    """Return a torch CSR matrix over int32 indices, ``(len(indptr) - 1, n_cols)``, without checks or the beta warning."""
    shape = (indptr.numel() - 1, n_cols)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse")
        return torch.sparse_csr_tensor(indptr, indices, values, shape, check_invariants=False)


def with_values(pattern: Tensor, values: Tensor) -> Tensor:
    """Return the CSR matrix with other values ``(nnz,)`` at the same places."""
    return csr_tensor(pattern.crow_indices(), pattern.col_indices(), values, pattern.shape[1])


def product(matrix: Tensor, x: Tensor) -> Tensor:
    """Return the product ``matrix @ x`` of a CSR matrix ``(n, m)`` and ``(m, d)`` in fresh memory, unknown to autograd."""
    x = x.detach()
    if x.device.type != "cpu":
        return torch.mm(matrix, x)
    if not x.numel():  # the kernel reads past the end of rows without columns
        return x.new_zeros(matrix.shape[0], x.shape[1])
    indptr, indices, values = matrix.crow_indices(), matrix.col_indices(), matrix.values()
    # mode 0 sums; the last flag says that the offsets end with the number of entries, as CSR's do.
    y: Tensor = torch.embedding_bag(x, indices, indptr, False, 0, False, values, True)[0]
    return y


def edge_dots(pattern: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """Return left[i] . right[j] for each entry (i, j) of ``pattern``: a sampled dense-dense product.

    Args:
        pattern: CSR ``(n, m)`` of finite values, which do not matter.
        left: ``(n, d)``.
        right: ``(m, d)``.

    Returns:
        One value an entry, in the pattern's order.
    """
    dots: Tensor = torch.sparse.sampled_addmm(pattern, left, right.T, beta=0.0)
    return dots.values()


def row_shares(sums: Tensor) -> Tensor:
    """Return 1 / sums, and 0 where a row has nothing to share out."""
    return torch.where(sums > 0, 1.0 / sums, 0.0)


def history_pattern(history: Csr, like: Tensor) -> Tensor:
    """Return new users' items as CSR of ones ``(b, n_items)``, on the device and in the dtype of ``like``."""
    ones = torch.ones(history.nnz, dtype=like.dtype, device=like.device)
    return csr_tensor(history.indptr.int().to(like.device), history.indices.to(like.device), ones, history.n_cols)


def history_sums(history: Csr, table: Tensor) -> Tensor:
    """Return n^-1/2 times the sum of a new user's n items' rows of ``table`` ``(n_items, d)``; zero for an empty history.

    With rows scaled by D^-1/2 this is what symmetric normalisation gives a node with these n edges.
    """
    counts = history.counts().clamp(min=1).to(device=table.device, dtype=table.dtype)
    return product(history_pattern(history, table), table) * counts.rsqrt().unsqueeze(1)


@dataclass(frozen=True)
class Bipartite:
    """The training graph.

    Attributes:
        pattern: R as CSR of ones ``(n_users, n_items)``, one entry an undirected edge.
        indptr, indices: The adjacency [[0, R], [R^T, 0]] in CSR, int32.
        order: Position in R's entries of each entry of R^T, int64 ``(|R|,)``.
        degrees: Edges of each node, float ``(n_users + n_items,)``.
    """

    pattern: Tensor
    indptr: Tensor
    indices: Tensor
    order: Tensor
    degrees: Tensor

    @classmethod
    def build(cls, train: Csr, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32) -> Bipartite:
        """Return the graph of a binary matrix ``(n_users, n_items)``, whose columns ascend within a row."""
        n_users, n_items = train.n_rows, train.n_cols
        # A stable sort by item keeps users ascending: the entries of R^T in CSR order.
        order = torch.argsort(train.indices, stable=True)
        item_degrees = torch.bincount(train.indices, minlength=n_items)
        degrees = torch.cat([train.counts(), item_degrees])
        indptr = torch.cat([train.indptr, train.nnz + item_degrees.cumsum(0)])
        indices = torch.cat([train.indices + n_users, train.row_index()[order].int()]).int()
        pattern = csr_tensor(
            train.indptr.int().to(device),
            train.indices.to(device),
            torch.ones(train.nnz, dtype=dtype, device=device),
            n_items,
        )
        return cls(
            pattern,
            indptr.int().to(device),
            indices.to(device),
            order.to(device),
            degrees.to(device=device, dtype=dtype),
        )

    @property
    def n_users(self) -> int:
        """The number of users."""
        return self.pattern.shape[0]

    @property
    def n_nodes(self) -> int:
        """The number of users and items."""
        return self.degrees.numel()

    @property
    def n_edges(self) -> int:
        """The number of undirected edges |R|."""
        return self.order.numel()

    def scaling(self) -> Tensor:
        """Return D^-1/2 of each node, 0 where it has no edge, ``(n_nodes,)``."""
        return torch.where(self.degrees > 0, self.degrees.clamp(min=1).rsqrt(), 0.0)

    def normalised_edges(self) -> Tensor:
        """Return the value of each edge in D^-1/2 A D^-1/2, ``(|R|,)``."""
        scale = self.scaling().unsqueeze(1)
        return edge_dots(self.pattern, scale[: self.n_users], scale[self.n_users :])

    def matrix(self, there: Tensor, back: Tensor | None = None) -> Tensor:
        """Return the adjacency with a value for each edge, CSR ``(n_nodes, n_nodes)``.

        Args:
            there: Values of the entries (user, item), in the order of R, ``(|R|,)``.
            back: Values of the entries (item, user), in the order of R too; ``there`` when None, which makes it
                symmetric.
        """
        back = there if back is None else back
        return csr_tensor(self.indptr, self.indices, torch.cat([there, back[self.order]]), self.n_nodes)

    def dots(self, left: Tensor, right: Tensor) -> Tensor:
        """Return left[user] . right[item] for each edge, from node tables ``(n_nodes, d)``; ``(|R|,)``."""
        return edge_dots(self.pattern, left[: self.n_users], right[self.n_users :])


def propagate(matrix: Tensor, x: Tensor, transposed: Tensor | None = None) -> Tensor:
    """Return the product ``matrix @ x`` with a gradient to ``x`` only.

    Args:
        matrix: CSR ``(n, n)``.
        x: ``(n, d)``.
        transposed: Its transpose in CSR; None when it is symmetric.
    """
    back = matrix if transposed is None else transposed
    y: Tensor = _Propagate.apply(matrix, back, x)  # type: ignore[no-untyped-call]
    return y


def polynomial(matrix: Tensor, x: Tensor, n_layers: int, transposed: Tensor | None = None) -> Tensor:
    """Return the sum ``x + matrix x + ... + matrix^n_layers x`` with a gradient to ``x`` only.

    Arguments as for :func:`propagate`. In Horner's form, so that forward and backward are ``n_layers`` fused
    product-and-adds each and no layer is kept.
    """
    back = matrix if transposed is None else transposed
    y: Tensor = _Polynomial.apply(matrix, back, x, n_layers)  # type: ignore[no-untyped-call]
    return y


@dataclass(frozen=True)
class SparseRows:
    """Some rows of a symmetric sparse matrix.

    Attributes:
        nodes: Which, distinct and ascending, int64 ``(b,)``.
        matrix: Those rows, CSR ``(b, n)``.
        transposed: The same as columns, CSR ``(n, b)``.
    """

    nodes: Tensor
    matrix: Tensor
    transposed: Tensor


class RowPolynomial:
    """Some rows of :func:`polynomial` for a symmetric matrix on the CPU, without computing the others; exact.

    The last product is needed at those rows only, and the gradient that comes in is zero at all others, so the first
    product of the backward needs those columns only: two of the 2 ``n_layers`` products shrink to the rows' own edges.
    """

    def __init__(self, matrix: Tensor, n_layers: int) -> None:
        from scipy.sparse import csr_matrix

        self._matrix, self._n_layers = matrix, n_layers
        parts = (matrix.values().numpy(), matrix.col_indices().numpy(), matrix.crow_indices().numpy())
        self._scipy = csr_matrix(parts, shape=tuple(matrix.shape))

    def take(self, nodes: Tensor) -> SparseRows:
        """Cut out the rows of ``nodes``, distinct and ascending: counting sorts in C, about a millisecond."""
        rows = self._scipy[nodes.numpy()]
        columns = rows.tocsc()
        return SparseRows(nodes, _from_scipy(rows, rows.shape[1]), _from_scipy(columns, rows.shape[0]))

    def __call__(self, x: Tensor, rows: SparseRows) -> Tensor:
        """Return ``polynomial(matrix, x, n_layers)[rows.nodes]``, ``(b, d)``, with a gradient to ``x``."""
        y: Tensor = _RowPolynomial.apply(self, x, rows)  # type: ignore[no-untyped-call]
        return y

    def forward(self, x: Tensor, rows: SparseRows) -> Tensor:
        """Return the rows from ``x``, in Horner's form."""
        picked = x.index_select(0, rows.nodes)
        if self._n_layers == 0:
            return picked
        return product(rows.matrix, _horner(self._matrix, x, self._n_layers - 1)).add_(picked)

    def backward(self, g: Tensor, rows: SparseRows) -> Tensor:
        """Return the gradient ``(n, d)`` from that of the rows."""
        if self._n_layers == 0:
            return g.new_zeros(self._matrix.shape[0], g.shape[1]).index_copy_(0, rows.nodes, g)
        y = product(rows.transposed, g).index_add_(0, rows.nodes, g)
        for _ in range(self._n_layers - 1):
            y = product(self._matrix, y).index_add_(0, rows.nodes, g)
        return y


def masked_mean(graph: Bipartite, q: Tensor, x: Tensor) -> Tensor:
    """Return the mean of neighbours' ``x`` weighted by how alike the two ends of an edge are (DCCF equations 10-12).

    With alpha_ij = (q_i . q_j + 1) / 2 on the edges: row i is sum_j alpha_ij x_j / sum_j alpha_ij. Gradients flow to
    ``q``, through both the weights and the normaliser, and to ``x``.

    Args:
        graph: The edges.
        q: Rows normalised, ``(n_nodes, d)``.
        x: ``(n_nodes, d)``.

    Returns:
        ``(n_nodes, d)``; zero where a node has no edge.
    """
    h: Tensor = _MaskedMean.apply(graph, q, x)  # type: ignore[no-untyped-call]
    return h


class _Propagate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, matrix: Tensor, transposed: Tensor, x: Tensor) -> Tensor:
        ctx.transposed = transposed
        return product(matrix, x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        return None, None, product(ctx.transposed, grads[0].contiguous())


class _Polynomial(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, matrix: Tensor, transposed: Tensor, x: Tensor, n_layers: int) -> Tensor:
        ctx.transposed, ctx.n_layers = transposed, n_layers
        return _horner(matrix, x, n_layers)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        return None, None, _horner(ctx.transposed, grads[0].contiguous(), ctx.n_layers), None


class _RowPolynomial(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, owner: RowPolynomial, x: Tensor, rows: SparseRows) -> Tensor:
        ctx.owner, ctx.rows = owner, rows
        return owner.forward(x, rows)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        return None, ctx.owner.backward(grads[0].contiguous(), ctx.rows), None


class _MaskedMean(torch.autograd.Function):
    """One dot product an undirected edge forward, and one of twice the width backward.

    With the symmetric matrix of alpha called M and its row sums s: h = (M x) / s. Backward, with u = g / s and
    v = -(g . h) / s: dx = M u, d alpha_ij = u_i . x_j + u_j . x_i + v_i + v_j, and dq = M' q / 2 where M' is the
    symmetric matrix of d alpha.
    """

    @staticmethod
    def forward(ctx: Any, graph: Bipartite, q: Tensor, x: Tensor) -> Tensor:
        alpha = graph.dots(q, q).add_(1.0).mul_(0.5)
        matrix = graph.matrix(alpha)
        inverse = row_shares(product(matrix, x.new_ones(graph.n_nodes, 1)))
        h = product(matrix, x).mul_(inverse)
        ctx.graph = graph
        ctx.save_for_backward(q, x, h, inverse, alpha)
        return h

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        graph: Bipartite = ctx.graph
        q, x, h, inverse, alpha = ctx.saved_tensors
        u = grads[0] * inverse
        v = -(u * h).sum(1, keepdim=True)
        one = torch.ones_like(v)
        of_alpha = graph.dots(torch.cat([u, x, v, one], 1), torch.cat([x, u, one, v], 1))
        return None, product(graph.matrix(of_alpha), q).mul_(0.5), product(graph.matrix(alpha), u)


def _horner(matrix: Tensor, x: Tensor, n_layers: int) -> Tensor:
    y = x
    for _ in range(n_layers):
        y = product(matrix, y).add_(x)
    return y


def _from_scipy(matrix: Any, n_cols: int) -> Tensor:
    """Return CSR from the three arrays of a scipy CSR matrix, or of a CSC one read as its transpose."""
    return csr_tensor(
        torch.from_numpy(matrix.indptr), torch.from_numpy(matrix.indices), torch.from_numpy(matrix.data), n_cols
    )

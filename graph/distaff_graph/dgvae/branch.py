"""A branch of the network: items or words held by factors, users encoded factor by factor, and their decoding."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from distaff_data.datasets.content import Weighted
from distaff_graph.sparse import csr_tensor, propagate


@dataclass(frozen=True)
class ItemGraph:
    """A frozen directed graph A of items: ``matrix`` is A^T and ``transposed`` A, CSR ``(n_items, n_items)``."""

    matrix: Tensor
    transposed: Tensor

    @classmethod
    def build(cls, graph: Weighted, device: torch.device | str) -> ItemGraph:
        """Return the graph of A."""
        back = Weighted.from_scipy(graph.scipy().T)
        return cls(*(_csr(matrix.to(device)) for matrix in (back, graph)))

    def two_hops(self, x: Tensor) -> Tensor:
        """Return (x A A + x) / 2 for columns of users: ``(n_items, n)`` to the same."""
        once = propagate(self.matrix, x, self.transposed)
        return (propagate(self.matrix, once, self.transposed) + x) / 2


class Branch(nn.Module):
    """Variational branch over M columns of users' rows, items or words, with K factors.

    Args:
        n_columns: M.
        dim: d of vectors, prototypes and codes.
        n_factors: K.
        generator: Draws the start values: Xavier normal, biases normal with deviation 0.01.
        temperature: Temperature of memberships.
        decoder_temperature: Temperature of the decoder.
        std: Deviation of the code's noise.
        dropout: Share of the encoder's input that is left out in training.
        n_hidden: Width of a tanh layer in front of the encoder's last; 0 for none.
        spherical: Codes and vectors of length 1, as MacridVAE has them; otherwise Multi-VAE's Gaussian code, tanh layer and
            bias in the decoder.
    """

    def __init__(
        self,
        n_columns: int,
        dim: int,
        n_factors: int,
        generator: torch.Generator,
        *,
        temperature: float,
        decoder_temperature: float,
        std: float,
        dropout: float,
        n_hidden: int = 0,
        spherical: bool = True,
    ) -> None:
        super().__init__()

        def table(n_rows: int, n_cols: int) -> nn.Parameter:
            return nn.Parameter(nn.init.xavier_normal_(torch.empty(n_rows, n_cols), generator=generator))

        def bias(size: int) -> nn.Parameter:
            return nn.Parameter(torch.empty(size).normal_(0, 0.01, generator=generator))

        inner = n_hidden or 2 * dim
        self.temperature, self.decoder_temperature = temperature, decoder_temperature
        self.std, self.dropout, self.spherical = std, dropout, spherical
        self.weight, self.bias = table(n_columns, inner), bias(inner)
        self.last = nn.ParameterList([table(n_hidden, 2 * dim), bias(2 * dim)] if n_hidden else [])
        widen = not spherical and n_hidden
        self.vectors = table(n_columns, n_hidden if widen else dim)
        self.widen = nn.ParameterList([table(dim, n_hidden), bias(n_hidden)] if widen else [])
        self.prototypes = table(n_factors, dim) if spherical else None
        self.shift = None if spherical else bias(n_columns)

    @property
    def n_factors(self) -> int:
        """K; 1 without factors."""
        return 1 if self.prototypes is None else len(self.prototypes)

    def decoded(self) -> Tensor:
        """Return the vectors as the decoder reads them, ``(M, d)``."""
        return F.normalize(self.vectors) if self.spherical else self.vectors

    def log_memberships(self, *, sample: bool = False) -> Tensor:
        """Return log c, ``(M, K)``: softmax over factors of v . p / temperature, Gumbel-perturbed when sampled.

        Without factors it is the decoder's bias, ``(M, 1)``.
        """
        if self.prototypes is None:
            assert self.shift is not None
            return self.shift.unsqueeze(1)
        logits = self.decoded() @ F.normalize(self.prototypes).T / self.temperature
        if sample:
            logits = logits - torch.empty_like(logits).exponential_().log()
        return logits.log_softmax(1)

    def inputs(self, x: Weighted, memberships: Tensor | None) -> Tensor:
        """Return x c_k with rows of length 1, at x's entries, ``(K, nnz)``; plain x where there are no factors."""
        rows = x.pattern.row_index()
        values = x.values.unsqueeze(0)
        if memberships is not None:
            values = values * memberships.index_select(0, x.pattern.indices).T
        squares = values.new_zeros(len(values), x.pattern.n_rows).index_add(1, rows, values.square())
        # Where a row is empty, nothing is divided.
        return values / squares.clamp(min=1e-24).sqrt().index_select(1, rows)

    def first_layer(self, x: Weighted, values: Tensor, graph: ItemGraph | None, n_factors: int) -> Tensor:
        """Return the first product of the encoder for each factor, ``(b, K, inner)``, with dropout in training.

        Without a graph only entries of x are read; with one, the users of a batch are spread over it as columns.
        """
        b = x.pattern.n_rows
        if graph is None:
            values = self._drop(values)
            step = torch.arange(n_factors, device=values.device) * x.pattern.nnz
            offsets = (step.unsqueeze(1) + x.pattern.indptr[:-1]).flatten()
            bags = F.embedding_bag(
                x.pattern.indices.long().repeat(n_factors),
                self.weight,
                offsets,
                mode="sum",
                per_sample_weights=values.flatten(),
            )
            return self._by_user(bags, n_factors)
        columns = torch.arange(n_factors, device=values.device).unsqueeze(1) * b + x.pattern.row_index()
        flat = x.pattern.indices.long() * (n_factors * b) + columns
        spread = values.new_zeros(x.pattern.n_cols * n_factors * b).index_put((flat.flatten(),), values.flatten())
        h = self._drop(graph.two_hops(spread.view(x.pattern.n_cols, -1)))
        return self._by_user(h.T @ self.weight, n_factors)

    def encode(self, x: Weighted, log_memberships: Tensor, graph: ItemGraph | None = None) -> tuple[Tensor, Tensor]:
        """Return mean and log variance of users' codes from x ``(b, M)``, each ``(b, K, d)``."""
        memberships = log_memberships.exp() if self.spherical else None
        h = self.first_layer(x, self.inputs(x, memberships), graph, log_memberships.shape[1])
        if len(self.last):
            h = h.tanh() @ self.last[0] + self.last[1]
        mean, log_variance = h.chunk(2, -1)
        return (F.normalize(mean, dim=-1) if self.spherical else mean), -log_variance

    def code(self, mean: Tensor, log_variance: Tensor) -> Tensor:
        """Return z: the mean, with noise in training; of length 1 where codes are."""
        if not self.training:
            return mean
        z = mean + self.std * torch.randn(mean.shape, device=mean.device) * (log_variance / 2).exp()
        return F.normalize(z, dim=-1) if self.spherical else z

    def query(self, z: Tensor) -> Tensor:
        """Return z as the decoder reads it, ``(b, K, d)``: over the temperature, or widened."""
        return (z @ self.widen[0] + self.widen[1]).tanh() if len(self.widen) else z / self.decoder_temperature

    def divergence(self, mean: Tensor, log_variance: Tensor) -> Tensor:
        """Return the KL divergence to the prior, summed over factors, mean over users; a mean of length 1 adds nothing."""
        kl = log_variance.exp() - 1 - log_variance
        if not self.spherical:
            kl = kl + mean.square()
        return kl.sum((1, 2)).mean() / 2

    def _by_user(self, h: Tensor, n_factors: int) -> Tensor:
        """Return rows by factor and user, with the bias: ``(K b, inner)`` to ``(b, K, inner)``."""
        return h.view(n_factors, -1, h.shape[1]).transpose(0, 1) + self.bias

    def _drop(self, x: Tensor) -> Tensor:
        """Return x after dropout, which draws nothing where it leaves nothing out."""
        return F.dropout(x, self.dropout) if self.training and self.dropout else x


def _csr(matrix: Weighted) -> Tensor:
    return csr_tensor(matrix.pattern.indptr.int(), matrix.pattern.indices, matrix.values, matrix.pattern.n_cols)

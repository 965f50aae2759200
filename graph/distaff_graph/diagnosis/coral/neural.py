"""The disentangled graph by CORAL's encoders and decoders (Wang et al., KDD 2023), learned batch by batch.

Each metric's rows become patches and a vector; a GRU over batches carries its history, so that old rows need not be read
again. Two variational graph encoders of two GraphSAGE layers over the last graph A' give state-invariant embeddings,
of the normal rows and of the new batch with shared weights, and state-dependent ones of the batch. Two bilinear decoders
turn them into edge probabilities, fused by the noisy or, A = A_inv + A_dep - A_inv o A_dep; signed lag weights forecast
each row on the graph. The loss is

    |X^p - VAR(A_inv)|^2 + |X^b - VAR(A)|^2                                 forecasts of both states
    + BCE(A', decoded S^p) + BCE(A', decoded S^b) + |S^p - S^b|^2 + KL      what holds in both states is the old graph
    + mean(A_dep o A') + cos(S^b, V)^2                                      what is new is not what was known
    + l |A|_1.

As in the released code, Adam takes a few steps a batch from the last weights. Departures: 60 steps, not 20, at a larger
rate, since 20 found few new edges; what counts as invariant must have been in the normal state's graph; the forecast's
weights are bounded by tanh, without which the probabilities mean nothing (a small A and a large weight forecast alike);
an edge's strength is probability times weight; within-row edges, and so acyclicity, are left out, since lagged edges
cannot close a loop.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from distaff_data.arrays import Bools, Floats
from distaff_graph.diagnosis.coral.graph import Graph, Knowledge

_PATCH = 8
_WINDOW = 256  # rows of either state that a step looks at
_FIRST_STEPS = 200  # of the normal state, from random weights
_EDGE = 0.1  # least strength of an edge
_PRIOR = -2.0  # logit of an edge before anything is known


class _Views(NamedTuple):
    """Everything the loss needs of one forward pass; ``(n, d)`` embeddings and ``(n, n)`` probabilities."""

    old: Tensor
    new: Tensor
    specific: Tensor
    invariant: Tensor
    dependent: Tensor
    decoded: tuple[Tensor, Tensor]
    divergence: Tensor


class _GraphEncoder(nn.Module):
    """Two GraphSAGE layers with mean aggregation over causes; the second gives a mean and a log variance."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.first = nn.Linear(2 * dim, dim)
        self.second = nn.Linear(2 * dim, 2 * dim)

    def forward(self, graph: Tensor, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Return embeddings ``(n, d)`` and their divergence from a standard normal, for features ``(n, d)``."""
        mix = graph.T / graph.sum(0).clamp_min(1.0)[:, None]
        hidden = F.gelu(self.first(torch.cat([x, mix @ x], 1)))
        mean, log_var = self.second(torch.cat([hidden, mix @ hidden], 1)).chunk(2, 1)
        log_var = log_var.clamp(-8, 4)
        divergence = 0.5 * (mean**2 + log_var.exp() - 1 - log_var).mean()
        return mean + noise * (0.5 * log_var).exp(), divergence


class CORALNetwork(nn.Module):
    """The encoders, decoders and lag weights of n metrics."""

    def __init__(self, n_metrics: int, n_lags: int, dim: int) -> None:
        super().__init__()
        self.patch = nn.Linear(_PATCH, dim)
        self.memory = nn.GRUCell(dim, dim)
        self.invariant, self.dependent = _GraphEncoder(dim), _GraphEncoder(dim)
        self.link = nn.Parameter(torch.randn(2, dim, dim) / dim)
        # Which metric it is: rows alone cannot tell two metrics that look alike.
        self.place = nn.Parameter(torch.randn(n_metrics, dim))
        self.lagged = nn.Parameter(0.1 * torch.randn(n_lags, n_metrics, n_metrics))
        self.itself = nn.Parameter(torch.zeros(n_lags, n_metrics))
        self.level = nn.Parameter(torch.full((2, n_metrics, n_metrics), _PRIOR))

    def features(self, rows: Tensor) -> Tensor:
        """Return a vector ``(n, d)`` of each metric's rows ``(T, n)``: its patches, averaged."""
        padded = F.pad(rows.T, (-len(rows) % _PATCH, 0))
        return F.gelu(self.patch(padded.unflatten(1, (-1, _PATCH)))).mean(1) + self.place

    def decode(self, subgraph: int, x: Tensor) -> Tensor:
        """Return edge probabilities ``(n, n)`` from embeddings ``(n, d)``."""
        return torch.sigmoid(x @ self.link[subgraph] @ x.T + self.level[subgraph])

    def weights(self) -> Tensor:
        """Return signed lag weights ``(p, n, n)`` in (-1, 1)."""
        return torch.tanh(self.lagged)

    def forecast_error(self, graph: Tensor, rows: Tensor) -> Tensor:
        """Return the mean squared error of each row of ``(T, n)`` forecast from the rows before it."""
        n_lags = len(self.lagged)
        past = torch.stack([rows[n_lags - lag : len(rows) - lag] for lag in range(1, n_lags + 1)])
        seen = torch.einsum("ltn,lnm->tm", past, self.weights() * graph) + (past * self.itself[:, None]).sum(0)
        return F.mse_loss(seen, rows[n_lags:])


class NeuralLearner:
    """A graph learned by encoders and decoders: batches of the normal state, then, after ``switch``, of the present one.

    Args:
        knowledge: What is known of the graph over the M metrics.
        n_lags: Lags of the forecast.
        embedding_dim: d.
        steps: Optimiser steps a batch.
        rate: Adam's step size.
        sparsity: Weight of the mean edge probability, l M^2.
        seed: Seed of the weights and of the encoders' noise.
        device: A torch device.
    """

    def __init__(
        self,
        knowledge: Knowledge,
        *,
        n_lags: int = 1,
        embedding_dim: int = 16,
        steps: int = 60,
        rate: float = 0.02,
        sparsity: float = 0.01,
        seed: int = 0,
        device: str = "cpu",
    ) -> None:
        self.knowledge, self.steps, self.rate, self.sparsity = knowledge, steps, rate, sparsity
        self.n_lags, self.seed, self.device = n_lags, seed, torch.device(device)
        self.graph = Graph.empty(knowledge.n_metrics)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._network = CORALNetwork(knowledge.n_metrics, n_lags, embedding_dim).to(self.device)
        self._given = torch.tensor(knowledge.known.toarray(), dtype=torch.float32, device=self.device)
        self._allowed = torch.tensor(knowledge.allowed(), dtype=torch.float32, device=self.device)
        self._last = self._given.clone()
        self._history = torch.zeros(knowledge.n_metrics, embedding_dim, device=self.device)
        self._rows = [torch.zeros(0, knowledge.n_metrics, device=self.device)]
        self._standard: tuple[Tensor, Tensor] | None = None
        self._batches = 0

    def switch(self) -> None:
        """Treat the rows that follow as those of another state; the first of them have their lags in the last."""
        self._rows.append(self._rows[-1][-self.n_lags :])

    def update(self, rows: Floats) -> Graph:
        """Return the graph after more rows ``(n, M)`` of the state at hand."""
        batch = torch.tensor(rows, dtype=torch.float32, device=self.device)
        if self._standard is None:
            spread, mean = torch.std_mean(batch, 0, correction=0)
            self._standard = mean, torch.where(spread > 0, spread, 1.0)
        mean, spread = self._standard
        self._rows[-1] = torch.cat([self._rows[-1], (batch - mean) / spread])[-_WINDOW:]
        if len(self._rows[-1]) > self.n_lags:
            self._learn(_FIRST_STEPS if self._batches == 0 else self.steps)
        self._batches += 1
        return self.graph

    def normal_edges(self) -> Bools:
        """Return the edges of the normal state, bool ``(M, M)``."""
        edges: Bools = (self._last > 0).cpu().numpy()
        return edges

    def state(self) -> dict[str, Floats]:
        """Return weights, history, the last rows of each state and the last graph."""
        state = {f"network_{name}": value for name, value in self._network.state_dict().items()}
        state |= {f"rows_{i}": rows for i, rows in enumerate(self._rows)}
        state |= {"history": self._history, "last": self._last, "batches": torch.tensor([self._batches])}
        state |= {} if self._standard is None else dict(zip(("mean", "spread"), self._standard, strict=True))
        arrays = {name: value.detach().cpu().numpy().astype(float) for name, value in state.items()}
        return arrays | {"invariant": self.graph.invariant.toarray(), "dependent": self.graph.dependent.toarray()}

    def load_state(self, tensors: Mapping[str, Floats]) -> None:
        """Go on from what :meth:`state` gave."""
        saved = {n: torch.tensor(v, dtype=torch.float32, device=self.device) for n, v in tensors.items()}
        self._network.load_state_dict({n: saved[f"network_{n}"] for n in self._network.state_dict()})
        self._rows = [saved[f"rows_{i}"] for i in range(2) if f"rows_{i}" in saved]
        self._history, self._last, self._batches = saved["history"], saved["last"], int(saved["batches"])
        self._standard = (saved["mean"], saved["spread"]) if "mean" in saved else None
        self.graph = Graph.from_dense(tensors["invariant"], tensors["dependent"])

    def _learn(self, steps: int) -> None:
        optimiser = torch.optim.Adam(self._network.parameters(), lr=self.rate)
        noise = torch.Generator().manual_seed(1_000_003 * self.seed + self._batches)
        for _ in range(steps):
            optimiser.zero_grad(set_to_none=True)
            self._loss(self._views(noise)).backward()
            optimiser.step()
        with torch.no_grad():
            self._take_graph(self._views(None))
            self._history = self._memory()

    def _memory(self) -> Tensor:
        history: Tensor = self._network.memory(self._network.features(self._rows[-1]), self._history)
        return history

    def _views(self, noise: torch.Generator | None) -> _Views:
        """Return one pass; with the encoders' means instead of samples where ``noise`` is None."""
        net, last = self._network, self._last
        shape = (3, *self._history.shape)
        drawn = torch.zeros(shape) if noise is None else torch.randn(shape, generator=noise)
        drawn = drawn.to(self.device)
        before, now = net.features(self._rows[0]), self._memory()
        old, first = net.invariant(last, before, drawn[0])
        new, second = net.invariant(last, now, drawn[1])
        specific, third = net.dependent(last, now, drawn[2])
        invariant = self._admitted(net.decode(0, (old + new) / 2))
        dependent = self._allowed * net.decode(1, specific) * (len(self._rows) > 1)
        decoded = net.decode(0, old), net.decode(0, new)
        return _Views(old, new, specific, invariant, dependent, decoded, first + second + third)

    def _admitted(self, probabilities: Tensor) -> Tensor:
        """Return probabilities with known edges there and forbidden ones not."""
        return torch.where(self._given > 0, 1.0, probabilities * self._allowed)

    def _loss(self, v: _Views) -> Tensor:
        net = self._network
        fused = v.invariant + v.dependent - v.invariant * v.dependent
        loss = net.forecast_error(v.invariant, self._rows[0]) + 0.01 * v.divergence
        loss = loss + self.sparsity * fused.sum() / len(fused)
        if len(self._rows) == 1:
            return loss
        old = (self._last > 0).float()
        kept = sum(F.binary_cross_entropy(decoded, old) for decoded in v.decoded)
        apart = F.cosine_similarity(v.new, v.specific).square().mean()
        again = (v.dependent * old).mean()
        return loss + net.forecast_error(fused, self._rows[1]) + 0.1 * (kept + F.mse_loss(v.old, v.new) + apart) + again

    def _take_graph(self, v: _Views) -> None:
        effect = self._network.weights().abs().amax(0)
        fused = (v.invariant + v.dependent - v.invariant * v.dependent) * effect
        strength = torch.where(fused > _EDGE, fused, 0.0)
        # What holds in both states was there before; the rest came with the present one, whichever decoder says so.
        before = torch.ones_like(strength) if len(self._rows) == 1 else self._last
        invariant = torch.where(self._given > 0, 1.0, torch.where(before > 0, strength, 0.0))
        dependent = torch.where(before > 0, 0.0, strength)
        if len(self._rows) == 1:
            self._last = invariant  # the graph of the normal state, which later batches are compared with
        self.graph = Graph.from_dense(*(subgraph.cpu().numpy().astype(float) for subgraph in (invariant, dependent)))

"""Edges behind a recommendation: which interactions, of whom, carry the score of a user and an item.

The explanation is one of ``torch_geometric.explain``: a weight for every edge of the graph that the model propagates
over. By default it is by integrated gradients (Sundararajan, Taly and Yan, ICML 2017) along the way from a graph without
edges to the whole: for scores that are polynomials of the edges, as LightGCN's are, the weights sum exactly to what the
edges add to the score. Any other algorithm of the library can be given instead.

Messages are made edge by edge, ``(edges, d)`` in memory a layer: this is for graphs for which that fits.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import polars as pl
import torch
from torch import Tensor, nn
from torch_geometric.explain import Explainer, ExplainerAlgorithm, Explanation
from torch_geometric.explain.algorithm.utils import clear_masks, set_masks
from torch_geometric.explain.config import MaskType
from torch_geometric.nn import MessagePassing

from distaff_data.datasets.interactions import Interactions
from distaff_data.errors import InputError, UnsupportedError


class Explainable(Protocol):
    """A fitted recommender whose scores are inner products of what a network gives from edges."""

    @property
    def name(self) -> str:
        """Its registry name."""

    @property
    def data(self) -> Interactions:
        """The data that it was fitted to."""

    def message_passing(self) -> tuple[nn.Module, Mapping[str, Any]]:
        """Return the network and what its ``forward`` is called with, ``x`` and ``edge_index`` among it.

        It gives the vectors of users and, after them, of items, ``(n_users + n_items, d)``.

        Raises:
            UnsupportedError: The model was loaded, and its network is not kept.
        """


class IntegratedEdges(ExplainerAlgorithm):  # type: ignore[misc]
    """Integrated gradients of the model's output along edges that all grow from 0 to 1, by Gauss-Legendre quadrature.

    Args:
        n_points: At which the gradient is taken; exact for outputs that are polynomials of the edges of degree up to
            twice as many, as LightGCN's are in twice its layers.
    """

    def __init__(self, n_points: int = 8) -> None:
        super().__init__()
        self.n_points = n_points

    def supports(self) -> bool:
        """Tell whether edges, and nothing else, are to be weighed."""
        config = self.explainer_config
        return bool(config.node_mask_type is None and config.edge_mask_type == MaskType.object)

    def forward(
        self,
        model: nn.Module,
        x: Tensor,
        edge_index: Tensor,
        *,
        target: Tensor,
        index: int | Tensor | None = None,
        **kwargs: Any,
    ) -> Explanation:
        """Return what each edge adds to the sum of the outputs, as ``edge_mask``."""
        points, weights = np.polynomial.legendre.leggauss(self.n_points)
        total = x.new_zeros(edge_index.shape[1])
        for point, weight in zip((points + 1) / 2, weights / 2, strict=True):
            mask = torch.full_like(total, float(point)).requires_grad_()
            set_masks(model, mask, edge_index, apply_sigmoid=False)
            out = model(x, edge_index, **kwargs)
            out = (out if index is None else out[index]).sum()
            # Scores in which the edges play no part have no gradient to them at all.
            gradient = torch.autograd.grad(out, mask, allow_unused=True)[0] if out.requires_grad else None
            if gradient is not None:
                total += float(weight) * gradient
        clear_masks(model)
        return Explanation(edge_mask=total)


class PairScores(nn.Module):
    """The scores of pairs of users and items from a network's vectors, as a function of the edges."""

    def __init__(self, network: nn.Module, n_users: int) -> None:
        super().__init__()
        self.network, self.n_users = network, n_users

    def forward(self, x: Tensor, edge_index: Tensor, pairs: Tensor, **rest: Any) -> Tensor:
        """Return the scores ``(n,)`` of ``pairs`` ``(2, n)`` of users' and items' positions."""
        vectors = self.network(x, edge_index, **rest)
        scores: Tensor = (vectors[pairs[0]] * vectors[self.n_users + pairs[1]]).sum(1)
        return scores


def edge_explanation(
    model: Explainable, user: object, item: object, algorithm: ExplainerAlgorithm | None = None
) -> Explanation:
    """Return the library's explanation of one recommendation; ``edge_mask`` has a weight for each direction of an edge.

    Args:
        model: Fitted in this process.
        user: The user's own id.
        item: The item's own id.
        algorithm: Of ``torch_geometric.explain``, for regression of one output; :class:`IntegratedEdges` when None.

    Raises:
        InputError: An id that the data does not have.
        UnsupportedError: The model was loaded, and its network is not kept; or no layer of it is a ``MessagePassing``.
    """
    data = model.data
    positions = data.user_positions([str(user)]), data.item_positions([str(item)])
    for what, value, position in zip(("user", "item"), (user, item), positions, strict=True):
        if int(position) < 0:
            raise InputError(f"no {what} of the data has this id", column=what, value=value)
    network, inputs = model.message_passing()
    if not any(isinstance(module, MessagePassing) for module in network.modules()):
        raise UnsupportedError("no layer of this network is a MessagePassing, whose messages could be weighed")
    # A copy: the library leaves marks on the modules that it explains.
    scores = PairScores(copy.deepcopy(network).requires_grad_(False), data.n_users)
    explainer = Explainer(
        scores,
        IntegratedEdges() if algorithm is None else algorithm,
        explanation_type="model",
        edge_mask_type="object",
        model_config={"mode": "regression", "task_level": "graph", "return_type": "raw"},
    )
    x, edge_index = inputs["x"], inputs["edge_index"]
    rest = {name: value for name, value in inputs.items() if name not in ("x", "edge_index")}
    return explainer(x, edge_index, pairs=torch.stack(positions).to(x.device), **rest)


def edges_behind(
    model: Explainable, user: object, item: object, algorithm: ExplainerAlgorithm | None = None
) -> pl.DataFrame:
    """Return ``user_id, item_id, weight`` of every training interaction, the one that carries most first.

    The weight of an interaction is that of both directions of its edge; arguments as for :func:`edge_explanation`.
    """
    explanation, data = edge_explanation(model, user, item, algorithm), model.data
    ends = explanation.edge_index.cpu().long()
    ends = ends.as_tensor() if hasattr(ends, "as_tensor") else ends
    keys = ends.min(0).values * data.n_items + ends.max(0).values - data.n_users
    train = data.train
    pairs = train.row_index() * data.n_items + train.indices  # ascending
    weights = torch.zeros(train.nnz).index_add_(0, torch.searchsorted(pairs, keys), explanation.edge_mask.cpu().float())
    return pl.DataFrame(
        {
            "user_id": pl.Series(data.user_ids).gather(train.row_index().numpy()),
            "item_id": pl.Series(data.item_ids).gather(train.indices.numpy()),
            "weight": weights.numpy(),
        }
    ).sort("weight", descending=True, maintain_order=True)

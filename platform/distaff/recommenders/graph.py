"""A fitted recommender as a graph of PyTorch Geometric: its interactions, and on the nodes what it learned."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from distaff.ranking.products import Products
from distaff.recommenders.base import Recommender
from distaff_data.errors import InputError, UnsupportedError
from distaff_data.splits import SPLITS
from distaff_data.tables.interactions import load_interactions
from distaff_data.warehouse import Warehouse

if TYPE_CHECKING:
    from torch_geometric.data import HeteroData


def graph_of(model: Recommender, warehouse: Warehouse | None = None) -> HeteroData:
    """Return the graph of a fitted model.

    It is that of :meth:`Interactions.to_pyg <distaff_data.datasets.interactions.Interactions.to_pyg>`, where users and
    items have the model's vectors as ``x``, if its scores are inner products, and their shares of its factors as
    ``intents``, if it has any.

    Args:
        model: The model.
        warehouse: Where words, vectors, times and attributes of its dataset are, which a saved model does not keep; they are
            left out where the dataset has been written anew since.
    """
    graph = model.data.to_pyg()
    if warehouse is not None and model.data.generation:
        graph = _with_content(model, warehouse)
    table = model.ranker()
    if isinstance(table, Products):
        graph["user"].x, graph["item"].x = table.users.detach().cpu(), table.items.detach().cpu()
    try:
        intents = model.intents()
    except UnsupportedError:
        return graph
    graph["user"].intents, graph["item"].intents = intents.users.cpu(), intents.items.cpu()
    return graph


def _with_content(model: Recommender, warehouse: Warehouse) -> HeteroData:
    data = model.data
    try:
        stored = load_interactions(warehouse, data.name)
    except InputError:  # the dataset is gone
        return data.to_pyg()
    if stored.generation != data.generation or not stored.user_ids.equals(data.user_ids):
        return data.to_pyg()
    # Of a fit on everything the splits are gone, in whose order the times are.
    as_split = all(stored.split(name).nnz == data.split(name).nnz for name in SPLITS)
    details = stored.read_details if as_split else None
    return replace(data, read_content=stored.read_content, read_details=details).to_pyg()

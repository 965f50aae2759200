"""Interactions and dependencies as graphs of PyTorch Geometric, which is imported when one is asked for.

Interactions are a ``HeteroData``: node types ``user`` and ``item``, and a relation for each split, so that what is held out
is in no edge that messages pass along unless somebody puts it there:

- ``user`` and ``item``: ``ids``, an array of texts; ``item`` has a table for each set of feature vectors, ``vectors_NAME``.
- ``(user, takes, item)``: the training interactions, as an ``EdgeIndex`` sorted by user whose CSR and CSC are cached;
  ``(user, takes_valid, item)`` and ``(user, takes_test, item)``: those held out. ``time`` where times are known.
- ``word`` with ``ids``, and ``(item, has, word)`` with ``count``, or ``(user, has, word)`` with ``weight`` where documents
  of people came with the data.
- ``attribute`` with ``names`` and ``texts``, and ``(item, has, attribute)`` and ``(user, has, attribute)``.

Who took what is all that an interaction says: ratings and other numbers of somebody else's edges are not read. Neither are
nodes and relations that are not among these, such as ``(item, rev_takes, user)`` of ``ToUndirected``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from distaff_data.datasets.content import Content, Weighted
from distaff_data.datasets.csr import Csr
from distaff_data.datasets.division import SPLITS
from distaff_data.errors import InputError

if TYPE_CHECKING:
    from torch_geometric.data import HeteroData

USER, ITEM, WORD, ATTRIBUTE = "user", "item", "word", "attribute"
TAKES: Mapping[str, str] = {"train": "takes", "valid": "takes_valid", "test": "takes_test"}
_MASKS: Mapping[str, tuple[str, ...]] = {
    "train": ("train_mask",),
    "valid": ("valid_mask", "val_mask"),
    "test": ("test_mask",),
}
_HAS, _VECTORS = "has", "vectors_"


@dataclass(frozen=True)
class Details:
    """What is known beside who took what.

    Attributes:
        times: By split, seconds since 1970 of each interaction in the order of the split's matrix, float64 ``(nnz,)``, NaN
            where it is not known.
        attributes: Columns ``entity, id, name, value``, where ``entity`` is user or item; None without any.
    """

    times: Mapping[str, Tensor] = field(default_factory=dict)
    attributes: pa.Table | None = None


@dataclass(frozen=True)
class Parts:
    """The parts of interactions, as a graph has them."""

    user_ids: pa.StringArray
    item_ids: pa.StringArray
    splits: Mapping[str, Csr]
    content: Content | None = None
    details: Details | None = None


def interactions_graph(parts: Parts) -> HeteroData:
    """Return the graph of interactions; see the module."""
    from torch_geometric.data import HeteroData

    graph = HeteroData()
    for kind, ids in ((USER, parts.user_ids), (ITEM, parts.item_ids)):
        graph[kind].ids = _texts(ids)
        graph[kind].num_nodes = len(ids)
    details = parts.details or Details()
    for split, matrix in parts.splits.items():
        if split != "train" and not matrix.nnz:
            continue
        graph[USER, TAKES[split], ITEM].edge_index = edge_index(matrix)
        if split in details.times:
            graph[USER, TAKES[split], ITEM].time = details.times[split]
    if parts.content is not None:
        _add_content(graph, parts.content)
    if details.attributes is not None:
        _add_attributes(graph, parts, details.attributes)
    return graph


def interactions_parts(graph: HeteroData, user: str = USER, item: str = ITEM) -> Parts:
    """Return the parts of interactions from a graph of ours, or from any with one relation from users to items.

    Masks of that relation (``train_mask``, ``val_mask`` or ``valid_mask``, ``test_mask``) divide it among the splits;
    without ``train_mask``, what is in no other is training data.

    Raises:
        InputError: It is no ``HeteroData``, or has no such nodes or edges, several relations that are not ours, edges to
            nodes that it does not have, ids that are missing, doubled or not one a node, values that are not one an edge or
            a node, or an edge in two splits.
    """
    from torch_geometric.data import HeteroData

    if not isinstance(graph, HeteroData):
        raise InputError(f"interactions are a HeteroData with nodes of users and of items, not {type(graph).__name__}")
    for kind in (user, item):
        if kind not in graph.node_types:
            raise InputError(f"the graph has no nodes {kind!r}; there are {', '.join(map(str, graph.node_types))}")
    user_ids, item_ids = _ids(graph[user], user), _ids(graph[item], item)
    shape = len(user_ids), len(item_ids)
    splits, times = {}, {}
    for split, (pairs, time) in _split_edges(graph, user, item).items():
        splits[split] = _matrix(pairs, shape, f"{user} to {item}")
        if time is not None and time.numel():
            times[split] = _in_order(pairs, time, shape[1])
    attributes = _attributes(graph, {user: user_ids, item: item_ids})
    details = Details(times, attributes) if times or attributes is not None else None
    return Parts(user_ids, item_ids, splits, _content(graph, user, item, shape), details)


def edge_index(matrix: Csr) -> Any:
    """Return a matrix' entries as an ``EdgeIndex`` from rows to columns, sorted by row, its CSR and CSC cached."""
    from torch_geometric import EdgeIndex

    pairs = torch.stack([matrix.row_index(), matrix.indices.long()])
    index = EdgeIndex(pairs, sparse_size=(matrix.n_rows, matrix.n_cols), sort_order="row")
    return index.fill_cache_()


def _add_content(graph: HeteroData, content: Content) -> None:
    for name, vectors in content.features.items():
        graph[ITEM][f"{_VECTORS}{name}"] = vectors
    if not len(content.words):
        return
    graph[WORD].ids = _texts(content.words)
    graph[WORD].num_nodes = len(content.words)
    graph[ITEM, _HAS, WORD].edge_index = edge_index(content.item_words.pattern)
    graph[ITEM, _HAS, WORD].count = content.item_words.values
    if content.user_words is not None:
        graph[USER, _HAS, WORD].edge_index = edge_index(content.user_words.pattern)
        graph[USER, _HAS, WORD].weight = content.user_words.values


def _content(graph: HeteroData, user: str, item: str, shape: tuple[int, int]) -> Content | None:
    store = graph[item]
    names = [str(key) for key in store if str(key).startswith(_VECTORS)]
    features = {name[len(_VECTORS) :]: _vectors(store[name], name, shape[1]) for name in names}
    if (item, _HAS, WORD) not in graph.edge_types:
        if not features:
            return None
        nothing = Csr(torch.zeros(shape[1] + 1, dtype=torch.long), torch.empty(0, dtype=torch.int32), 0)
        return Content(pa.array([], pa.string()), Weighted.ones(nothing), features)
    words = _ids(graph[WORD], WORD)
    item_words = _weighted(graph, (item, _HAS, WORD), "count", (shape[1], len(words)))
    documents = (user, _HAS, WORD)
    user_words = (
        _weighted(graph, documents, "weight", (shape[0], len(words))) if documents in graph.edge_types else None
    )
    return Content(words, item_words, features, user_words)


def _vectors(vectors: Any, name: str, n_items: int) -> Tensor:
    """Return feature vectors, a row an item, in single precision."""
    if not isinstance(vectors, Tensor) or vectors.dim() != 2 or len(vectors) != n_items:
        raise InputError(f"{name} is a tensor with a row for each of {n_items} items", column=name)
    return vectors.detach().cpu().float()


def _add_attributes(graph: HeteroData, parts: Parts, attributes: pa.Table) -> None:
    import polars as pl

    rows = pl.DataFrame(attributes)
    distinct = rows.select("name", "value").unique().sort("name", "value").with_row_index("node")
    graph[ATTRIBUTE].names = np.array(distinct["name"].to_list(), dtype=object)
    graph[ATTRIBUTE].texts = np.array(distinct["value"].to_list(), dtype=object)
    graph[ATTRIBUTE].num_nodes = len(distinct)
    for kind, ids in ((USER, parts.user_ids), (ITEM, parts.item_ids)):
        places = pl.DataFrame({"id": pl.Series(ids)}).with_row_index("row")
        pairs = rows.filter(pl.col("entity") == kind).join(places, on="id").join(distinct, on=["name", "value"])
        if pairs.is_empty():
            continue
        row, node = (torch.from_numpy(pairs[column].to_numpy().astype(np.int64)) for column in ("row", "node"))
        graph[kind, _HAS, ATTRIBUTE].edge_index = edge_index(Csr.from_pairs(row, node, len(ids), len(distinct)))


def _attributes(graph: HeteroData, ids: Mapping[str, pa.StringArray]) -> pa.Table | None:
    """Return the table of attributes; None where the graph has none of ours."""
    if ATTRIBUTE not in graph.node_types or not {"names", "texts"} <= set(graph[ATTRIBUTE].keys()):
        return None
    names, values = (np.array(list(graph[ATTRIBUTE][key]), dtype=object) for key in ("names", "texts"))
    columns: dict[str, list[str]] = {"entity": [], "id": [], "name": [], "value": []}
    for entity, (kind, own) in zip((USER, ITEM), ids.items(), strict=True):
        if (kind, _HAS, ATTRIBUTE) not in graph.edge_types:
            continue
        pairs = _pairs(graph, (kind, _HAS, ATTRIBUTE))
        _check_ends(pairs, (len(own), min(len(names), len(values))), f"{kind} to {ATTRIBUTE}")
        row, node = (end.numpy() for end in pairs)
        columns["entity"] += [entity] * len(row)
        columns["id"] += own.take(pa.array(row)).to_pylist()
        columns["name"] += names[node].tolist()
        columns["value"] += values[node].tolist()
    return pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})


def _split_edges(graph: HeteroData, user: str, item: str) -> dict[str, tuple[Tensor, Tensor | None]]:
    """Return the pairs ``(2, n)`` and, where they are known, the times of each split."""
    relations = {name: (s, name, t) for s, name, t in graph.edge_types if (s, t) == (user, item)}
    nothing = torch.empty(2, 0, dtype=torch.long), None
    ours = {split: relations[name] for split, name in TAKES.items() if name in relations}
    if ours and len(ours) == len(relations) and not (len(ours) == 1 and _masks(graph, *ours.values())):
        return {split: _edges(graph, ours[split]) if split in ours else nothing for split in SPLITS}
    if len(relations) != 1:
        raise InputError(
            f"from {user!r} to {item!r} there are {len(relations)} relations ({', '.join(relations) or 'none'}); give one, "
            f"or {', '.join(TAKES.values())}"
        )
    (relation,) = relations.values()
    pairs, time = _edges(graph, relation)
    masks = _masks(graph, relation)
    if "train" not in masks:
        held_out = torch.stack(list(masks.values())).any(0) if masks else torch.zeros(pairs.shape[1], dtype=torch.bool)
        masks["train"] = ~held_out
    return {
        split: (pairs[:, masks[split]], None if time is None else time[masks[split]]) if split in masks else nothing
        for split in SPLITS
    }


def _masks(graph: HeteroData, relation: tuple[str, str, str]) -> dict[str, Tensor]:
    """Return the masks of a relation's edges, by split."""
    store, pairs = graph[relation], _pairs(graph, relation)
    masks = {}
    for split, names in _MASKS.items():
        for name in names:
            if name not in store:
                continue
            mask = _each(store, name, pairs.shape[1])
            if not bool(((mask == 0) | (mask == 1)).all()):
                raise InputError(f"{name} is a mask: a True or False for each edge", column=name)
            masks[split] = mask.bool()
    if masks and bool((torch.stack(list(masks.values())).sum(0) > 1).any()):
        raise InputError("the masks put an edge into more than one split")
    return masks


def _edges(graph: HeteroData, relation: tuple[str, str, str]) -> tuple[Tensor, Tensor | None]:
    pairs, store = _pairs(graph, relation), graph[relation]
    return pairs, _each(store, "time", pairs.shape[1]).double() if "time" in store else None


def _each(store: Any, name: str, n: int) -> Tensor:
    """Return a value for each of ``n`` edges, on the CPU: ``(n,)``."""
    values = store[name]
    if not isinstance(values, Tensor) or values.shape not in ((n,), (n, 1)):
        found = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
        raise InputError(f"{name} is a tensor with a value for each edge, ({n},), not {found}", column=name)
    return values.detach().cpu().view(-1)


def _pairs(graph: HeteroData, relation: tuple[str, str, str]) -> Tensor:
    """Return the pairs of an ``EdgeIndex`` or of a tensor ``(2, n)``, int64 on the CPU."""
    index = graph[relation].get("edge_index")
    if not isinstance(index, Tensor) or index.dim() != 2 or index.shape[0] != 2:
        raise InputError(f"the edges of {relation} are no tensor edge_index of integers of shape (2, n)")
    pairs: Tensor = index.as_tensor() if hasattr(index, "as_tensor") else index
    if pairs.is_floating_point() or pairs.is_complex() or pairs.dtype == torch.bool:
        raise InputError(f"the edges of {relation} are no tensor edge_index of integers of shape (2, n)")
    return pairs.cpu().long()


def _matrix(pairs: Tensor, shape: tuple[int, int], what: str) -> Csr:
    _check_ends(pairs, shape, what)
    return Csr.from_pairs(pairs[0], pairs[1], *shape)


def _check_ends(pairs: Tensor, shape: tuple[int, int], what: str) -> None:
    if pairs.numel() and (bool((pairs < 0).any()) or bool((pairs.max(1).values >= torch.tensor(shape)).any())):
        raise InputError(f"an edge from {what} ends at a node that the graph does not have")


def _in_order(pairs: Tensor, values: Tensor, n_cols: int) -> Tensor:
    """Return a value for each distinct pair in the order of a matrix; of a pair that occurs twice, the last."""
    keys, places = torch.unique(pairs[0] * n_cols + pairs[1], return_inverse=True)
    last = torch.zeros(keys.numel(), dtype=torch.long)
    last.scatter_reduce_(0, places, torch.arange(places.numel()), "amax")
    return values[last]


def _weighted(graph: HeteroData, relation: tuple[str, str, str], name: str, shape: tuple[int, int]) -> Weighted:
    pairs, store = _pairs(graph, relation), graph[relation]
    n = pairs.shape[1]
    values = _each(store, name, n).float() if name in store else torch.ones(n)
    return Weighted(_matrix(pairs, shape, f"{relation[0]} to words"), _in_order(pairs, values, shape[1]))


def _ids(store: Any, kind: str) -> pa.StringArray:
    """Return the ids of nodes: their own, or their positions."""
    given = store.get("ids")
    if given is None:
        count = store.num_nodes
        if count is None:
            raise InputError(f"the graph tells neither ids nor the number of nodes {kind!r}; set num_nodes")
        return pa.array([str(n) for n in range(int(count))], pa.string())
    texts = given.tolist() if hasattr(given, "tolist") else list(given)
    missing = [text is None or isinstance(text, list) or text != text for text in texts]
    ids = pa.array([None if no else str(text) for no, text in zip(missing, texts, strict=True)], pa.string())
    if ids.null_count or len(ids.unique()) != len(ids):
        raise InputError(f"ids of nodes {kind!r} are missing or doubled")
    if "num_nodes" in store and int(store["num_nodes"]) != len(ids):
        raise InputError(f"there are {store['num_nodes']} nodes {kind!r} but {len(ids)} ids of them")
    return ids


def _texts(ids: pa.StringArray) -> Any:
    return ids.to_numpy(zero_copy_only=False).astype(object)

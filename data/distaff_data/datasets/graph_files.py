"""Graphs of PyTorch Geometric as files: tensors as safetensors, names and shapes as JSON, nothing that could run code.

``torch.save``, which the library itself uses, writes a program that runs when the file is read. Here a graph is a folder of
``graph.safetensors`` and ``graph.json``, which any program can read and no program has to trust.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from distaff_data.atomic import unfinished_path
from distaff_data.errors import InputError

if TYPE_CHECKING:
    from torch_geometric.data import Data, HeteroData

_TENSORS, _NAMES = "graph.safetensors", "graph.json"
_FORMAT = "distaff graph 1"


def write_graph(graph: Data | HeteroData, folder: Path) -> None:
    """Write a graph into a new folder, whole or not at all.

    Raises:
        InputError: The folder is there already, the one around it is not, or something in the graph is neither a tensor,
            texts, a text nor a number.
    """
    if folder.exists():
        raise InputError("there is something in this place already", path=folder)
    if not folder.parent.is_dir():
        raise InputError("the folder around the output does not exist", path=folder.parent)
    tensors: dict[str, Tensor] = {}
    stores = [
        {"key": list(key) if isinstance(key, tuple) else key, "values": _described(store, number, tensors)}
        for number, (key, store) in enumerate(_stores(graph).items())
    ]
    document = {"format": _FORMAT, "kind": type(graph).__name__, "stores": stores}
    temporary = unfinished_path(folder)
    temporary.mkdir(parents=True)
    try:
        save_file(tensors, temporary / _TENSORS)
        (temporary / _NAMES).write_text(json.dumps(document, ensure_ascii=False, indent=1), encoding="utf-8")
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def read_graph(folder: str | Path) -> Any:
    """Return the ``Data`` or ``HeteroData`` that :func:`write_graph` wrote.

    Raises:
        InputError: There is none, or its files do not belong together.
    """
    from torch_geometric.data import Data, HeteroData

    folder = Path(folder)
    if not (folder / _NAMES).is_file():
        raise InputError("no graph in this folder", path=folder)
    try:
        document = json.loads((folder / _NAMES).read_text(encoding="utf-8"))
        if document["format"] != _FORMAT:
            raise InputError("a graph of another format", path=folder / _NAMES, value=document["format"])
        tensors = load_file(folder / _TENSORS)
        stores = {
            tuple(store["key"]) if isinstance(store["key"], list) else store["key"]: {
                name: _value(facts, tensors) for name, facts in store["values"].items()
            }
            for store in document["stores"]
        }
        return Data.from_dict(stores[None]) if document["kind"] == "Data" else HeteroData.from_dict(_keyed(stores))
    except (SafetensorError, KeyError, TypeError, AttributeError, ValueError, OSError) as error:
        raise InputError(f"the graph cannot be read: {type(error).__name__}", path=folder) from error


def _stores(graph: Data | HeteroData) -> Mapping[Any, Mapping[str, Any]]:
    """Return names and values by type of node or edge; under None what belongs to the graph."""
    from torch_geometric.data import HeteroData

    values = graph.to_dict()
    if not isinstance(graph, HeteroData):
        return {None: values}
    return {None if key == "_global_store" else key: store for key, store in values.items()}


def _keyed(stores: Mapping[Any, Any]) -> dict[Any, Any]:
    return {"_global_store" if key is None else key: store for key, store in stores.items()}


def _described(store: Mapping[str, Any], number: int, tensors: dict[str, Tensor]) -> dict[str, Any]:
    return {name: _facts(value, f"{number}.{name}", tensors) for name, value in store.items()}


def _facts(value: Any, key: str, tensors: dict[str, Tensor]) -> dict[str, Any]:
    """Return what JSON holds of a value; a tensor goes among ``tensors``."""
    from torch_geometric import EdgeIndex

    if isinstance(value, EdgeIndex):
        tensors[key] = value.as_tensor().cpu().contiguous().clone()
        return {"edges": key, "size": list(value.sparse_size()), "order": value.sort_order}
    if isinstance(value, Tensor):
        tensors[key] = value.detach().cpu().contiguous().clone()  # a file of tensors holds none that share memory
        return {"tensor": key}
    if isinstance(value, np.ndarray | list) and all(isinstance(text, str) for text in value):
        return {"texts": list(value)}
    if value is None or isinstance(value, str | int | float):
        return {"value": value}
    raise InputError(f"{key.partition('.')[2]} is a {type(value).__name__}, which no file of a graph holds")


def _value(facts: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Any:
    from torch_geometric import EdgeIndex

    if "edges" in facts:
        size = tuple(facts["size"])
        index = EdgeIndex(tensors[facts["edges"]], sparse_size=size, sort_order=facts["order"]).validate()
        return index if facts["order"] is None else index.fill_cache_()
    if "tensor" in facts:
        return tensors[facts["tensor"]]
    return np.array(facts["texts"], dtype=object) if "texts" in facts else facts["value"]

"""Copies of models in memory, for ``copy.deepcopy``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from copy import deepcopy
from typing import Any, TypeVar

import torch
from torch import Tensor

T = TypeVar("T")
_COMPRESSED = (torch.sparse_csr, torch.sparse_csc, torch.sparse_bsr, torch.sparse_bsc)


def copied(model: T, memo: dict[int, Any]) -> T:
    """Return a copy that shares nothing with the model; the body of its ``__deepcopy__``.

    A sparse tensor of compressed rows or columns has no storage of its own, and ``deepcopy`` of one fails; those that the
    model holds, however deep, are cloned before.
    """
    copy = type(model).__new__(type(model))
    memo[id(model)] = copy
    for tensor in _compressed(vars(model), set()):
        memo.setdefault(id(tensor), tensor.clone())
    vars(copy).update(deepcopy(vars(model), memo))
    return copy


def _compressed(value: object, visited: set[int]) -> Iterator[Tensor]:
    """Yield the compressed sparse tensors in attributes, mappings and sequences."""
    if isinstance(value, Tensor):
        if value.layout in _COMPRESSED:
            yield value
        return
    if id(value) in visited or isinstance(value, type):
        return
    visited.add(id(value))
    if isinstance(value, Mapping):
        children = list(value.values())
    elif isinstance(value, list | tuple | Set):
        children = list(value)
    else:
        children = list(getattr(value, "__dict__", {}).values())
    for child in children:
        yield from _compressed(child, visited)

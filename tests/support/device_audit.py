"""What a training step would do on a device that is not the processor, told on a machine that has none.

Two things break or slow a step there and go unnoticed on a CPU: a tensor on the wrong device, which was made without saying
where or never moved; and an operation whose result the host has to wait for, such as ``item``, ``nonzero`` or
``repeat_interleave`` without the length of its result.

:func:`audited` carries out a step on the CPU, makes tensors that are made without saying where an error, by letting ``meta``
be where they land, and records what a host would wait for. :func:`carried_out_without_numbers` takes a step of which
everything lies on ``meta``: whatever was left on the CPU is refused where it meets the rest, and nothing can be fetched, for
there is nothing to fetch. Steps that are known to ask the host cannot be taken so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

# Of these the host needs a value or a length; `index` and `index_put` only with masks.
_WAITING = {
    "_local_scalar_dense",
    "is_nonzero",
    "nonzero",
    "masked_select",
    "unique_dim",
    "_unique2",
    "unique_consecutive",
    "equal",
    "allclose",
    "_to_sparse",
    "bincount",
}
_FETCHES = {"tolist", "numpy", "cpu", "__array__", "__repr__", "__format__"}  # methods of tensors
_BY_MASK = {"index", "index_put", "index_put_", "_index_put_impl_"}
_MOVES = {"_to_copy", "copy_"}


class Recorder(TorchDispatchMode):
    """Keeps the names of operations for which a host would wait."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.waits: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        lengths_unknown = name == "repeat_interleave" and (kwargs or {}).get("output_size") is None
        by_mask = name in _BY_MASK and any(
            isinstance(i, Tensor) and i.dtype == torch.bool for i in args[1] if i is not None
        )
        if name in _WAITING or lengths_unknown or by_mask:
            self.waits.append(name)
        return func(*args, **(kwargs or {}))


class FetchRecorder(TorchFunctionMode):
    """Keeps, beside a recorder's, the methods that fetch a tensor to the host."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self.recorder = recorder

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        if name in _FETCHES or (name == "to" and "cpu" in args[1:]):
            self.recorder.waits.append(name)
        return func(*args, **(kwargs or {}))


class Numberless(TorchDispatchMode):
    """Refuses operations between ``meta`` and the CPU, and computes shapes of the sparse products that ``meta`` lacks."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        # As on CUDA, a number of the host may meet the rest.
        if len({tensor.device.type for tensor in tensors if tensor.dim()}) > 1 and name not in _MOVES:
            raise AssertionError(f"{name} between the device and the host")
        if any(tensor.layout == torch.sparse_csr and tensor.device.type == "meta" for tensor in tensors):
            if name == "sparse_sampled_addmm":
                pattern = args[0]
                places = pattern.crow_indices(), pattern.col_indices()
                values = torch.empty_like(pattern.values())
                return torch.sparse_csr_tensor(*places, values, pattern.shape, check_invariants=False)
            if name in {"mm", "addmm"}:
                out = (kwargs or {}).get("out")
                left, right = args[-2:]
                return right.new_empty(left.shape[0], right.shape[1]) if out is None else out
        return func(*args, **(kwargs or {}))


def audited(losses: Callable[[], dict[str, Tensor]], optimizer: torch.optim.Optimizer) -> list[str]:
    """Carry out a step; return the operations for which a host would wait.

    Raises:
        AssertionError, RuntimeError: A tensor was made without saying where.
    """
    recorder = Recorder()
    with torch.device("meta"), recorder, FetchRecorder(recorder):
        values = losses()
        assert {value.device.type for value in values.values()} == {"cpu"}, "a loss has met a tensor made anywhere"
        optimizer.zero_grad(set_to_none=True)
        torch.stack(list(values.values())).sum().backward()
        optimizer.step()
    return recorder.waits


def carried_out_without_numbers(losses: Callable[[], dict[str, Tensor]], parameters: Iterator[Tensor]) -> None:
    """Compute losses on ``meta`` and their gradients to the parameters.

    Raises:
        AssertionError, RuntimeError: Something was on the CPU, or was asked for by the host.
    """
    with Numberless():
        values = losses()
        assert {value.device.type for value in values.values()} == {"meta"}, "a loss was left on the host"
        torch.stack(list(values.values())).sum().backward()
    assert all(parameter.grad is None or parameter.grad.device.type == "meta" for parameter in parameters)

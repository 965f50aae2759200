"""What a training step would do on a device that is not the processor, told on a machine that has none.

Two things break or slow a step there and go unnoticed on a CPU: a tensor that is made without saying where, which lands on
the CPU and meets those on the device; and an operation whose result the host has to wait for, such as ``item``, ``nonzero``
or ``repeat_interleave`` without the length of its result. Of a step that runs on the CPU, :func:`audited` makes the first an
error, by letting ``meta`` be where such tensors land, and records the second.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

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
    "_to_sparse",
    "bincount",
}
_FETCHES = {"tolist", "numpy", "cpu"}  # methods of tensors
_BY_MASK = {"index", "index_put", "index_put_", "_index_put_impl_"}


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
        if name in _FETCHES:
            self.recorder.waits.append(name)
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

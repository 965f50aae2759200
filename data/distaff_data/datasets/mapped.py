"""Room for large tensors: in memory, or in a file that the system maps where they would fill too much of it."""

from __future__ import annotations

import math
import os
import tempfile

import torch
from torch import Tensor

_SHARE = 0.25  # of the machine's memory that one tensor may fill


def in_memory() -> int:
    """Return the bytes above which a tensor is mapped."""
    return int(_SHARE * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def room(*shape: int, dtype: torch.dtype, most: int) -> Tensor:
    """Return a tensor to be filled; above ``most`` bytes it lies in a file, of which the system holds what it has room for.

    The file is in the folder for temporary files (``TMPDIR``). It has no name any more, so that nothing is left of it when
    the tensor is gone, however the process ends.
    """
    size = math.prod(shape)
    if size * dtype.itemsize <= most:
        return torch.empty(shape, dtype=dtype)
    with tempfile.NamedTemporaryFile(prefix="distaff-") as file:
        return torch.from_file(file.name, shared=True, size=size, dtype=dtype).view(shape)

"""The least time in which this machine could do a piece of work: the roofline (Williams, Waterman and Patterson, CACM 2009).

Three rates of the machine are measured: float32 multiplications and additions of a large matrix product, bytes copied from
one large array to another, and bytes of table rows that are fetched by index and summed, which is what a sparse product
does. Work counts what it cannot do without of each. Nothing keeps a machine from doing the three at once, so the limit is
the longest of the three times.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

FLOAT = 4  # bytes
_COPIED = 1 << 28  # bytes, far more than any cache holds
_ORDER = 2048  # of the matrices multiplied
_REPEATS = 7


@dataclass(frozen=True)
class Work:
    """What one repetition of a benchmark cannot do without.

    Attributes:
        flops: Multiplications and additions of its matrix products, sparse ones included.
        bytes: Of arrays that are read or written whole, each as often as it must be.
        fetched: Bytes of table rows fetched by index.
        table: Rows and columns of the table that they are fetched from.
        counted: In words, what was counted.
    """

    flops: float
    bytes: float = 0.0
    fetched: float = 0.0
    table: tuple[int, int] = (1, 1)
    counted: str = ""


def limit(work: Work) -> dict[str, Any]:
    """Return the least seconds, what bounds them, and the measured rates."""
    rates = {"arithmetic": multiplied_a_second(), "memory": copied_a_second()}
    needs = {"arithmetic": work.flops, "memory": work.bytes}
    if work.fetched:
        rates["fetching"], needs["fetching"] = fetched_a_second(*work.table), work.fetched
    return {
        **bound(needs, rates),
        "rates": {name: round(rate) for name, rate in rates.items()},
        "counted": work.counted,
    }


def bound(needs: Mapping[str, float], rates: Mapping[str, float]) -> dict[str, Any]:
    """Return the longest of the times that each resource needs by itself, and whose it is."""
    seconds = {name: need / rates[name] for name, need in needs.items()}
    slowest = max(seconds, key=seconds.__getitem__)
    return {"seconds": seconds[slowest], "by": slowest}


def multiplied_a_second() -> float:
    """Return the float32 operations a second of a matrix product."""
    left, right = torch.rand(_ORDER, _ORDER), torch.rand(_ORDER, _ORDER)
    out = torch.empty(_ORDER, _ORDER)
    return 2 * _ORDER**3 / _shortest(lambda: torch.mm(left, right, out=out))


def copied_a_second() -> float:
    """Return the bytes a second that are read and written by a copy."""
    source, target = torch.zeros(_COPIED // FLOAT), torch.empty(_COPIED // FLOAT)
    return 2 * _COPIED / _shortest(lambda: target.copy_(source))


def fetched_a_second(n_rows: int, n_cols: int) -> float:
    """Return the bytes a second of rows fetched at random from a float32 table, and summed by twenty-four."""
    table, n = torch.rand(n_rows, n_cols), 24 * 65_536
    rows = torch.randint(n_rows, (n,), generator=torch.Generator().manual_seed(0)).int()
    offsets = torch.arange(0, n, 24, dtype=torch.int32)
    weights = torch.ones(n)

    def fetch() -> object:
        return torch.embedding_bag(table, rows, offsets, False, 0, False, weights)

    return n * n_cols * FLOAT / _shortest(fetch)


def adam(n_numbers: int) -> float:
    """Return the bytes of a step of Adam: numbers, gradients and both moments read, all but the gradients written."""
    return 7 * n_numbers * FLOAT


def work_of_step(step: Callable[[], object], n_parameters: int) -> Work:
    """Return the work of a step of dense networks: its matrix products by torch's counter, and Adam's bytes."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        step()
    return Work(counter.get_total_flops(), adam(n_parameters), counted="dense matrix products by torch's counter; Adam")


def _shortest(work: Callable[[], object]) -> float:
    """Return the seconds of the fastest of a few runs."""
    seconds = []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)

"""Mean and spread of a channel, and how sure they are.

Rows that follow each other are not independent; blocks of them nearly are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from distaff_data.arrays import Floats, Ints


@dataclass(frozen=True)
class ChannelMoments:
    """Mean and spread of one channel, and how well they are known.

    Attributes:
        mean: Over rows.
        std: Over rows.
        mean_error: Standard error of the mean over blocks, in units of ``std``.
        spread_error: Standard error of log ``std`` over blocks.
        blocks: How many blocks there were.
        rows: How many rows were measured; 0 where that was not noted.
    """

    mean: float
    std: float
    mean_error: float
    spread_error: float
    blocks: int
    rows: int = 0

    @classmethod
    def from_blocks(cls, values: Floats, block: Ints, *, least: int = 2) -> ChannelMoments | None:
        """Return moments of values ``(n,)`` in blocks ``(n,)``, NaN left out; None for fewer than ``least`` blocks.

        The errors of one block alone are not known, and 0.
        """
        finite = np.isfinite(values)
        x, (_, block) = values[finite], np.unique(block[finite], return_inverse=True)
        n = int(block.max()) + 1 if block.size else 0
        if n < max(least, 1):
            return None
        mean, std = float(x.mean()), float(x.std())
        size = np.bincount(block)
        if std == 0.0 or n == 1:
            return cls(mean, std, 0.0, 0.0, n, len(x))
        z = (x - mean) / std
        means, squares = np.bincount(block, z) / size, np.bincount(block, z * z) / size
        root = math.sqrt(n)
        return cls(mean, std, float(means.std(ddof=1)) / root, float(squares.std(ddof=1)) / root / 2, n, len(x))

    def as_dict(self) -> dict[str, float]:
        """Return the fields as plain values, for JSON."""
        return asdict(self)


def normal_moments(cases: Sequence[tuple[Sequence[str], Floats]], *, least: int = 2) -> dict[str, ChannelMoments]:
    """Return the moments of each metric over incidents, a block each.

    Args:
        cases: Names of metrics, and their values in normal rows ``(T, n)``, of each incident.
        least: Leave out a metric of fewer incidents.
    """
    by_name: dict[str, list[Floats]] = {}
    for names, values in cases:
        for at, name in enumerate(names):
            by_name.setdefault(name, []).append(values[:, at])
    by_metric = {
        name: ChannelMoments.from_blocks(
            np.concatenate(parts), np.repeat(np.arange(len(parts)), [len(part) for part in parts]), least=least
        )
        for name, parts in by_name.items()
    }
    return {name: moments for name, moments in by_metric.items() if moments is not None}

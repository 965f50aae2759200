"""The types of arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
"""Numbers, float64."""

Ints = NDArray[np.int64]
"""Positions and counts, int64."""

Bools = NDArray[np.bool_]
"""Masks."""

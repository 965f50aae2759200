"""P values that hold together, corrected for their number."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from distaff_data.arrays import Floats


def holm(p_values: ArrayLike) -> Floats:
    """Return p values of any shape, in the order given, corrected after Holm: below a level, they hold all at once at it."""
    values = np.asarray(p_values, dtype=np.float64)
    flat = values.ravel()
    order = np.argsort(flat, kind="stable")
    corrected = np.empty_like(flat)
    corrected[order] = np.minimum(np.maximum.accumulate(flat[order] * np.arange(flat.size, 0, -1)), 1.0)
    return np.asarray(corrected.reshape(values.shape))

"""The same numbers in every layout and container that people hand to a model."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

_TYPES = (np.float32, np.float64, np.int64)


def array_layouts(values: np.ndarray) -> dict[str, np.ndarray]:
    """Return arrays equal to ``values``, whole numbers, in every order of memory and type, by what they are."""
    found: dict[str, np.ndarray] = {}
    for kind in _TYPES:
        plain = np.ascontiguousarray(values, dtype=kind)
        last = values.ndim - 1
        views = {
            "C order": plain,
            "column-major": np.asfortranarray(plain),
            "every other row": np.repeat(plain, 2, axis=0)[::2],
            "every other column": np.repeat(plain, 3, axis=last)[..., ::3],
            "some of the columns": np.concatenate([plain + 1, plain, plain - 1], axis=last)[
                ..., plain.shape[last] : 2 * plain.shape[last]
            ],
            "reversed rows": np.ascontiguousarray(plain[::-1])[::-1],
            "reversed columns": np.ascontiguousarray(plain[..., ::-1])[..., ::-1],
            "reversed and column-major": np.asfortranarray(plain[::-1, ..., ::-1])[::-1, ..., ::-1],
            "axes exchanged": np.ascontiguousarray(plain.swapaxes(0, last)).swapaxes(0, last),
        }
        found |= {f"{name}, {np.dtype(kind).name}": view for name, view in views.items()}
    read_only = np.asfortranarray(values, dtype=np.float32)
    read_only.flags.writeable = False
    return found | {"read-only": read_only}


def frame_layouts(values: np.ndarray) -> dict[str, Any]:
    """Return frames of polars, pandas and Arrow with a column for each of ``values``' columns, and arrays made of them."""
    columns = {f"c{i}": column for i, column in enumerate(values.T.astype(np.float64), 1)}
    polars, arrow = pl.DataFrame(columns), pa.table(columns)
    pandas = polars.to_pandas()
    chunked = pl.concat([polars[:1], polars[1:]], rechunk=False)
    return {
        "polars": polars,
        "polars float32": polars.cast(pl.Float32),
        "polars whole numbers": polars.cast(pl.Int64),
        "polars in chunks": chunked,
        "pandas": pandas,
        "Arrow": arrow,
        "polars' array": polars.to_numpy(),
        "pandas' array": pandas.to_numpy(),
        "pandas' values": pandas.values,
    }

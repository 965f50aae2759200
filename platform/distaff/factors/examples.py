"""Examples of a factor at every level of activation, not only at the top, and how activations are distributed."""

from __future__ import annotations

import numpy as np
import polars as pl
import pyarrow as pa
from torch import Tensor

from distaff_data.arrays import Floats, Ints

TOP = 20
BANDS = 10
EACH = 5
BINS = 50
_BAND = {"factor": pl.Int64, "band": pl.Int64, "band_low": pl.Float64, "band_high": pl.Float64, "rank": pl.Int64,
         "row": pl.Int64, "share": pl.Float64}  # fmt: skip


def bands(shares: Tensor, candidates: Tensor, ids: pa.StringArray, *, seed: int = 0) -> pl.DataFrame:
    """Return the top 20 of each factor and 5 drawn from each tenth of its activations.

    Args:
        shares: Activations ``(n, K)``.
        candidates: Rows to choose from, ``(n,)``.
        ids: Own ids by row.
        seed: Of the draws.

    Returns:
        ``factor, band, band_low, band_high, rank, id, share``; band 0 is the top, 1 the highest tenth, 10 the lowest.
    """
    rows = candidates.nonzero().squeeze(1).numpy()
    values = shares.double().numpy()[rows]
    order = np.argsort(-values, axis=0, kind="stable")
    ordered = np.take_along_axis(values, order, axis=0)
    rng = np.random.default_rng(seed)
    edges = np.linspace(0, len(rows), BANDS + 1).astype(int)
    spans = [(0, min(TOP, len(rows))), *zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)]
    parts = [pl.DataFrame(schema=_BAND)]
    for band, (start, stop) in enumerate(spans):
        n = min(stop - start, TOP if band == 0 else EACH)
        if n:
            parts.append(_band(band, np.sort(start + rng.permutation(stop - start)[:n]), start, stop, order, ordered))
    table = pl.concat(parts)
    chosen = pl.Series("id", ids.take(pa.array(rows[table["row"].to_numpy()])), dtype=pl.String)
    return table.drop("row").with_columns(chosen)


def _band(
    band: int,
    at: Ints,
    start: int,
    stop: int,
    order: Ints,
    ordered: Floats,
) -> pl.DataFrame:
    """Return the examples at places ``at`` of every factor's order, one band of all factors."""
    n_factors, n = order.shape[1], len(at)
    return pl.DataFrame(
        {
            "factor": np.repeat(np.arange(n_factors), n),
            "band": np.full(n_factors * n, band),
            "band_low": np.repeat(ordered[stop - 1], n),
            "band_high": np.repeat(ordered[start], n),
            "rank": np.tile(np.arange(1, n + 1), n_factors),
            "row": order[at].T.ravel(),
            "share": ordered[at].T.ravel(),
        }
    )


def histograms(shares: Tensor, counted: Tensor) -> pl.DataFrame:
    """Return the counts of each factor's activations ``(n, K)``, over known rows ``(n,)``, in 50 bins up to its largest.

    Bins begin at 0, or at the smallest activation where one is below 0.

    Returns:
        ``factor, bin, low, high, count``.
    """
    values = shares[counted].double().numpy()
    n_factors = values.shape[1]
    bottom = values.min(0, initial=0.0)
    width = np.maximum(values.max(0, initial=0.0) - bottom, 1e-12)
    bins = np.minimum(((values - bottom) / width * BINS).astype(int), BINS - 1)
    cells = np.bincount((bins + np.arange(n_factors) * BINS).ravel(), minlength=n_factors * BINS)
    step = np.arange(BINS) / BINS
    return pl.DataFrame(
        {
            "factor": np.repeat(np.arange(n_factors), BINS),
            "bin": np.tile(np.arange(BINS), n_factors),
            "low": (bottom[:, None] + np.outer(width, step)).ravel(),
            "high": (bottom[:, None] + np.outer(width, step + 1 / BINS)).ravel(),
            "count": cells,
        }
    )

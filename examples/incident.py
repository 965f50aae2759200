"""Rank the causes of an incident in a frame of metrics, by CORAL and by a control.

python examples/incident.py
"""

from __future__ import annotations

import numpy as np
import polars as pl

import distaff


def metrics(rows: int = 300, fault: int = 220) -> pl.DataFrame:
    """Return a minute's rows of three services; the database breaks, and what stands on it follows a row later."""
    generator = np.random.default_rng(7)
    db, cache = generator.normal(size=(2, rows))
    db[fault:] += 5
    latency = 0.8 * np.roll(db, 1) + 0.4 * cache + generator.normal(size=rows) / 4
    return pl.DataFrame({"time": np.arange(rows) * 60.0, "db|cpu": db, "cache|cpu": cache, "shop|latency": latency})


def main() -> None:
    """Print both rankings, the onset unknown."""
    frame = metrics()
    for model in (distaff.CORAL(), distaff.BARO()):
        ranking = model.diagnose(frame, kpi="shop|latency")
        print(f"{model!r}: the trigger went off at {ranking.trigger}")
        print(ranking.causes.select("rank", "entity", "metric", "score").head(3))


if __name__ == "__main__":
    main()

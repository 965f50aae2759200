"""The default forecast and every control, all with defaults, on the panels of :mod:`benchmarks.panels`.

Errors are means over test windows in units of each entity's training deviation, MASE in units of its mean step.
``covered@90`` is the share of test values inside intervals of 90 %, ``entities off`` the mean distance of the entities' own
shares from .9. ``difference`` of our row is from the control of the least validation error, which ``best_control`` names,
with the half width of its interval of 95 % by Student's t over the seeds, each of which makes the panel anew.
"""

from __future__ import annotations

import math
import statistics
from pathlib import Path
from typing import Any

from benchmarks.panels import PANELS, Panel
from benchmarks.protocol import say
from scipy import stats

from distaff.series.model import SeriesModel

OURS = "forecast_blend"
CONTROLS = ("naive", "drift", "seasonal_naive", "theta", "sparse_linear", "raw_ridge")
METRICS = ("mse", "mase", "crps", "covered@80", "covered@90", "covered@95")
_NINE = 0.9


def rows(data: Path, n_seeds: int) -> list[dict[str, Any]]:
    """Return the rows of the JSON shape: each metric of every model on every panel."""
    return [row for panel in PANELS for row in _panel_rows(panel, n_seeds)]


def _panel_rows(panel: Panel, n_seeds: int) -> list[dict[str, Any]]:
    values: dict[str, list[dict[str, float]]] = {name: [] for name in (OURS, *CONTROLS)}
    for seed in range(n_seeds):
        for name, measured in values.items():
            measured.append(_measured(panel, name, seed))
    best = min(CONTROLS, key=lambda name: sum(one["valid"] for one in values[name]))
    say(
        f"{panel.name}: "
        + "; ".join(f"{name} {statistics.fmean(v['mase'] for v in values[name]):.3f}" for name in values)
    )
    return [
        {
            "model": f"{panel.name}: {name}",
            "control": name != OURS,
            "metric": metric,
            "published": None,
            "value": statistics.fmean(one[metric] for one in measured),
            "std": statistics.stdev(one[metric] for one in measured) if n_seeds > 1 else None,
            "n_seeds": n_seeds,
            "selected": "valid",
            "looks": 1,
            "settings": {},
            **({"best_control": best, **_paired(measured, values[best], metric)} if name == OURS else {}),
        }
        for name, measured in values.items()
        for metric in (*METRICS, "entities off")
    ]


def _measured(panel: Panel, name: str, seed: int) -> dict[str, float]:
    settings = {"horizons": (panel.horizon,)} if panel.horizon != 24 else {}
    model = SeriesModel.named(name)(**settings).fit(panel.frame(seed), device="cpu")
    metrics = {measured.split: measured.metrics for measured in model.measure()}
    held = model.coverage(levels=[_NINE])["held"]
    off = float((held - _NINE).abs().mean())
    return {metric: metrics["test"].get(metric, math.nan) for metric in METRICS} | {
        "entities off": off,
        "valid": metrics["valid"]["mse"],
    }


def _paired(ours: list[dict[str, float]], theirs: list[dict[str, float]], metric: str) -> dict[str, float]:
    """Return the mean difference from a control over seeds, and the half width of its interval of 95 %."""
    differences = [one[metric] - other[metric] for one, other in zip(ours, theirs, strict=True)]
    if len(differences) < 2:
        return {"difference": differences[0]}
    error = statistics.stdev(differences) / math.sqrt(len(differences))
    half_width = float(stats.t.ppf(0.975, len(differences) - 1)) * error
    return {"difference": statistics.fmean(differences), "half_width": half_width}

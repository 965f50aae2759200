"""Forecasts of ETTh1, all channels, 96 to 720 rows ahead, by the blend with defaults and by linear controls.

The division is the published one: 8640, 2880 and 2880 rows, windows of a split reaching back into the one before. The blend
chooses its components and look-backs by itself; of the ridge and the sparse linear forecast the look-back is chosen on
validation among those of ``LOOK_BACKS``. Test is looked at once a model, over all windows of each horizon. ``valid`` is the
mean validation error. The published figures beside are of linear forecasts in frequency (FITS, SparseTSF).
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import polars as pl
from benchmarks.protocol import say

from distaff.series import forecasting
from distaff.series.model import SeriesModel
from distaff_data.datasets.series import Series
from distaff_data.ingest.frames import from_frame
from distaff_data.splits.series import divide

HORIZONS = (96, 192, 336, 720)
LOOK_BACKS = (96, 336, 720)
PUBLISHED = 0.407
OURS = "forecast_blend"
_WITH_LOOK_BACKS = ("sparse_linear", "raw_ridge")


def rows(data: Path, n_seeds: int) -> list[dict[str, Any]]:
    """Return the rows of the JSON shape: mean squared errors of every model at every horizon; no model here has a seed."""
    frame = pl.read_csv(data / "series" / "ett" / "ETTh1.csv", try_parse_dates=True)
    series = divide(from_frame(frame, time="date", name="ETTh1"), "rows:8640,2880,2880")
    return [row for name in (OURS, "seasonal_naive", *_WITH_LOOK_BACKS) for row in _model_rows(name, series)]


def _model_rows(name: str, series: Series) -> list[dict[str, Any]]:
    start = time.process_time()
    looks = LOOK_BACKS if name in _WITH_LOOK_BACKS else (None,)
    fitted = [SeriesModel.named(name)(seq_len=rows, horizons=HORIZONS).fit(series, device="cpu") for rows in looks]
    valid = [_errors(model, "valid")["mse"] for model in fitted]
    best = min(range(len(looks)), key=lambda place: valid[place])
    scores = _errors(fitted[best], "test")
    scores |= {"valid": valid[best], "cpu minutes": (time.process_time() - start) / 60}
    say(f"{name}: {scores} {'; '.join(fitted[best].notes())}")
    return [
        {
            "model": name,
            "control": name != OURS,
            "metric": metric,
            "published": PUBLISHED if metric == "mse" and name == OURS else None,
            "value": value,
            "std": None,
            "n_seeds": 1,
            "selected": "valid",
            "looks": len(looks),
            "settings": {} if looks[best] is None else {"seq_len": looks[best]},
        }
        for metric, value in scores.items()
    ]


def _errors(model: SeriesModel, split: str) -> dict[str, float]:
    model.prepare_forecasts(max(HORIZONS))
    errors = forecasting.measure(
        model.data, split, model.length, HORIZONS, model.forecast_after, model.take, model.device
    )
    assert errors is not None
    return {metric: value for metric, value in errors.metrics.items() if metric.startswith(("mse", "mae"))}

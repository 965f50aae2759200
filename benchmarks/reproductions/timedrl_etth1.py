"""Forecasts of ETTh1, all channels, look-back 512: TimeDRL and what a forecast costs without it.

The division is the published one: 8640, 2880 and 2880 rows, windows of a split reaching back into the one before. An encoder
is trained once for all horizons; the heads are ridges in closed form. Penalties, and the epoch by the pretext loss, are
chosen on validation rows, and each fit looks at the test rows once. The published figures of TimeDRL are the best test
errors over epochs of encoder and head; what is like them is ``oracle``, the same encoder under a ridge whose penalties were
chosen on the test rows: never ours, there only to be set beside theirs.

``timedrl`` has the published configuration: learning rate 2.14e-5, halved every epoch, so that four of the ten epochs make
94 % of the way, in mixed precision. ``concat_window`` is the same encoder under a head that sees the raw window too, which
the encoder joins where validation says so.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmarks.protocol import FIRST_SEED, say

from distaff.model.fitting import fit
from distaff.series.model import SeriesModel
from distaff_data.datasets.series import Series
from distaff_data.splits import SPLITS
from distaff_data.splits.series import divide

HORIZONS = (24, 48, 168, 336, 720)
_ENCODER: dict[str, Any] = {"patch_len": 16, "stride": 16, "d_model": 128, "n_heads": 2, "n_layers": 1,
                            "token_embedding": "conv", "kernel": 3}  # fmt: skip
_TRAINED = _ENCODER | {"lr": 2.14e-5, "lr_decay": 0.5, "max_epochs": 4, "weight_decay": 5.55e-3,
                       "precision": "bfloat16"}  # fmt: skip
_MSE = (0.327, 0.353, 0.411, 0.437, 0.446)
_MAE = (0.378, 0.392, 0.427, 0.446, 0.461)
_PUBLISHED = {
    **{f"mse@{h}": value for h, value in zip(HORIZONS, _MSE, strict=True)},
    **{f"mae@{h}": value for h, value in zip(HORIZONS, _MAE, strict=True)},
    "mse": 0.395,
    "mae": 0.421,
}
_BESIDE = " concat_window"
_ORACLE = " oracle"


def rows(data: Path, n_seeds: int) -> list[dict[str, Any]]:
    """Return the rows of the JSON shape: every model's errors at every horizon and their means, and CPU minutes."""
    values = np.loadtxt(data / "series" / "ett" / "ETTh1.csv", delimiter=",", skiprows=1, usecols=range(1, 8))
    series = divide(Series.from_rows(values, [len(values)], name="ETTh1"), "rows:8640,2880,2880")
    values_of: dict[tuple[str, bool, str], list[float]] = {}
    for seed in range(FIRST_SEED, FIRST_SEED + n_seeds):
        names = ("timedrl", "random_encoder", *(("raw_ridge", "seasonal_naive") if seed == FIRST_SEED else ()))
        for label, control, scores in (row for name in names for row in _measured(name, series, seed)):
            say(f"{label} seed {seed}: test " + " ".join(f"{metric} {value:.4f}" for metric, value in scores.items()))
            for metric, value in scores.items():
                values_of.setdefault((label, control, metric), []).append(value)
    return [
        {
            "model": label,
            "control": control,
            "metric": metric,
            "published": _PUBLISHED.get(metric.removesuffix(_ORACLE)) if label == "timedrl" else None,
            "value": statistics.fmean(values),
            "std": statistics.stdev(values) if len(values) > 1 else None,
            "n_seeds": len(values),
            "selected": None if label == "seasonal_naive" else "test" if metric.endswith(_ORACLE) else "valid",
            "looks": 1,
            "settings": _TRAINED if label.startswith("timedrl") else {},
        }
        for (label, control, metric), values in values_of.items()
    ]


def _measured(name: str, series: Series, seed: int) -> Iterator[tuple[str, bool, dict[str, float]]]:
    """Yield label, whether a control, and test metrics of a model; of an encoder under the other head too."""
    encoder = {"timedrl": _TRAINED, "random_encoder": _ENCODER}.get(name)
    model = SeriesModel.named(name)(seq_len=512, horizons=HORIZONS, **(encoder or {}))
    start = time.process_time()
    fit(model, series, seed=seed, device="cpu", report=lambda epoch: say(f"{name} seed {seed}: {epoch}"))
    scores = _scores(model) | {"cpu minutes": (time.process_time() - start) / 60}
    if name != "seasonal_naive":
        oracle = _scores(_again(model, _swapped(series)), "valid")
        scores |= {f"{metric}{_ORACLE}": value for metric, value in oracle.items()}
    yield name, model.control, scores
    if encoder is not None:
        start = time.process_time()
        beside = _again(model, series, concat_window=True)
        yield name + _BESIDE, model.control, _scores(beside) | {"cpu minutes": (time.process_time() - start) / 60}


def _again(model: SeriesModel, series: Series, **settings: Any) -> SeriesModel:
    """Return the same encoder with a head yet to be fitted."""
    unfitted = type(model)(**{**model.config.model_dump(), **settings})
    unfitted.bind(series)
    unfitted.load_state({name: tensor for name, tensor in model.state().items() if not name.startswith("head.")})
    return unfitted


def _swapped(series: Series) -> Series:
    """Return the series with its validation and test rows called each other's name."""
    train, valid, test = (SPLITS.index(name) for name in ("train", "valid", "test"))
    names = torch.empty(3, dtype=torch.int8)
    names[[train, valid, test]] = torch.tensor([train, test, valid], dtype=torch.int8)
    return series.with_splits(names[series.splits.long()])


def _scores(model: SeriesModel, split: str = "test") -> dict[str, float]:
    """Return the errors on a split."""
    return dict(next(measured.metrics for measured in model.measure() if measured.split == split))

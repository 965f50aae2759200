"""Measures of models of series: frozen encodings under heads that are the same for all.

A dataset with labels is measured by classification, one without by forecasting. Models differ by nothing but their
encodings; one that only forecasts overrides :meth:`.SeriesModel.forecast_windows` instead of encoding.
"""

from __future__ import annotations

import math

import torch

from distaff.model.base import Measurement
from distaff.series import forecasting
from distaff.series.contract import WindowModel
from distaff.series.fitted_heads import Heads
from distaff.series.heads.classify import score_classes
from distaff.series.intervals import LEVELS
from distaff.series.tables import window_ids
from distaff_data.datasets.series import Scaler, Series
from distaff_data.datasets.windows import slide, with_future
from distaff_data.errors import InputError
from distaff_data.splits import SPLITS


def measure_split(model: WindowModel, heads: Heads, split: str) -> Measurement | None:
    """Return the metrics of a split's windows; None where it has none that can be measured."""
    if model.data.classes:
        return _measure_classes(model, heads, split)
    return None if model.data.whole else _measure_forecasts(model, heads, split)


def can_validate(model: WindowModel, data: Series) -> bool:
    """Tell whether there are validation windows to measure the model on.

    Raises:
        InputError: The model cannot be fitted to ``data``.
    """
    length = model.length_for(data)
    if data.classes and not model.classifies:
        raise InputError(f"{model.name} forecasts; it cannot tell the classes of dataset {data.name!r}")
    if not data.classes and not model.forecasts:
        raise InputError(f"{model.name} tells classes, and dataset {data.name!r} has none")
    if not len(slide(data, length, split="train")):
        raise InputError(f"dataset {data.name!r} has no training window of {length} rows; set seq_len lower")
    if data.classes:
        return len(slide(data, length, split="valid")) > 0
    return not data.whole and len(with_future(data, length, max(model.config.horizons), "valid")) > 0


def chance_metrics(data: Series, split: str) -> dict[str, float]:
    """Return the metrics of the commonest training class, or of the training mean.

    Raises:
        InputError: The split has no rows.
    """
    rows = data.rows_of(split)
    if not bool(rows.any()):
        raise InputError(f"dataset {data.name!r} has no {split} rows to compare on")
    if not data.classes:
        scaler = Scaler.fitting(data).of_rows(data.entity_of_row()[rows])
        scaled = scaler.apply(data.values[rows], data.mask[rows])
        count = data.mask[rows].sum().clamp(min=1)
        return {"mse": float(scaled.square().sum() / count), "mae": float(scaled.abs().sum() / count)}
    first = data.splits[data.offsets[:-1]]
    train = data.labels[(first == SPLITS.index("train")) & (data.labels >= 0)]
    codes = data.labels[(first == SPLITS.index(split)) & (data.labels >= 0)]
    return score_classes(codes, train.mode().values.expand_as(codes)) if codes.numel() and train.numel() else {}


def _measure_classes(model: WindowModel, heads: Heads, split: str) -> Measurement | None:
    windows, codes = model.labelled(model.data, split)
    if not len(windows):
        return None
    predicted = heads.probabilities(model, windows).argmax(1)
    correct = {"accuracy": (predicted == codes).float()}
    ids = window_ids(model.data, windows)
    return Measurement(split, score_classes(codes, predicted), ids, correct, model.notes())


def _measure_forecasts(model: WindowModel, heads: Heads, split: str) -> Measurement | None:
    horizons = model.config.horizons
    model.prepare_forecasts(max(horizons))
    errors = forecasting.measure(
        model.data, split, model.length, horizons, model.forecast_after, model.take, model.device
    )
    if errors is None:
        return None
    ids, per_window = window_ids(model.data, errors.windows, model.length), {"mse": errors.per_window["mse"]}
    metrics = errors.metrics | (_interval_metrics(model, heads) if split == "test" else {})
    return Measurement(split, metrics, ids, per_window, model.notes())


def _interval_metrics(model: WindowModel, heads: Heads) -> dict[str, float]:
    """Return what intervals at the longest horizon hold of test values, their widths, and the CRPS; in scaled units."""
    intervals = heads.intervals(model, max(model.config.horizons))
    judged = intervals.coverage(LEVELS, torch.ones(1, 1))
    if judged is None:
        return {}
    held, width = judged.overall(judged.held), judged.overall(judged.width)
    metrics = {"crps": judged.crps}
    for level, share, mean in zip(LEVELS, held, width, strict=True):
        metrics |= {f"covered@{100 * level:.0f}": share, f"width@{100 * level:.0f}": mean}
    return {name: value for name, value in metrics.items() if math.isfinite(value)}

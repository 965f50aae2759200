"""Classes of windows by frozen features under a linear head, all with defaults: ``reproduce.py series-classes --seeds 3``.

Epilepsy (its validation file is divided: its training file is missing), PenDigits and UCI HAR by subject. Of each model the
head's penalty is chosen on validation windows, drawn by the seed; test is looked at once a seed. Each trained encoder stands
beside two others: its untrained twin, and the control of fixed features that is best on validation. The difference of its
accuracy on the same windows and seeds has an interval of 95 % over windows, each of which counts the mean of the seeds.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmarks.protocol import say
from benchmarks.reproductions.timedrl_har import read as read_har
from torch import Tensor

from distaff.series.model import SeriesModel
from distaff_data.datasets.series import Series
from distaff_data.splits.series import hold_out

CONTROLS = ("raw_ridge", "one_nn", "catch22", "minirocket", "multirocket", "hydra", "quant")
_PROPORTIONS: dict[str, Any] = {"tokens": "proportions", "instance_norm": False, "max_epochs": 3}
_READ = "mean,proportions"
# Settings of each encoder, trained and untrained, by what the table calls it.
ENCODERS: dict[str, dict[str, Any]] = {
    "as default": {},
    "of proportions": _PROPORTIONS,
    "of proportions, which the head reads too": _PROPORTIONS | {"features": _READ, "classifier": "ridge"},
}
_HELD_OUT = 0.2
_Read = Callable[[int], Series]


def rows(data: Path, n_seeds: int) -> list[dict[str, Any]]:
    """Return the rows of the JSON shape: accuracy of every model on every set."""
    return [row for name, read in _sets(data).items() for row in _set_rows(name, read, n_seeds)]


def _sets(data: Path) -> dict[str, _Read]:
    folder = data / "series"
    return {
        "epilepsy": _given(folder / "epilepsy" / "Epilepsy.npz", "val"),
        "pendigits": _given(folder / "pendigits" / "PenDigits.npz", "train"),
        "har": read_har(data),
    }


def _given(path: Path, train: str) -> _Read:
    with np.load(path, allow_pickle=False) as arrays:
        x = np.concatenate([arrays[f"x_{train}"], arrays["x_test"]])
        y = np.concatenate([arrays[f"y_{train}"], arrays["y_test"]])
        n_train = len(arrays[f"x_{train}"])
    windows = Series.from_windows(x, y, name=path.stem)
    test = (torch.arange(len(x)) >= n_train)[windows.entity_of_row()]
    divided = windows.with_splits((2 * test).to(torch.int8))
    return lambda seed: hold_out(divided, _HELD_OUT, seed)


def _set_rows(name: str, read: _Read, n_seeds: int) -> Iterator[dict[str, Any]]:
    correct: dict[str, Tensor] = {}  # (seeds, windows)
    valid: dict[str, float] = {}
    for label, model, settings in _models():
        measured = [_correct(model, settings, read(seed), seed) for seed in range(n_seeds)]
        correct[label] = torch.stack([of_windows for _, of_windows in measured])
        valid[label] = statistics.fmean(accuracy for accuracy, _ in measured)
        say(f"{name} {label}: " + " ".join(f"{value:.4f}" for value in correct[label].mean(1).tolist()))
    best = max(CONTROLS, key=lambda control: valid[control])
    for label, of_seeds in correct.items():
        accuracies = of_seeds.mean(1).tolist()
        trained = label.startswith("timedrl")
        rivals = {"twin": label.replace("timedrl", "random_encoder"), "best control": best} if trained else {}
        yield {
            "model": f"{name}: {label}",
            "set": name,
            "encoder": label,
            "control": not trained,
            "metric": "accuracy",
            "published": None,
            "value": statistics.fmean(accuracies),
            "std": statistics.stdev(accuracies) if n_seeds > 1 else None,
            "valid": valid[label],
            "n_seeds": n_seeds,
            "selected": "valid",
            "looks": 1,
            "settings": ENCODERS.get(label.partition(" ")[2], {}),
            "beside": {role: {"model": rival, **_against(of_seeds, correct[rival])} for role, rival in rivals.items()},
        }


def _models() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield what the table calls each model, its name, and its settings."""
    yield from ((name, name, {}) for name in CONTROLS)
    for label, settings in ENCODERS.items():
        yield from ((f"{name} {label}", name, settings) for name in ("random_encoder", "timedrl"))


def _correct(name: str, settings: dict[str, Any], data: Series, seed: int) -> tuple[float, Tensor]:
    """Return the accuracy on validation windows, and which test windows are told rightly."""
    measured = {m.split: m for m in SeriesModel.named(name)(**settings).fit(data, seed=seed, device="cpu").measure()}
    return measured["valid"].metrics["accuracy"], measured["test"].per_unit["accuracy"]


def _against(ours: Tensor, theirs: Tensor) -> dict[str, float]:
    """Return the mean difference over windows, and the half width of its interval of 95 %."""
    differences = (ours - theirs).mean(0)
    half_width = 1.96 * float(differences.std()) / math.sqrt(len(differences))
    return {"difference": float(differences.mean()), "half_width": half_width}

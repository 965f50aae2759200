"""How published figures of classification are reproduced: frozen encodings, one head for all, selection on validation.

Each seed carves its own validation groups from the training groups, and seeds every draw of the model. Settings are chosen
with the first seed by accuracy on validation; the encoder's epoch is chosen by its own pretext; the head's penalty by
validation; the test split is looked at once a seed. What ``oracle`` adds is the best test value of all epochs that were
looked at, as papers report it that select on test: never ours, there only to be set beside theirs.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from benchmarks.protocol import say

from distaff.model.base import Epoch
from distaff.series.model import SeriesModel
from distaff_data.datasets.series import Series

METRICS = ("accuracy", "macro_f1")


@dataclass(frozen=True)
class Candidate:
    """A model, and the settings among which validation chooses.

    Attributes:
        model: What the table calls it.
        of: Its name in the registry.
        grid: Settings to try; each is one look at the validation split.
        seeded: Whether its fit depends on the seed; one that does not is fitted once.
        published: Published test values by metric.
        heads: Other settings of the head alone, measured on the same fitted encoder, by what the table calls them.
        oracle_every: Epochs between looks at test, with the first seed, for the oracle; 0 for none.
    """

    model: str
    of: str
    grid: tuple[Mapping[str, Any], ...] = ({},)
    seeded: bool = False
    published: Mapping[str, float] = field(default_factory=dict)
    heads: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    oracle_every: int = 0


Read = Callable[[int], Series]
"""The data as a seed divides it."""


def measure(read: Read, candidates: Sequence[Candidate], n_seeds: int) -> list[dict[str, Any]]:
    """Rows of the JSON shape: each metric of every candidate."""
    return [row for candidate in candidates for row in _rows(read, candidate, n_seeds)]


def _rows(read: Read, candidate: Candidate, n_seeds: int) -> list[dict[str, Any]]:
    settings = _select(read(0), candidate) if len(candidate.grid) > 1 else candidate.grid[0]
    found: dict[tuple[str, str], list[float]] = {}
    for seed in range(n_seeds if candidate.seeded else 1):
        for name, metrics in _one_seed(read(seed), candidate, settings, seed).items():
            for metric, value in metrics.items():
                found.setdefault((name, metric), []).append(value)
    return [
        {
            "model": name,
            "control": SeriesModel.named(candidate.of).control,
            "metric": metric,
            "published": candidate.published.get(metric) if name == candidate.model else None,
            "value": statistics.fmean(values),
            "std": statistics.stdev(values) if len(values) > 1 else None,
            "n_seeds": len(values),
            "selected": "test" if metric.endswith("oracle") else "valid",
            "looks": len(candidate.grid),
            "settings": {**settings, **candidate.heads.get(name.removeprefix(f"{candidate.model}, "), {})},
        }
        for (name, metric), values in found.items()
    ]


def _one_seed(
    data: Series, candidate: Candidate, settings: Mapping[str, Any], seed: int
) -> dict[str, dict[str, float]]:
    """Test metrics of one fit under each head, by name, and the oracle's where it looks."""
    start = time.process_time()
    model, looks = _fitted(data, candidate, settings, seed, candidate.oracle_every if seed == 0 else 0)
    found = {candidate.model: _measured(model, candidate.model, seed)}
    found[candidate.model]["CPU seconds"] = time.process_time() - start
    if looks:
        found[candidate.model] |= {f"{metric} oracle": max(look[metric] for look in looks) for metric in METRICS}
    encoder = {name: t for name, t in model.state().items() if not name.startswith(("head.", "classifier."))}
    for label, head in candidate.heads.items():
        other = SeriesModel.named(candidate.of)(**{**settings, **head})
        other.bind(data)
        other.load_state(encoder)
        found[f"{candidate.model}, {label}"] = _measured(other, f"{candidate.model}, {label}", seed)
    return found


def _measured(model: SeriesModel, name: str, seed: int) -> dict[str, float]:
    found = {m.split: m.metrics for m in model.measure()}
    told = " ".join(f"{metric} {found['test'][metric]:.4f}" for metric in METRICS)
    say(f"{name} seed {seed}: valid accuracy {found['valid']['accuracy']:.4f}; test {told}")
    return {metric: found["test"][metric] for metric in METRICS}


def _select(data: Series, candidate: Candidate) -> Mapping[str, Any]:
    best: tuple[float, Mapping[str, Any]] | None = None
    for settings in candidate.grid:
        model, _ = _fitted(data, candidate, settings, 0, 0)
        validate = model.validator(data)
        assert validate is not None
        value = validate()["accuracy"]
        say(f"{candidate.model} {dict(settings)}: valid accuracy {value:.4f}")
        if best is None or value > best[0]:
            best = value, settings
    assert best is not None
    return best[1]


def _fitted(
    data: Series, candidate: Candidate, settings: Mapping[str, Any], seed: int, oracle_every: int
) -> tuple[SeriesModel, list[Mapping[str, float]]]:
    """A model fitted to the data, and what it scored on test on the way there."""
    model = SeriesModel.named(candidate.of)(**settings)
    looks: list[Mapping[str, float]] = []

    def report(epoch: Epoch) -> None:
        losses = " ".join(f"{name} {value:.4f}" for name, value in {**epoch.losses, **epoch.valid}.items())
        say(f"{candidate.model} seed {seed} epoch {epoch.epoch}: {losses}")
        if oracle_every and epoch.epoch % oracle_every == 0:
            looks.append(_look(model, data))

    model.bind(data)
    return model.fit(data, seed=seed, device="cpu", report=report), looks


def _look(model: SeriesModel, data: Series) -> Mapping[str, float]:
    """Test metrics of an encoder as it stands; leaves training as if nobody had looked."""
    state = torch.random.get_rng_state()
    found = {m.split: m.metrics for m in model.measure()}["test"]
    model.forget_heads()
    torch.random.set_rng_state(state)
    return found

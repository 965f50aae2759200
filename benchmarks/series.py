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
class SeriesCandidate:
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


def measure(read: Read, candidates: Sequence[SeriesCandidate], n_seeds: int) -> list[dict[str, Any]]:
    """Return the rows of the JSON shape: each metric of every candidate."""
    return [row for candidate in candidates for row in _rows(read, candidate, n_seeds)]


def _rows(read: Read, candidate: SeriesCandidate, n_seeds: int) -> list[dict[str, Any]]:
    settings = _select(read(0), candidate) if len(candidate.grid) > 1 else candidate.grid[0]
    values_of: dict[tuple[str, str], list[float]] = {}
    for seed in range(n_seeds if candidate.seeded else 1):
        for name, metrics in _one_seed(read(seed), candidate, settings, seed).items():
            for metric, value in metrics.items():
                values_of.setdefault((name, metric), []).append(value)
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
        for (name, metric), values in values_of.items()
    ]


def _one_seed(
    data: Series, candidate: SeriesCandidate, settings: Mapping[str, Any], seed: int
) -> dict[str, dict[str, float]]:
    """Return the test metrics of one fit under each head, by name, and the oracle's where it looks."""
    start = time.process_time()
    model, oracle_values = _fitted(data, candidate, settings, seed, candidate.oracle_every if seed == 0 else 0)
    metrics_of = {candidate.model: _measured(model, candidate.model, seed)}
    metrics_of[candidate.model]["CPU seconds"] = time.process_time() - start
    if oracle_values:
        best = {f"{metric} oracle": max(values[metric] for values in oracle_values) for metric in METRICS}
        metrics_of[candidate.model] |= best
    encoder = {name: t for name, t in model.state().items() if not name.startswith(("head.", "classifier."))}
    for label, head in candidate.heads.items():
        reheaded = SeriesModel.named(candidate.of)(**{**settings, **head})
        reheaded.bind(data)
        reheaded.load_state(encoder)
        metrics_of[f"{candidate.model}, {label}"] = _measured(reheaded, f"{candidate.model}, {label}", seed)
    return metrics_of


def _measured(model: SeriesModel, name: str, seed: int) -> dict[str, float]:
    metrics = {m.split: m.metrics for m in model.measure()}
    test = {metric: metrics["test"][metric] for metric in METRICS}
    listing = " ".join(f"{metric} {value:.4f}" for metric, value in test.items())
    say(f"{name} seed {seed}: valid accuracy {metrics['valid']['accuracy']:.4f}; test {listing}")
    return test


def _select(data: Series, candidate: SeriesCandidate) -> Mapping[str, Any]:
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
    data: Series, candidate: SeriesCandidate, settings: Mapping[str, Any], seed: int, oracle_every: int
) -> tuple[SeriesModel, list[Mapping[str, float]]]:
    """Return a model fitted to the data, and its metrics on test at some of the epochs."""
    model = SeriesModel.named(candidate.of)(**settings)
    oracle_values: list[Mapping[str, float]] = []

    def report(epoch: Epoch) -> None:
        losses = " ".join(f"{name} {value:.4f}" for name, value in {**epoch.losses, **epoch.valid}.items())
        say(f"{candidate.model} seed {seed} epoch {epoch.epoch}: {losses}")
        if oracle_every and epoch.epoch % oracle_every == 0:
            oracle_values.append(_test_metrics(model))

    model.bind(data)
    return model.fit(data, seed=seed, device="cpu", report=report), oracle_values


def _test_metrics(model: SeriesModel) -> Mapping[str, float]:
    """Return the test metrics of an encoder as it stands; training goes on as if it had not been measured."""
    state = torch.random.get_rng_state()
    metrics = {m.split: m.metrics for m in model.measure()}["test"]
    model.forget_heads()
    torch.random.set_rng_state(state)
    return metrics

"""How a published number is reproduced: select on validation, look at the test split once for each selected model."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from distaff.ranking.metrics import evaluate
from distaff.recommenders.base import Epoch, Recommender
from distaff_data.datasets.interactions import Interactions

KS = (5, 10, 20)
METRIC = "recall@20"
METRICS = tuple(f"{metric}@{k}" for metric in ("recall", "ndcg") for k in KS)
FIRST_SEED = 2023  # the one the published runs start from


@dataclass(frozen=True)
class Candidate:
    """A model, and the settings among which validation chooses.

    Attributes:
        model: Its name in the registry.
        grid: Settings to try; each is one configuration tried on the validation split.
        seeded: Whether its fit depends on the seed; one that does not is fitted once.
        published: Published test values by metric.
        also: What else to measure of each fitted model; no choice depends on it.
        label: Name of the row, where one model has several.
    """

    model: str
    grid: tuple[Mapping[str, Any], ...] = ({},)
    seeded: bool = False
    published: Mapping[str, float] = field(default_factory=dict)
    also: Callable[[Recommender, Interactions], Mapping[str, float]] | None = None
    label: str | None = None

    @property
    def row(self) -> str:
        """The name of the row."""
        return self.label or self.model


def measure(candidate: Candidate, data: Interactions, n_seeds: int) -> list[dict[str, Any]]:
    """Return the rows of the JSON shape for one candidate, one a metric.

    Settings are chosen with the first seed by Recall@20 on validation; every seed is then fitted with the chosen ones.
    """
    best, settings = _select(candidate, data)
    seeds = range(FIRST_SEED, FIRST_SEED + (n_seeds if candidate.seeded else 1))
    values: dict[str, list[float]] = {}
    for seed in seeds:
        model = best if seed == FIRST_SEED else _fit(candidate.model, settings, data, seed)
        test = evaluate(model.ranker(), data, "test", ks=KS).metrics
        say(f"{candidate.row} seed {seed}: test " + " ".join(f"{m} {test[m]:.4f}" for m in METRICS))
        also = candidate.also(model, data) if candidate.also is not None else {}
        for metric, value in {**{metric: test[metric] for metric in METRICS}, **also}.items():
            values.setdefault(metric, []).append(value)
    # Early stopping is a choice by validation too.
    looks = max(len(candidate.grid), getattr(best, "n_tried", 0))  # a model that chooses itself looks too
    chosen = looks > 1 or "patience" in best.Config.model_fields
    return [
        {
            "model": candidate.row,
            "control": best.control,
            "metric": metric,
            "published": candidate.published.get(metric),
            "value": statistics.fmean(values[metric]),
            "std": statistics.stdev(values[metric]) if len(seeds) > 1 else None,
            "n_seeds": len(seeds),
            "selected": "valid" if chosen else None,
            "looks": looks,
            "settings": dict(settings),
        }
        for metric in values
    ]


def _select(candidate: Candidate, data: Interactions) -> tuple[Recommender, Mapping[str, Any]]:
    """Return the candidate's model with the best settings, fitted with the first seed; only the best so far is kept."""
    best: tuple[float, Recommender, Mapping[str, Any]] | None = None
    for settings in candidate.grid:
        start = time.perf_counter()
        model = _fit(candidate.model, settings, data, FIRST_SEED)
        value = evaluate(model.ranker(), data, "valid", ks=(20,)).metrics[METRIC]
        seconds = time.perf_counter() - start
        if len(candidate.grid) > 1:
            listing = " ".join(f"{name}={value}" for name, value in settings.items())
            say(f"{candidate.row} {listing}: valid {METRIC} {value:.4f} ({seconds:.0f} s)")
        if best is None or value > best[0]:
            best = value, model, settings
    assert best is not None
    return best[1:]


def _fit(name: str, settings: Mapping[str, Any], data: Interactions, seed: int) -> Recommender:
    start = time.perf_counter()

    def report(epoch: Epoch) -> None:
        if epoch.valid:
            seconds = time.perf_counter() - start
            say(f"{name} seed {seed} epoch {epoch.epoch}: valid {METRIC} {epoch.valid[METRIC]:.4f} ({seconds:.0f} s)")

    return Recommender.named(name)(**settings).fit(data, seed=seed, report=report)


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the rows as text: one line a model, published values above ours."""
    widths = {row["metric"]: max(16, len(row["metric"]) + 2) for row in rows}
    lines = [f"{'':24}" + "".join(f"{metric:>{width}}" for metric, width in widths.items())]
    for model in dict.fromkeys(row["model"] for row in rows):
        row_of = {row["metric"]: row for row in rows if row["model"] == model}
        first = next(iter(row_of.values()))
        if any(row["published"] is not None for row in row_of.values()):
            published = "".join(f"{_number(row_of.get(m), 'published'):>{width}}" for m, width in widths.items())
            lines.append(f"{model + ', published':24}{published}")
        name = f"{model} (control)" if first["control"] else model
        cells = "".join(f"{_with_spread(row_of.get(m)):>{width}}" for m, width in widths.items())
        n_tried = f"{first['n_seeds']} seed(s), {first['looks']} configuration(s) tried"
        chosen = " ".join(f"{name}={value}" for name, value in first["settings"].items()) if first["looks"] > 1 else ""
        lines.append(f"{name:24}{cells}  {n_tried} {chosen}".rstrip())
    return "\n".join(lines)


def _number(row: Mapping[str, Any] | None, column: str) -> str:
    return "" if row is None or row[column] is None else f"{row[column]:.4f}"


def _with_spread(row: Mapping[str, Any] | None) -> str:
    spread = _number(row, "std")
    return _number(row, "value") + (f" ± {spread}" if spread else "")


def say(line: str) -> None:
    """Print progress on standard error."""
    print(line, file=sys.stderr, flush=True)

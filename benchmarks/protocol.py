"""How a published number is reproduced: select on validation, look at the test split once for each selected model.

Data without a validation part gets one that is held out of training, a tenth of each user's interactions, as the blend of
:mod:`distaff_graph.plait` holds one out for itself; what was chosen on it is fitted to all training interactions and then
tested.

Each row stands beside the best control, which validation chooses as well: the difference over the same users, with users and
seeds as sources of error (:mod:`distaff.stats.crossed`), and a p-value that is also corrected over the rows.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch

from distaff.model.base import Epoch, Session
from distaff.ranking.metrics import evaluate
from distaff.recommenders.base import Recommender
from distaff.stats.corrections import holm
from distaff.stats.crossed import NO_SEED, Side, compare_crossed
from distaff.stats.intervals import seed_interval
from distaff_data.arrays import Floats
from distaff_data.datasets.interactions import Interactions
from distaff_data.errors import InputError
from distaff_graph.plait.choosing import trial_of

KS = (5, 10, 20)
METRIC = "recall@20"
METRICS = tuple(f"{metric}@{k}" for metric in ("recall", "ndcg") for k in KS)
COMPARED = (METRIC, "ndcg@20")  # with the best control, user by user
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


@dataclass(frozen=True)
class Measured:
    """One candidate, measured.

    Attributes:
        candidate: What was measured.
        rows: In the JSON shape, one a metric.
        valid: What chose its settings: METRIC on validation, with the first seed.
        per_user: Test values by metric, a row for each seed and a column for each user.
    """

    candidate: Candidate
    rows: list[dict[str, Any]]
    valid: float
    per_user: Mapping[str, Floats]

    def side(self, metric: str) -> Side:
        """Return its values for a comparison."""
        return Side(self.per_user[metric], None if self.candidate.seeded else NO_SEED)


def measure(candidate: Candidate, data: Interactions, n_seeds: int) -> list[dict[str, Any]]:
    """Return the rows of the JSON shape for one candidate, one a metric; see :func:`measure_one`."""
    return measure_one(candidate, data, n_seeds).rows


def measure_all(candidates: Sequence[Candidate], data: Interactions, n_seeds: int) -> list[dict[str, Any]]:
    """Return the rows of all candidates, each beside the best control on validation."""
    measured = [measure_one(candidate, data, n_seeds) for candidate in candidates]
    controls = [one for one in measured if one.rows[0]["control"]]
    if controls:
        _compare(measured, max(controls, key=lambda one: one.valid))
    return [row for one in measured for row in one.rows]


def measure_one(candidate: Candidate, data: Interactions, n_seeds: int) -> Measured:
    """Measure one candidate on the test.

    Settings are chosen with the first seed by Recall@20 on validation; every seed is then fitted with the chosen ones.
    """
    trial = trial_of(data, Session(FIRST_SEED, torch.device("cpu")))
    if trial is None:
        raise InputError("there is too little to hold a validation part out of training", value=data.name)
    best, settings, valid, seconds_of_best = _select(candidate, trial)
    looks = max(len(candidate.grid), best.n_tried)  # a model that chooses itself looks too
    seeds = range(FIRST_SEED, FIRST_SEED + (n_seeds if candidate.seeded else 1))
    values: dict[str, list[float]] = {}
    per_user: dict[str, list[Floats]] = {metric: [] for metric in COMPARED}
    seconds = []
    for seed in seeds:
        start = time.perf_counter()
        if seed != FIRST_SEED:
            model = _fit(candidate.model, settings, data, seed)
        elif trial is data:
            model = best
        else:  # what it chose itself is not chosen again
            model = _fit(candidate.model, {**settings, **getattr(best, "chosen", {})}, data, seed)
        seconds.append(time.perf_counter() - start + (seconds_of_best if seed == FIRST_SEED else 0.0))
        test = evaluate(model.ranker(), data, "test", ks=KS)
        say(f"{candidate.row} seed {seed}: test " + " ".join(f"{m} {test.metrics[m]:.4f}" for m in METRICS))
        also = candidate.also(model, data) if candidate.also is not None else {}
        for metric, value in {**{metric: test.metrics[metric] for metric in METRICS}, **also}.items():
            values.setdefault(metric, []).append(value)
        for metric in COMPARED:
            per_user[metric].append(test.per_user[metric].double().numpy())
    # Early stopping is a choice by validation too.
    chosen = looks > 1 or "patience" in best.Config.model_fields
    rows = [
        {
            "model": candidate.row,
            "control": best.control,
            "metric": metric,
            "published": candidate.published.get(metric),
            "value": interval.mean,
            "std": interval.std,
            "low": interval.low,
            "high": interval.high,
            "valid": valid if metric == METRIC else None,
            "n_seeds": len(seeds),
            "selected": "valid" if chosen else None,
            "looks": looks,
            "settings": dict(settings),
            "numbers_per_user": best.numbers_per_user(),
            "megabytes": sum(tensor.nbytes for tensor in best.state().values()) / 1e6,
            "seconds": sum(seconds) / len(seconds),
        }
        for metric, interval in ((metric, seed_interval(of_seeds)) for metric, of_seeds in values.items())
    ]
    return Measured(candidate, rows, valid, {metric: np.stack(found) for metric, found in per_user.items()})


def _compare(measured: Sequence[Measured], control: Measured) -> None:
    """Put into each row, but the control's own, its difference to the control and the p-value of none."""
    for metric in COMPARED:
        others = [one for one in measured if one is not control]
        found = [
            compare_crossed(one.side(metric), control.side(metric), metric=metric, against=control.candidate.row)
            for one in others
        ]
        known = [c.p_value for c in found if c.p_value is not None]
        corrected = iter(holm(known).tolist())
        for one, comparison in zip(others, found, strict=True):
            row = next(row for row in one.rows if row["metric"] == metric)
            row["against"] = asdict(comparison) | {"p_holm": None if comparison.p_value is None else next(corrected)}


def _select(candidate: Candidate, data: Interactions) -> tuple[Recommender, Mapping[str, Any], float, float]:
    """Return the candidate's model with the best settings, fitted with the first seed, these, their value and seconds."""
    best: tuple[float, Recommender, Mapping[str, Any], float] | None = None
    for settings in candidate.grid:
        start = time.perf_counter()
        model = _fit(candidate.model, settings, data, FIRST_SEED)
        seconds = time.perf_counter() - start
        value = evaluate(model.ranker(), data, "valid", ks=(20,)).metrics[METRIC]
        if len(candidate.grid) > 1:
            listing = " ".join(f"{name}={value}" for name, value in settings.items())
            say(f"{candidate.row} {listing}: valid {METRIC} {value:.4f} ({seconds:.0f} s)")
        if best is None or value > best[0]:
            best = value, model, settings, seconds
    assert best is not None
    value, model, settings, seconds = best
    return model, settings, value, seconds


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
        lines += [f"{'':24}{_difference(row['against'])}" for row in row_of.values() if row.get("against")]
    return "\n".join(lines)


def as_published(row: Mapping[str, Any]) -> str:
    """Return values that others published as text: the model, then its metrics."""
    return f"{row['model']} " + " ".join(f"{metric} {row[metric]:.4f}" for metric in METRICS if metric in row)


def _difference(gap: Mapping[str, Any]) -> str:
    """Return the comparison with the best control as text."""
    text = f"{gap['metric']} {gap['difference']:+.4f} against {gap['against']}"
    if gap["p_value"] is None:
        return f"{text}; one seed, whose variance is unknown: no test"
    return f"{text} [{gap['low']:+.4f}, {gap['high']:+.4f}] p={gap['p_value']:.2g}, {gap['p_holm']:.2g} over the rows"


def _number(row: Mapping[str, Any] | None, column: str) -> str:
    return "" if row is None or row[column] is None else f"{row[column]:.4f}"


def _with_spread(row: Mapping[str, Any] | None) -> str:
    spread = _number(row, "std")
    return _number(row, "value") + (f" ± {spread}" if spread else "")


def say(line: str) -> None:
    """Print progress on standard error."""
    print(line, file=sys.stderr, flush=True)

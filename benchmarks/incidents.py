"""How published figures of root-cause analysis are reproduced: every diagnoser in one configuration, its defaults.

Nothing is chosen by a data set's causes: there is no grid and no split, so nothing is selected. Random draws are those of
``--seeds`` seeds; everything else is fitted once.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from distaff.incidents.base import Diagnoser
from distaff.incidents.onsets import seconds_before_onset
from distaff.incidents.rankings import Diagnosis, score_cases, score_trigger
from distaff.model.registry import model_class
from distaff_data.datasets.incidents import Case, Edge, Incidents, entity_of
from distaff_data.ingest.incidents import read_folder

CONTROLS = (
    "floor_z",
    "nsigma",
    "baro",
    "prism",
    "epsilon_diagnosis",
    "hypothesis_test",
    "circa",
    "rcd",
    "kpi_correlation",
    "onset_order",
    "recency",
    "pagerank",
    "traversal",
    "random",
)
LEARNING_CONTROLS = ("pagerank_pc", "circa_pc") if find_spec("causallearn") else ()
Published = Mapping[tuple[str, str], float]  # (model, metric) -> value


@dataclass(frozen=True)
class Subset:
    """One table row group: some cases, diagnosed in one way.

    Attributes:
        name: Put before each metric's name.
        keep: Whether it is about a case.
        metrics: Metrics at the entity level.
        settings: Settings of every model.
        known: Which of the known dependencies the models are given.
        candidate: Which entities are ranked; others are taken out of every ranking before it is scored.
        trigger: Whether to report how onsets were found.
        learning: Whether controls that learn a graph are measured too, which takes seconds a case.
    """

    name: str
    metrics: tuple[str, ...]
    keep: Callable[[Case], bool] = field(default=lambda case: True)
    settings: Mapping[str, Any] = field(default_factory=dict)
    known: Callable[[Edge], bool] = field(default=lambda edge: True)
    candidate: Callable[[str], bool] = field(default=lambda entity: True)
    trigger: bool = False
    learning: bool = False


GRAPHS = {"petshop_low": "calls", "causrca_coolant_probe": "causes"}  # as the data's own descriptions say


def read(data: Path, name: str) -> Incidents:
    """Return the incidents of a folder of real data, edges from cause to effect."""
    return read_folder(data / "incidents" / name, name, unmeasured=True, graph_is=GRAPHS.get(name))


def measure(data: Incidents, subsets: Sequence[Subset], published: Published, n_seeds: int) -> list[dict[str, Any]]:
    """Return the rows of the JSON shape: every model on every subset."""
    rows: list[dict[str, Any]] = []
    for subset in subsets:
        cases = tuple(case for case in data.cases if subset.keep(case))
        edges = tuple(edge for edge in data.edges if subset.known(edge))
        for name in ("coral", *CONTROLS, *(LEARNING_CONTROLS if subset.learning else ())):
            seeds = range(n_seeds if name == "random" else 1)
            metrics = [_values(name, cases, edges, subset, seed) for seed in seeds]
            control = model_class(name).control
            for metric in metrics[0]:
                values = [of_seed[metric] for of_seed in metrics]
                rows.append(
                    {
                        "model": name,
                        "control": control,
                        "metric": f"{subset.name} {metric}".strip(),
                        "published": published.get((name, f"{subset.name} {metric}".strip())),
                        "value": statistics.fmean(values),
                        "std": statistics.stdev(values) if len(values) > 1 else None,
                        "n_seeds": len(values),
                        "selected": None,
                    }
                )
    measured = {(row["model"], row["metric"]) for row in rows}
    names = {row["metric"] for row in rows}
    rows += [
        {
            "model": model,
            "control": True,
            "metric": metric,
            "published": value,
            "value": None,
            "std": None,
            "n_seeds": 0,
            "selected": None,
        }
        for (model, metric), value in published.items()
        if (model, metric) not in measured and metric in names
    ]
    return rows


def _values(name: str, cases: Sequence[Case], edges: tuple[Edge, ...], subset: Subset, seed: int) -> dict[str, float]:
    model = model_class(name)(**subset.settings)
    assert isinstance(model, Diagnoser)
    start = time.perf_counter()
    diagnoses = [model.diagnose_case(case, edges, seed=seed) for case in cases]
    seconds = (time.perf_counter() - start) / len(cases)
    diagnoses = [_among(diagnosis, subset.candidate) for diagnosis in diagnoses]
    scores = score_cases(cases, diagnoses, "entity")
    assert scores is not None
    means = scores.means() | {"ap@3": statistics.fmean(map(_average_precision, cases, diagnoses))}
    values = {metric: means[metric] for metric in subset.metrics}
    low, high = scores.interval(subset.metrics[0])
    print(
        f"{subset.name} {name}: "
        + " ".join(f"{m} {v:.3f}" for m, v in values.items())
        + f" ({subset.metrics[0]} of {len(scores.cases)} cases: {low:.3f} to {high:.3f}), {1000 * seconds:.0f} ms a case",
        file=sys.stderr,
        flush=True,
    )
    return values | (_trigger(cases, diagnoses) if subset.trigger and name == "coral" else {})


def _among(diagnosis: Diagnosis, candidate: Callable[[str], bool]) -> Diagnosis:
    causes = (cause for cause in diagnosis.causes if candidate(entity_of(cause.column)))
    return replace(diagnosis, causes=tuple(causes))


def _average_precision(case: Case, diagnosis: Diagnosis, k: int = 3) -> float:
    """Return the mean precision at the ranks of the true causes among the first ``k``, over min(k, causes): AP@K.

    Of entities that are tied it is the mean over their orders: the one at a place is true with probability h / g, and those
    of the group before it hold (h - 1) / (g - 1) more each.
    """
    total, before, found = 0.0, 0, 0
    for group in diagnosis.tied("entity"):
        size, hits = len(group), len(set(group) & set(case.roots))
        for place in range(min(size, k - before)):
            expected = found + 1 + (place * (hits - 1) / (size - 1) if size > 1 else 0)
            total += hits / size * expected / (before + place + 1)
        before, found = before + size, found + hits
        if before >= k:
            break
    return total / min(k, len(case.roots))


def _trigger(cases: Sequence[Case], diagnoses: Sequence[Diagnosis]) -> dict[str, float]:
    score = score_trigger(cases, diagnoses, [seconds_before_onset(case) for case in cases])
    delay = float("nan") if score.median_delay_s is None else score.median_delay_s
    return {
        "onsets detected": float(score.detected),
        "onsets missed": float(score.missed),
        "cases with a false alarm": float(score.false_alarms),
        "median delay s": delay,
    }


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the rows as text, a line a model and metric."""
    # With intervals and a paired test where they were taken, with published values and seeds otherwise.
    shown = ("value", "low", "high", "p") if "p" in rows[0] else ("published", "value", "std")
    width = max(len(row["model"]) for row in rows) + 2
    lines = [f"{'model':{width}}{'metric':36}" + "".join(f"{name:>10}" for name in shown)]
    for row in rows:
        cells = ["–" if row[name] is None else f"{row[name]:.3f}" for name in shown]
        lines.append(f"{row['model']:{width}}{row['metric']:36}" + "".join(f"{cell:>10}" for cell in cells))
    return "\n".join(lines)


def in_megabytes(data: Incidents, ending: str) -> Incidents:
    """Return metrics whose names end so over a million: RCAEval converts memory, and BARO's score needs it."""

    def converted(case: Case) -> Case:
        factors = [1e-6 if column.endswith(ending) else 1.0 for column in case.columns]
        return replace(case, values=case.values * factors)

    return replace(data, cases=tuple(map(converted, data.cases)))

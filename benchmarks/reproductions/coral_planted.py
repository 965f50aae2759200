"""Planted incidents, a data set a seed: causes, both subgraphs, and the trigger's delay.

Edges count without their lag and with their direction. An edge is truly dependent when it appeared or went away with the
fault, or when the fault was a changed weight of the failing metric's causes.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.incidents import CONTROLS, LEARNING_CONTROLS

from distaff.incidents.base import Diagnoser
from distaff.incidents.onsets import seconds_before_onset
from distaff.incidents.rankings import Diagnosis, score_cases, score_trigger
from distaff.model.registry import model_class
from distaff_data.datasets.incidents import Incidents
from distaff_data.planted.incidents import planted_incidents

_METRICS = ("ac@1", "ac@3", "ac@5", "avg@5", "mrr")


def rows(data: Path, n_seeds: int) -> list[dict[str, Any]]:
    values_of: dict[tuple[str, bool, str], list[float]] = {}
    for seed in range(n_seeds):
        planted = planted_incidents(seed=seed)
        for label, name, settings in (
            ("coral", "coral", {}),
            ("coral neural", "coral", {"learner": "neural"}),
            *((name, name, {}) for name in (*CONTROLS, *LEARNING_CONTROLS)),
        ):
            model = model_class(name)(**settings)
            assert isinstance(model, Diagnoser)
            values = _scores(model, planted, seed)
            print(
                f"seed {seed} {label}: " + " ".join(f"{k} {v:.3f}" for k, v in values.items()),
                file=sys.stderr,
                flush=True,
            )
            for metric, value in values.items():
                values_of.setdefault((label, model.control, metric), []).append(value)
        streaming = model_class("coral")(onset="detected")
        assert isinstance(streaming, Diagnoser)
        for metric, value in _triggered(streaming, planted).items():
            values_of.setdefault(("coral", False, metric), []).append(value)
    return [
        {
            "model": label,
            "control": control,
            "metric": metric,
            "published": None,
            "value": statistics.fmean(values),
            "std": statistics.stdev(values) if len(values) > 1 else None,
            "n_seeds": len(values),
            "selected": None,
        }
        for (label, control, metric), values in values_of.items()
    ]


def _scores(model: Diagnoser, planted: Incidents, seed: int) -> dict[str, float]:
    # A model is one configuration with one seed; only controls that draw differ from seed to seed.
    diagnoses = [model.diagnose_case(case, seed=seed if model.control else 0) for case in planted.cases]
    scores = score_cases(planted.cases, diagnoses, "entity")
    assert scores is not None
    values = {metric: scores.means()[metric] for metric in _METRICS}
    return values if model.control else values | edge_scores(planted, diagnoses)


def edge_scores(planted: Incidents, diagnoses: Sequence[Diagnosis]) -> dict[str, float]:
    """Return precision, recall and F1 of both subgraphs, over the edges of all visible cases."""
    cases = {case.name: case for case in planted.cases if case.visible}
    truth: dict[str, set[tuple[str, str, str]]] = {"invariant": set(), "dependent": set()}
    for edge in planted.truth:
        if edge.case in cases:
            case = cases[edge.case]
            reweighted = case.group == "weight" and edge.target in case.root_columns
            subgraph = "dependent" if edge.state != "kept" or reweighted else "invariant"
            truth[subgraph].add((edge.case, edge.source, edge.target))
    learned: dict[str, set[tuple[str, str, str]]] = {"invariant": set(), "dependent": set()}
    for diagnosis in diagnoses:
        if diagnosis.case in cases:
            for learned_edge in diagnosis.edges:
                learned[learned_edge.subgraph].add((diagnosis.case, learned_edge.source, learned_edge.target))
    values: dict[str, float] = {}
    for subgraph in truth:
        hits = len(truth[subgraph] & learned[subgraph])
        precision, recall = hits / max(len(learned[subgraph]), 1), hits / max(len(truth[subgraph]), 1)
        values |= {f"{subgraph} precision": precision, f"{subgraph} recall": recall}
        values[f"{subgraph} F1"] = 2 * hits / max(len(truth[subgraph]) + len(learned[subgraph]), 1)
    return values


def _triggered(model: Diagnoser, planted: Incidents) -> dict[str, float]:
    diagnoses = [model.diagnose_case(case) for case in planted.cases]
    score = score_trigger(planted.cases, diagnoses, [seconds_before_onset(case) for case in planted.cases])
    total = max(score.detected + score.missed + score.false_alarms, 1)
    delay = {} if score.median_delay_s is None else {"median delay rows": score.median_delay_s}
    return {
        "onsets detected": score.detected / total,
        "onsets missed": score.missed / total,
        "false alarms": score.false_alarms / total,
        **delay,
    }

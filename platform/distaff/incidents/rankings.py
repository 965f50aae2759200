"""Rankings of causes and what they are worth: AC@K, Avg@K, PR@K, MAP@K, MRR and how well an onset was found.

A case has a set V of true causes (entities or metrics) and a ranking r:

    AC@K  = 1 if one of the first K is in V          Avg@K = mean of AC@1 ... AC@K   (RCAEval, Pham et al., ASE 2024)
    PR@K  = |first K and V| / min(K, |V|)             MAP@K = mean of PR@1 ... PR@K   (REASON and CORAL, KDD 2023)
    MRR   = 1 / rank of the first of V, 0 where none is ranked

Where scores are equal the order is nobody's: each metric is then its mean over all orders of what is tied, in closed form,
so that neither the order of columns nor names decide. Each is a mean over cases, and each case's value is kept, for
intervals and paired tests.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from math import comb

import numpy as np

from distaff_data.arrays import Floats
from distaff_data.datasets.incidents import Case

KS = (1, 3, 5)
METRICS = (
    *(f"{name}@{k}" for name in ("ac", "avg", "pr", "map") for k in KS),
    "mrr",
)
_DAY = 86_400.0
_RESAMPLES = 2_000
_DIGITS = 12  # of a score that count; the rest is rounding


@dataclass(frozen=True)
class Cause:
    """One metric that may have caused an incident, with what speaks for it.

    Attributes:
        column: The metric, ``entity|metric``.
        score: What it is ranked by; comparable within one case.
        own: Its distance from its normal state.
        propagated: What its place in the causal graph adds, where there is a graph.
        onset: When it left its normal, in seconds; None where it did not.
        path: Metrics from it to the KPI, both included; empty where no path is known.
        new_edges: Its effects since the onset that were none before.
        p_value: The chance of rows so far out if nothing had happened; None where the onset was found in these rows.
    """

    column: str
    score: float
    own: float | None = None
    propagated: float | None = None
    onset: float | None = None
    path: tuple[str, ...] = ()
    new_edges: tuple[str, ...] = ()
    p_value: float | None = None


@dataclass(frozen=True)
class LearnedEdge:
    """A dependency that a model learned.

    Attributes:
        source: Metric that causes.
        target: Metric that is caused.
        subgraph: ``invariant``: it holds in both states; ``dependent``: only in the present one.
        weight: Strength, 0 to 1.
    """

    source: str
    target: str
    subgraph: str
    weight: float


Explanation = tuple[tuple[Cause, ...], tuple[LearnedEdge, ...]]
"""A ranking, most to blame first, and the causal graph, where there is one."""


@dataclass(frozen=True)
class Diagnosis:
    """The answer of a model about one case.

    Attributes:
        case: The case's id.
        causes: Metrics, most to blame first.
        trigger: When the incident began, in seconds: detected or given; None where none was found.
        alarms: Every alarm, in seconds; the last one that the ranking belongs to is ``trigger``.
        edges: The causal graph, where the model has one.
        graph: The graph that the ranking is by: ``given``, ``learned``, or ``none`` where it is by the metrics' own scores
            alone; None where that is not known.
        warnings: What a reader of the ranking has to know, a sentence each.
        likely: Entities that hold the true cause in nine of ten cases; empty where that cannot be told, None where it was
            not asked; see :mod:`~distaff.incidents.cause_sets`.
        changes: What changed shortly before, a sentence each; see :mod:`~distaff.incidents.changes`.
        p_value: The chance of such a case if nothing had happened; see :mod:`~distaff.incidents.chance`. None where the
            onset was found in its rows.
    """

    case: str
    causes: tuple[Cause, ...]
    trigger: float | None
    alarms: tuple[float, ...] = ()
    edges: tuple[LearnedEdge, ...] = field(default=(), repr=False)
    graph: str | None = None
    warnings: tuple[str, ...] = ()
    likely: tuple[str, ...] | None = None
    changes: tuple[str, ...] = ()
    p_value: float | None = None

    @property
    def columns(self) -> list[str]:
        """The ranking of metrics."""
        return [cause.column for cause in self.causes]

    @property
    def entities(self) -> list[str]:
        """The ranking of entities: each at the place of its best metric."""
        return list(dict.fromkeys(column.partition("|")[0] for column in self.columns))

    def tied(self, level: str) -> list[list[str]]:
        """Return the ranking of entities or metrics as groups of equal score, each entity in that of its best metric."""
        best: dict[str, float] = {}
        for cause in self.causes:
            best.setdefault(cause.column.partition("|")[0] if level == "entity" else cause.column, cause.score)
        return [list(names) for _, names in groupby(best, key=best.__getitem__)]


def ranked(causes: Sequence[Cause]) -> tuple[Cause, ...]:
    """Return causes by score, those of equal score by name; scores that differ by rounding alone become equal."""
    rounded = [replace(cause, score=float(f"{cause.score:.{_DIGITS}g}")) for cause in causes]
    return tuple(sorted(rounded, key=lambda cause: (-cause.score, cause.column)))


def score_ranking(ranking: Sequence[str | Collection[str]], truth: Sequence[str]) -> dict[str, float]:
    """Return the metrics of one ranking, by name; see the module.

    Args:
        ranking: Best first, a name or a group of names that are tied each; may be shorter than K.
        truth: What failed, at least one.
    """
    causes = set(truth)
    depth = np.arange(1, max(KS) + 1)
    blamed, total, reciprocal = np.zeros(len(depth)), np.zeros(len(depth)), 0.0
    before = hits_before = 0
    for group in ranking:
        names = {group} if isinstance(group, str) else set(group)
        size, hits = len(names), len(names & causes)
        taken = np.clip(depth - before, 0, size)
        total += taken * hits / size
        if hits and not hits_before:
            missed = [comb(size - hits, int(n)) / comb(size, int(n)) for n in taken]
            blamed = 1.0 - np.array(missed)
            reciprocal = _mean_reciprocal(before, size, hits)
        before, hits_before = before + size, hits_before + hits
    curves = {"ac": blamed, "pr": total / np.minimum(depth, len(causes))}
    values = {f"{name}@{k}": float(curve[k - 1]) for name, curve in curves.items() for k in KS}
    for name, curve in (("avg", curves["ac"]), ("map", curves["pr"])):
        values |= {f"{name}@{k}": float(curve[:k].mean()) for k in KS}
    return values | {"mrr": reciprocal}


def _mean_reciprocal(before: int, size: int, hits: int) -> float:
    """Return the mean of 1 / rank of the first of ``hits`` true causes over the orders of ``size`` that are tied."""
    orders = comb(size, hits)
    places = range(1, size - hits + 2)
    return sum(comb(size - place, hits - 1) / orders / (before + place) for place in places)


@dataclass(frozen=True)
class CaseScores:
    """Values of each case that could be scored at one level, entity or metric.

    Attributes:
        cases: Their ids.
        values: By metric, ``(n_cases,)``.
    """

    cases: tuple[str, ...]
    values: Mapping[str, Floats]

    def means(self) -> dict[str, float]:
        """Return the mean over cases of every metric."""
        return {name: float(values.mean()) for name, values in self.values.items()}

    def interval(self, metric: str, *, seed: int = 0) -> tuple[float, float]:
        """Return the 95 % bootstrap interval of a metric's mean over cases."""
        values = self.values[metric]
        rng = np.random.default_rng(seed)
        means = values[rng.integers(0, len(values), (_RESAMPLES, len(values)))].mean(1)
        low, high = np.quantile(means, [0.025, 0.975])
        return float(low), float(high)


def score_cases(cases: Sequence[Case], diagnoses: Sequence[Diagnosis], level: str) -> CaseScores | None:
    """Score rankings at the ``entity`` or ``metric`` level; None where no case's causes are known at that level.

    Cases whose fault does not reach the KPI are left out: there is no incident to explain.

    Args:
        cases: The incidents.
        diagnoses: One for each case, in the same order.
        level: ``entity`` or ``metric``.
    """
    names, scored = [], []
    for case, diagnosis in zip(cases, diagnoses, strict=True):
        truth = case.roots if level == "entity" else case.root_columns
        if truth and case.visible:
            names.append(case.name)
            scored.append(score_ranking(diagnosis.tied(level), truth))
    if not scored:
        return None
    return CaseScores(tuple(names), {metric: np.array([row[metric] for row in scored]) for metric in METRICS})


@dataclass(frozen=True)
class TriggerScore:
    """The accuracy of detected onsets, over the visible cases whose onset is known.

    Attributes:
        detected: Cases whose first alarm came at or after the onset.
        missed: Cases without any alarm, or with none after the onset.
        false_alarms: Cases with an alarm before the onset.
        median_delay_s: Seconds from the onset to the first alarm, over the detected cases; None without any.
        false_alarms_per_day: Alarms before the onset over the normal time that was watched.
    """

    detected: int
    missed: int
    false_alarms: int
    median_delay_s: float | None
    false_alarms_per_day: float

    def as_dict(self) -> dict[str, object]:
        """Return plain values, ready for JSON."""
        return dict(vars(self))


def score_trigger(
    cases: Sequence[Case], diagnoses: Sequence[Diagnosis], normal_seconds: Sequence[float]
) -> TriggerScore:
    """Compare first alarms with the true onsets.

    Args:
        cases: The incidents.
        diagnoses: One for each case, in the same order.
        normal_seconds: Seconds before the onset in which the trigger was on, for each case.
    """
    detected = missed = false_alarms = early = 0
    delays, seconds = [], 0.0
    for case, diagnosis, normal in zip(cases, diagnoses, normal_seconds, strict=True):
        if case.onset is None or not case.visible:
            continue
        before = [time for time in diagnosis.alarms if time < case.onset]
        early, seconds = early + len(before), seconds + normal
        if before:
            false_alarms += 1
        elif diagnosis.alarms:
            detected += 1
            delays.append(diagnosis.alarms[0] - case.onset)
        else:
            missed += 1
    per_day = early * _DAY / seconds if seconds else 0.0
    return TriggerScore(detected, missed, false_alarms, float(np.median(delays)) if delays else None, per_day)

"""Sets of entities that hold the true cause in nine of ten cases, by split conformal prediction over cases.

A case's *share* is the score of its true cause over that of the first of the ranking, both the best of their entity's
metrics. Of n cases with known causes, the k-th smallest share with k = floor((n + 1) / 10) is the least that a cause needs:
the set of a new case of the same kind, all entities with at least that share, then holds the true one with a probability of
at least 0.9 (Vovk et al., 2005).

Where fewer than ten such cases are known the share is the model's own: the one that nine in ten true causes reach on nine in
ten of the sets of ``benchmarks/reproduce.py incidents`` (:func:`share_of_systems`). How often it holds the cause on a set
that was left out is printed there; a system of another kind may be held less often. A log of states without a given graph
has no set then (:func:`tells_shares`). A set that holds more than half of the entities tells nothing. Both are said instead.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from math import floor

import numpy as np

from distaff.incidents.rankings import Diagnosis
from distaff_data.arrays import Floats
from distaff_data.datasets.incidents import Case, entity_of

COVERAGE = 0.9
SUCH = "such: like the incidents by which the sets were measured; of another kind of system nobody knows"
"""The words beside a set of causes."""
UNTOLD = (
    "cannot be told from these metrics: more than half are likely, or they are a log of states without a known graph"
)
"""The words after "which entity is the cause" where a set is empty."""
LEAST_CASES = 10  # with known causes, from which a data set has a share of its own
_MOST = 0.5  # of the entities, beyond which a set tells nothing
_STATES = 0.5  # of the metrics that vary, beyond which two values make a log of states


def shares(diagnosis: Diagnosis) -> dict[str, float]:
    """Return each entity's best score over that of the first, by entity, largest first; empty without positive scores."""
    best: dict[str, float] = {}
    for cause in diagnosis.causes:
        best.setdefault(entity_of(cause.column), cause.score)
    top = max(best.values(), default=0.0)
    return {entity: score / top for entity, score in best.items()} if top > 0 else {}


def least_share(of_true_causes: Sequence[float]) -> float:
    """Return the least share of an entity in a set, from those of true causes; 0 where they are too few for one."""
    k = floor((len(of_true_causes) + 1) * (1 - COVERAGE) + 1e-9)
    return sorted(of_true_causes)[k - 1] if k else 0.0


def share_of_systems(of_true_causes: Sequence[Sequence[float]]) -> float:
    """Return the share that nine in ten true causes reach on nine in ten systems, from those of each system.

    One share over all cases together would be a mean over systems: some would be held far less often.
    """
    return _reached([_reached(of_system) for of_system in of_true_causes])


def _reached(values: Sequence[float]) -> float:
    """Return the value that nine in ten reach."""
    return sorted(values)[floor((len(values) - 1) * (1 - COVERAGE) + 1e-9)]


def tells_shares(normal: Floats, graph: str | None) -> bool:
    """Return whether shares of other systems say anything of one with these normal rows ``(n, M)``.

    Of a log of states, where most metrics that vary go to and fro between two values, ranked without a given graph, they
    do not: a state is out or is not, so that all that follows a cause scores as it does. On each of the two such sets of
    ``benchmarks/reproduce.py incidents`` the share of all others holds less than half of the causes.
    """
    if graph == "given" or not len(normal):
        return True
    low, high = np.fmin.reduce(normal, axis=0), np.fmax.reduce(normal, axis=0)  # of what is there
    varies = low < high
    two = ((normal == low) | (normal == high) | np.isnan(normal)).all(axis=0)
    return bool(varies.any()) and bool(two[varies].mean() <= _STATES)


def cause_set(diagnosis: Diagnosis, least: float) -> tuple[str, ...]:
    """Return the entities with at least this share, most blamed first; empty where that are too many to tell anything."""
    of_entities = shares(diagnosis)
    chosen = tuple(entity for entity, share in of_entities.items() if share >= least * (1 - 1e-12))
    return chosen if len(chosen) <= max(_MOST * len(of_entities), 1) else ()


def with_cause_sets(cases: Sequence[Case], diagnoses: Sequence[Diagnosis]) -> tuple[Diagnosis, ...]:
    """Return the diagnoses with the sets of causes that these incidents tell.

    Where ten or more cases have known causes, each case's set is by those of all others. Otherwise each keeps the set that
    it has, by the model's own share.

    Args:
        cases: The incidents.
        diagnoses: One for each case, in the same order.
    """
    known = {
        number: max((shares(diagnosis).get(root, 0.0) for root in case.roots), default=0.0)
        for number, (case, diagnosis) in enumerate(zip(cases, diagnoses, strict=True))
        if case.roots and case.visible and diagnosis.causes
    }
    ordered = sorted(known.values())
    found = []
    for number, diagnosis in enumerate(diagnoses):
        others = ordered.copy()
        if number in known:
            others.pop(bisect_left(others, known[number]))
        enough = len(others) >= LEAST_CASES - 1
        found.append(replace(diagnosis, likely=cause_set(diagnosis, least_share(others))) if enough else diagnosis)
    return tuple(found)


def coverage(cases: Sequence[Case], diagnoses: Sequence[Diagnosis]) -> dict[str, float] | None:
    """Return how often sets told anything and held a true cause, and their mean size; None without a case to tell by."""
    judged = [
        (set(diagnosis.likely), case)
        for case, diagnosis in zip(cases, diagnoses, strict=True)
        if diagnosis.likely is not None and diagnosis.causes and case.roots and case.visible
    ]
    if not judged:
        return None
    telling = [(chosen, case) for chosen, case in judged if chosen]
    held = sum(bool(chosen & set(case.roots)) for chosen, case in telling)
    return {
        "cases": float(len(judged)),
        "told": len(telling) / len(judged),
        # A set that holds more than half of the entities is shown as none; all entities hold the cause.
        "coverage": (held + len(judged) - len(telling)) / len(judged),
        "coverage where told": held / len(telling) if telling else float("nan"),
        "mean size where told": sum(len(chosen) for chosen, _ in telling) / len(telling) if telling else float("nan"),
    }

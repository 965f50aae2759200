"""What shows that a model forgot: equality with training without the people, or an attack that could have found them.

An attack on one person compares a handful of items, so an AUC of 1/2 is found whether or not the model remembers. What it
would have found says how much its silence is worth; over all people of single requests together it is worth more.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass

from distaff.forgetting.attack import POWER, Membership
from distaff_data.workspace import Workspace

EXACT = ("downdate", "refit")
_CONVINCING = 0.6  # an attack that would not have found this AUC proves nothing
_BY_TIME = ("temporal", "leave-last-out")

_SETTINGS = """
SELECT settings::JSON->>'split' AS split FROM datasets WHERE dataset = ?
"""
_SINGLE = """
SELECT r.model, f.subjects[1] AS person, avg(m.before) AS before, avg(m.after) AS after
FROM forgotten_models m JOIN forgettings f USING (forgetting) JOIN runs r ON r.run = m.run
WHERE f.dataset = ? AND len(f.subjects) = 1 AND m.after IS NOT NULL
GROUP BY ALL ORDER BY r.model, person
"""


@dataclass(frozen=True)
class Pooled:
    """The attacks of all requests for one person each, on models of one kind, taken together.

    Attributes:
        model: Registry name.
        people: How many people; each counts once, however many runs of the model there were.
        before, after: Mean AUC over them.
        low, high: The 95 % interval of ``after`` over people; None for one person.
        detectable: The smallest AUC that would have been found with 80 % power; None for one person.
    """

    model: str
    people: int
    before: float
    after: float
    low: float | None
    high: float | None
    detectable: float | None


def confounded(workspace: Workspace, dataset: str) -> str | None:
    """Return why training and held-out items of a dataset differ in more than the fit; None where they do not."""
    rows = workspace.warehouse.rows(_SETTINGS, [dataset])
    split = str(rows[0]["split"] or "") if rows else ""
    if split.partition(":")[0] in _BY_TIME:
        return f"held-out items are later than training items ({split}): the AUC is confounded with age"
    if split == "given":
        return "the split came with the data: where it goes by time, the AUC is confounded with age"
    return None


def of_model(method: str, attack: Membership, confounder: str | None) -> tuple[str, str | None]:
    """Return what shows that a model forgot (``equality``, ``attack`` or ``none``), and what is to be known about it."""
    remarks = [] if confounder is None or attack.auc is None else [confounder]
    if attack.auc is None or attack.detectable is None:
        remarks.append("no attack: too few items held out, or the model takes no history")
    elif attack.detectable > _CONVINCING:
        remarks.append(f"the attack would not have found an AUC below {attack.detectable:.2f}, so it proves nothing")
    if method in EXACT:
        return "equality", "; ".join(remarks) or None
    return ("none" if remarks else "attack"), "; ".join(remarks) or None


def pooled(workspace: Workspace, dataset: str) -> list[Pooled]:
    """Return the attacks of all requests for single people of a dataset, a line for each kind of model."""
    by_model: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for row in workspace.warehouse.rows(_SINGLE, [dataset]):
        by_model[row["model"]].append((row["before"], row["after"]))
    return [_pool(model, values) for model, values in by_model.items()]


def _pool(model: str, values: list[tuple[float, float]]) -> Pooled:
    n = len(values)
    before, after = (sum(value[side] for value in values) / n for side in (0, 1))
    if n == 1:
        return Pooled(model, n, before, after, None, None, None)
    error = math.sqrt(sum((value[1] - after) ** 2 for value in values) / (n - 1) / n)
    low, high = max(after - 1.96 * error, 0.0), min(after + 1.96 * error, 1.0)
    return Pooled(model, n, before, after, low, high, min(0.5 + POWER * error, 1.0))

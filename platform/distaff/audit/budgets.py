"""A control's search: was it tried as much as the models, or until more of it brought nothing.

A model that chooses itself judges hundreds of blends in one fit, each at the cost of a product. A control with few settings
would have to be fitted as often to have as many, though its best is found long before. So a count alone is no measure of a
search: one that varied all its settings, had the defaults among them and has stopped improving is as good.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from distaff.audit.history import Records
from distaff.board.kinds import base_of
from distaff.model.base import Model
from distaff.model.config import Choices
from distaff.runs.records import TRAIN

SHARE = 0.5  # of a model's configurations that a control is tried with at least
ENOUGH = 12  # configurations of its own from which on a search may have come to its end
FLAT = 0.01  # of its best value: what the last third of such a search improves at most


@dataclass(frozen=True)
class Search:
    """The configurations of one model that were measured on validation, in the order in which they were.

    Attributes:
        configs: All settings of each.
        values: What the first run of each scored.
        less_is_better: Whether less of that is better.
    """

    configs: Sequence[Mapping[str, Any]]
    values: Sequence[float]
    less_is_better: bool

    @classmethod
    def of(cls, history: Records, model: str) -> Search:
        """Return the search of a model on the dataset as it is now, its sweeps included."""
        rows = history.workspace.warehouse.rows(
            "SELECT r.settings, arg_min(r.config, r.started_at) AS config, arg_min(m.value, r.started_at) AS value "
            "FROM runs r JOIN metrics m USING (run) WHERE r.dataset = ? AND r.model = ? AND r.status = 'done' "
            "AND r.dataset_generation = ? AND coalesce(r.fitted_on, 'train') = ? AND m.split = 'valid' AND m.metric = ? "
            "GROUP BY r.settings ORDER BY min(r.started_at)",
            [history.dataset, model, history.generation, TRAIN, history.choice.metric],
        )
        configs, values = [json.loads(row["config"]) for row in rows], [row["value"] for row in rows]
        return cls(configs, values, base_of(history.kind).less_is_better(history.choice.metric))

    def gain(self) -> float:
        """Return by how much the last third improved the best value, as a share of it."""
        pick = min if self.less_is_better else max
        first = len(self.values) - len(self.values) // 3
        before, best = pick(self.values[:first]), pick(self.values)
        return abs(best - before) / max(abs(best), 1e-12)

    def shortcoming(self, model: type[Model[Any]]) -> str | None:
        """Return why the search has not come to its end; None where it has."""
        space = model.Config.search_space()
        n = len(self.values)
        if n >= _size(model):
            return None
        if n < ENOUGH:
            return f"fewer than {ENOUGH} of its own"
        fixed = sorted(name for name in space if len({json.dumps(config.get(name)) for config in self.configs}) == 1)
        if fixed:
            return f"{', '.join(fixed)} always the same"
        defaults = model.Config().model_dump(mode="json")
        if not any(all(config.get(name) == defaults[name] for name in space) for config in self.configs):
            return "never with its defaults"
        if self.gain() > FLAT:
            return f"the last third still raised its best by {self.gain():.1%}"
        return None


def _size(model: type[Model[Any]]) -> float:
    """Return how many configurations a model's search space has."""
    space = model.Config.search_space().values()
    return prod(len(what.values) if isinstance(what, Choices) else float("inf") for what in space)

"""The verdict on a model beside its best control: the board's own comparison, in one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from distaff_dashboards.ui import wording

if TYPE_CHECKING:
    from distaff.board.board import BoardRow


@dataclass(frozen=True)
class Verdict:
    """What to think of a model.

    Attributes:
        level: ``good`` where the gap holds, ``bad`` where a control leads or there is none, ``open`` otherwise.
        text: Markdown; what comes from data is escaped.
    """

    level: Literal["good", "bad", "open"]
    text: str


def leader(rows: Sequence[BoardRow], metric: str, *, control: bool) -> BoardRow | None:
    """Return the best model, or the best control, by its mean on validation; in the board's order where it has none."""
    group = [row for row in rows if row.control is control and metric in row.metrics]

    def place(row: BoardRow) -> float:
        return wording.sign(metric) * row.validation[metric].mean if metric in row.validation else float("-inf")

    return max(group, key=place, default=None)


def verdict(model: BoardRow | None, control: BoardRow | None, metric: str) -> Verdict:
    """Return whether a model's gap to the best control holds on a metric, by the paired test that the board made."""
    if control is None:
        return Verdict(
            "bad", "**No control has been trained on this dataset.** Without one, these numbers say nothing."
        )
    if model is None:
        return Verdict("open", "Only controls so far: this is the bar that a model has to clear.")
    name = wording.escape(metric)
    best, bar, sign = model.metrics[metric].mean, control.metrics[metric].mean, wording.sign(metric)
    models, controls = wording.escape(model.model), wording.escape(control.model)
    numbers = f"{models} {wording.number(best)}, best control {controls} {wording.number(bar)}"
    paired = model.comparison
    tested = paired is not None and paired.metric == metric and paired.against == control.model
    if sign * bar >= sign * best:
        return Verdict("bad", f"**A control leads.** On {name}, {numbers}. Prefer the control, or find out why first.")
    if tested and paired is not None and wording.significant(paired) and sign * paired.difference > 0:
        side = "above" if sign > 0 else "below"
        return Verdict("good", f"**{models} is {side} every control** on {name}: {numbers}.")
    unknown = paired is not None and paired.p_value is None
    why = "what another seed would give is unknown" if unknown else "the difference could be chance"
    why = why if tested else f"the paired test was not made on {name}"
    extreme = "highest" if sign > 0 else "lowest"
    return Verdict("open", f"**{models} has the {extreme} mean** on {name}, but {why}: {numbers}.")

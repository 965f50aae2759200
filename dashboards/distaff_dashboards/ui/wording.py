"""Plain words for numbers, rows and comparisons."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from distaff.incidents.cause_sets import SUCH, UNTOLD

if TYPE_CHECKING:
    from distaff.board.board import BoardRow
    from distaff.stats.crossed import Comparison
    from distaff.stats.intervals import Interval

METRICS: Mapping[str, str] = {
    "recall": "share of a user's held-out items that are among the first {k}",
    "ndcg": "like recall, but an item higher up counts more; 1 is a perfect order of the first {k}",
    "precision": "share of the first {k} items that the user took",
    "hitrate": "share of users with at least one hit among the first {k}",
    "mrr": "one over the rank of the first hit among the first {k}, 0 without one",
    "map": "precision averaged over ranks among the first {k}: those of the hits, or for causes of incidents all of them",
    "ac": "share of incidents with a true cause among the first {k}",
    "accuracy": "share of windows whose class is right",
    "macrof1": "mean over the classes of the harmonic mean of precision and recall",
    "kappa": "agreement with the true classes beyond chance: 0 is chance, 1 is perfect",
    "mse": "mean squared error of forecasts up to {k} rows ahead, in squared training deviations; less is better",
    "mae": "mean absolute error of forecasts up to {k} rows ahead, in training deviations; less is better",
    "avg": "mean of ac@1 to ac@{k}",
    "pr": "share of an incident's true causes that are among the first {k}",
    "coverage": "share of the catalogue that occurs in anyone's first {k}",
    "gini": "how unevenly items are recommended in the first {k}: 0 all alike, 1 one item for everyone",
    "popularity": "mean popularity of the items in the first {k}",
}
_LESS = ("mse", "mae")
_DESCRIPTIVE = ("coverage", "gini", "popularity")
_SIGNIFICANT = 0.05
_ADDRESS = re.compile(
    r"https?:(?=//)|www(?=\.)|@(?=[\w-]+\.[\w-])|(?:mailto|xmpp):", re.IGNORECASE
)  # what GitHub's Markdown makes links of; recall@20 is none
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!|~$:<>&])")


def escape(text: str) -> str:
    """Return text from outside so that Markdown shows it as it is, and makes no link of a bare address in it.

    Addresses are found in the text after it was unescaped, so that only what divides them keeps them from it: an invisible
    character of no width, at which no line breaks either.
    """
    return _MARKDOWN.sub(r"\\\1", _ADDRESS.sub("\\g<0>\N{WORD JOINER}", text))


def define(metric: str) -> str:
    """Return a metric with its meaning, for a tooltip."""
    meaning = METRICS.get(_family(metric))
    return f"{metric}: {meaning.format(k=metric.partition('@')[2] or 'all')}" if meaning else metric


def is_score(metric: str) -> bool:
    """Tell whether a metric says how good a model is; some only describe the lists."""
    return _family(metric) not in _DESCRIPTIVE


def sign(metric: str) -> int:
    """Return 1 where more of a metric is better, -1 where less is."""
    return -1 if _family(metric) in _LESS else 1


def row_labels(rows: Sequence[BoardRow]) -> list[str]:
    """Return a label for each row: the model's name, with its settings where a name occurs more than once."""
    count = Counter(row.model for row in rows)
    return [row.model if count[row.model] == 1 else f"{row.model} ({settings(row.settings)})" for row in rows]


def settings(values: Mapping[str, object]) -> str:
    """Return settings that differ from the defaults on one line."""
    return ", ".join(f"{name}={plain(value)}" for name, value in values.items()) or "defaults"


def plain(value: object) -> str:
    """Return the value of a setting as a person would type it."""
    if isinstance(value, list | tuple):
        return ",".join(map(plain, value))
    return "none" if value is None else value if isinstance(value, str) else json.dumps(value)


def number(value: float) -> str:
    """Return a number with four decimals, or fewer above 10."""
    return f"{value:.4f}" if abs(value) < 10 else f"{value:,.1f}"


def short(value: float) -> str:
    """Return a number with two significant digits, for ticks."""
    return f"{value:.2g}"


def interval(value: Interval) -> str:
    """Return a mean with its 95 % interval over seeds; one seed says so."""
    if value.low is None or value.high is None:
        return f"{number(value.mean)} (one seed)"
    return f"{number(value.mean)} [{number(value.low)}, {number(value.high)}]"


def p_value(p: float) -> str:
    """Return a p value as people write it."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def significant(comparison: Comparison) -> bool:
    """Tell whether the test, corrected for the number of rows, tells the difference from chance at 5 %."""
    p = comparison.p_value if comparison.p_holm is None else comparison.p_holm
    return p is not None and p < _SIGNIFICANT


def compare(label: str, comparison: Comparison) -> str:
    """Return one comparison as a sentence."""
    against = f"{comparison.against} on {comparison.metric}"
    if comparison.p_value is None or comparison.low is None or comparison.high is None:
        return (
            f"{label} cannot be told from {against}: difference {comparison.difference:+.4f}, but what another seed would "
            "give is unknown; more seeds: --seeds 3."
        )
    corrected = "" if comparison.p_holm is None else f" ({p_value(comparison.p_holm)} after Holm)"
    borrowed = ", seed variance borrowed from other runs" if comparison.seed_variance == "borrowed" else ""
    evidence = (
        f"95 % interval {comparison.low:+.4f} to {comparison.high:+.4f}, "
        f"{p_value(comparison.p_value)}{corrected}, paired over {comparison.n_units:,} units{borrowed}"
    )
    if not significant(comparison):
        return f"{label} cannot be told from {against}: difference {comparison.difference:+.4f}, {evidence}."
    side = "above" if comparison.difference > 0 else "below"
    return f"{label} is {abs(comparison.difference):.4f} {side} {against}, {evidence}."


def _family(metric: str) -> str:
    """Return the metric's name without its list length: a key of ``METRICS``."""
    return metric.removeprefix("metric:").partition("@")[0].replace("_", "").removeprefix("mean")


def of_likely(entities: Sequence[str] | None) -> str:
    """Return which entities a published ranking holds likely."""
    if entities is None:
        return "How sure the ranking is was not asked."
    if not entities:
        return f"Which entity is the cause {UNTOLD}."
    return f"In nine of ten such cases the cause is among: {', '.join(entities)} ({SUCH})."

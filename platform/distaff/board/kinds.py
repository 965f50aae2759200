"""The kinds of data, and the base class of each kind's models."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from distaff.incidents.base import Diagnoser
from distaff.model.base import Model
from distaff.recommenders.base import Recommender
from distaff.series.model import SeriesModel

_BASES: tuple[type[Model[Any]], ...] = (Recommender, Diagnoser, SeriesModel)


def base_of(kind: str) -> type[Model[Any]]:
    """Return the base class of the models of a kind of dataset, by the name that ``datasets.kind`` holds."""
    return next(base for base in _BASES if base.kind == kind)


def shown(metrics: Iterable[str]) -> list[str]:
    """Return those of some metrics that tables on a terminal show."""
    measured = set(metrics)
    return [name for base in _BASES for name in base.shown if name in measured]

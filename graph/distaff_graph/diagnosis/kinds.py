"""The kind of a metric by its name: of the inside of a component, and one that rises where something is wrong."""

from __future__ import annotations

import re

import numpy as np

from distaff_data.arrays import Bools
from distaff_data.datasets.incidents import metric_of

_INSIDE = re.compile(
    r"cpu|mem|heap|\bgc\b|disk|\bio\b|iops|file|socket|thread|\bfds?\b|load_?avg|swap|queue|\bpool", re.IGNORECASE
)
_RISES = re.compile(
    r"cpu|mem|heap|\bgc\b|disk|latenc|\blat\b|error|fail|duration|\btime\b|socket|thread|queue|swap", re.IGNORECASE
)


def insides(columns: tuple[str, ...]) -> Bools:
    """Return which metrics measure the inside of their component, ``(M,)``, by their names."""
    return _named(columns, _INSIDE)


def rising(columns: tuple[str, ...]) -> Bools:
    """Return which metrics rise where something is wrong, ``(M,)``, by their names: where they fall, work stays away."""
    return _named(columns, _RISES)


def _named(columns: tuple[str, ...], pattern: re.Pattern[str]) -> Bools:
    words = (re.sub(r"[_\-.:/]", " ", metric_of(name)) for name in columns)
    return np.array([pattern.search(name) is not None for name in words], dtype=bool)

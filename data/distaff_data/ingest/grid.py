"""Rows in any order to series: sorted by entity and time, with gaps in the time stamps made visible."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import torch

from distaff_data.arrays import Floats, Ints
from distaff_data.datasets.covariates import Covariates
from distaff_data.datasets.series import Series
from distaff_data.errors import InputError

_TOLERANCE = 0.01  # of a step, by which a time stamp may miss its grid
_MOST = 20  # grid rows for each row of the source; beyond that a gap is a break, not something that was missed

Where = Callable[[int, str], Mapping[str, Any]]
"""Maps a 0-based row and a role (entity, time, label, group, split) to the arguments that locate it in an error."""


@dataclass(frozen=True)
class SeriesRows:
    """Rows as a source has them.

    Attributes:
        values: ``(n, C)``, NaN where missing.
        channels: Names of the C channels.
        entity: Id of each row's entity; None when there is one entity.
        time: Seconds; None when rows are in order and evenly spaced.
        label, group, split: Of each row; None where the source has none.
        covariates: Of each row, in the order of its rows; None where the source has none.
    """

    values: npt.NDArray[np.floating]
    channels: tuple[str, ...]
    entity: pa.StringArray | None = None
    time: Floats | None = None
    label: pa.StringArray | None = None
    group: pa.StringArray | None = None
    split: npt.NDArray[np.int8] | None = None
    covariates: Covariates | None = None


@dataclass(frozen=True)
class Arranged:
    """Series, how many rows were put in for gaps, and whether the time stamps lie on a grid."""

    data: Series
    gap_rows: int
    regular: bool


def arrange(rows: SeriesRows, name: str, where: Where, *, step: float | None = None, whole: bool = False) -> Arranged:
    """Sort rows and put rows of missing values where a regular grid has gaps.

    The step is the commonest distance between neighbours. Where every distance is a whole number of steps, the rows in
    between are put in; otherwise rows are kept as they come and only their order counts.

    Args:
        rows: The rows.
        name: The dataset's name.
        where: Locates a row for messages.
        step: Seconds between rows; the commonest distance when None.
        whole: Whether each entity is one window.

    Raises:
        InputError: Two rows of one entity at one time, several labels or groups of one entity, or, with ``step``, a time
            stamp off the grid.
    """
    n = len(rows.values)
    codes, ids = _entities(rows.entity, n)
    time = np.arange(n, dtype=np.float64) if rows.time is None else rows.time
    order = np.lexsort((time, codes))
    codes, time = codes[order], time[order]
    lengths = np.bincount(codes, minlength=len(ids))
    gaps = np.diff(time)[codes[1:] == codes[:-1]]
    _refuse_twice(codes, time, order, where)
    labels, groups = (
        _constant(column, codes, order, role, where) for column, role in ((rows.label, "label"), (rows.group, "group"))
    )
    values, split = rows.values[order], None if rows.split is None else rows.split[order]
    beside = (
        None if rows.covariates is None else _of_entities(rows.covariates.numbers()[order], rows, codes, order, where)
    )
    place, regular = _places(codes, time, gaps, step, order, where)
    if rows.time is None:
        time = time - np.repeat(time[np.cumsum(lengths) - lengths], lengths)
    if regular and len(place) and place[-1] + 1 > n:
        total = int(place[-1]) + 1
        lengths = np.diff(np.append(place[np.cumsum(lengths) - lengths], total))
        before = np.searchsorted(place, np.arange(total), side="right") - 1
        wide = np.full((total, values.shape[1]), np.nan, dtype=values.dtype)
        wide[place] = values
        if beside is not None and rows.covariates is not None:
            last = beside[before]  # what never changes holds in gaps too
            between = np.isin(np.arange(total), place, invert=True)
            last[np.ix_(between, ~rows.covariates.having("static").numpy())] = np.nan
            beside = last
        spacing = step or _commonest(gaps)
        time = time[before] + spacing * (np.arange(total) - place[before])
        values, split = wide, None if split is None else split[before]
    data = Series.from_rows(
        values,
        lengths,
        name=name,
        channels=rows.channels,
        entities=ids,
        times=time,
        labels=labels,
        groups=groups,
        whole=whole,
    )
    if split is not None:
        data = data.with_splits(torch.from_numpy(split))
    if beside is not None and rows.covariates is not None:
        data = replace(data, covariates=Covariates.of(rows.covariates.columns, beside))
    return Arranged(data, len(values) - n, regular)


def _of_entities(
    numbers: npt.NDArray[np.float32], rows: SeriesRows, codes: Ints, order: Ints, where: Where
) -> npt.NDArray[np.float32]:
    """Return numbers of sorted rows with those of static covariates at every row of their entity, missing or not.

    Raises:
        InputError: An entity has two values of a static covariate.
    """
    assert rows.covariates is not None
    for place in np.flatnonzero(rows.covariates.having("static").numpy()):
        frame = pl.DataFrame({"entity": codes, "value": numbers[:, place]}).with_columns(pl.col("value").fill_nan(None))
        first = frame.select(pl.col("value").drop_nulls().first().over("entity")).to_series()
        differs = np.flatnonzero((frame["value"] != first).fill_null(False).to_numpy())
        if len(differs):
            name = rows.covariates.columns[place].name
            row = int(order[differs].min())
            raise InputError(
                "a static covariate is the same in all rows of an entity, and this row has another value",
                **{**where(row, "covariate"), "column": name},
            )
        numbers[:, place] = first.to_numpy()
    return numbers


def _entities(entity: pa.StringArray | None, n: int) -> tuple[Ints, pa.StringArray]:
    """Return the codes of entities by first appearance, and their ids."""
    if entity is None:
        return np.zeros(n, dtype=np.int64), pa.array(["1"])
    coded = entity.dictionary_encode()
    return coded.indices.to_numpy().astype(np.int64), coded.dictionary


def _refuse_twice(codes: Ints, time: Floats, order: Ints, where: Where) -> None:
    twice = np.flatnonzero((codes[1:] == codes[:-1]) & (time[1:] == time[:-1]))
    if len(twice):
        later = int(np.maximum(order[twice], order[twice + 1]).min())
        raise InputError("there is a row of this entity and time already", **where(later, "time"))


def _constant(
    column: pa.StringArray | None, codes: Ints, order: Ints, role: str, where: Where
) -> pa.StringArray | None:
    """Return the value of each entity; refuse an entity with several."""
    if column is None:
        return None
    rows = pl.DataFrame({"entity": codes, "row": order, "value": pl.Series(column)[order].fill_null("")})
    first = pl.col("value").first().over("entity")
    row = rows.filter(pl.col("value") != first).select(pl.col("row").min()).item()
    if row is not None:
        raise InputError(f"an entity has one {role}, and this row has another", **where(int(row), role))
    return column.take(pa.array(order[np.searchsorted(codes, np.arange(codes[-1] + 1))]))


def _places(
    codes: Ints,
    time: Floats,
    gaps: Floats,
    step: float | None,
    order: Ints,
    where: Where,
) -> tuple[Ints, bool]:
    """Return the place of each row on the grids of all entities end to end, and whether there is a grid."""
    n = len(codes)
    if not len(gaps):
        return np.arange(n), True
    spacing = _commonest(gaps) if step is None else step
    steps = np.ones(n)
    inside = codes[1:] == codes[:-1]
    steps[1:][inside] = gaps / spacing
    steps[0] = 0
    whole = np.rint(steps)
    off = np.flatnonzero((np.abs(steps - whole) > _TOLERANCE * np.maximum(whole, 1)) | (whole < 1) & (np.arange(n) > 0))
    if step is not None and len(off):
        raise InputError(
            f"the time stamp is not a whole number of steps of {step:g} s after the one before",
            **where(int(order[off[0]]), "time"),
        )
    if len(off) or whole.sum() + 1 > _MOST * n:
        return np.arange(n), False
    return np.cumsum(whole).astype(np.int64), True


def _commonest(gaps: Floats) -> float:
    distances, counts = np.unique(np.round(gaps, 6), return_counts=True)
    return float(distances[counts.argmax()])

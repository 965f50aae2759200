"""Frames of metrics in, frames of ranked causes out, for callers in Python."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import polars as pl

from distaff.incidents.rankings import Diagnosis
from distaff.incidents.tables import cause_rows, edge_rows
from distaff_data.arrays import Floats
from distaff_data.datasets.incidents import SEPARATOR, Case, Edge, entity_of, metric_of
from distaff_data.errors import InputError, UnknownNameError
from distaff_data.frames import Kind, as_kind, to_polars
from distaff_data.schema import TABLES

Time = float | int | dt.date | np.datetime64
_SCHEMAS = {name: pl.Schema(TABLES[name].arrow) for name in ("causes", "cause_edges")}
_SHARED = ("generation", "run", "case")  # the same in all rows of one case
_CAUSES, _EDGES = (
    {column: dtype for column, dtype in schema.items() if column not in _SHARED} for schema in _SCHEMAS.values()
)


@dataclass(frozen=True)
class RankedCauses:
    """The causes of one incident, most to blame first.

    Times are of the type of the frame's column ``time``: numbers, or date-times in its zone.

    Attributes:
        causes: A frame of ``rank, entity, metric, score, own, propagated, onset, path, new_edges, p_value``; see
            :class:`Cause <distaff.incidents.rankings.Cause>`. No row where no onset was found.
        edges: The learned graph as a frame of ``source, target, part, weight``; empty for a model without one.
        trigger: When the incident began, given or detected; None where no onset was found.
        alarms: Every alarm; empty where the onset was given.
        graph: The graph that the ranking is by: given, learned, or none where it is by the metrics' own scores alone.
        warnings: What a reader of the ranking has to know, a sentence each.
    """

    causes: Any
    edges: Any
    trigger: float | dt.datetime | None
    alarms: tuple[float | dt.datetime, ...] = ()
    graph: str | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class TimeAxis:
    """Between the times of a frame and seconds.

    Attributes:
        dtype: The type of the frame's times; None for numbers, which are seconds.
    """

    dtype: pl.Datetime | None = None

    def seconds(self, time: Time) -> float:
        """Return a time as seconds, like those of the frame.

        Raises:
            InputError: A date-time beside times that are numbers, the reverse, or one without a zone beside times with one.
        """
        if self.dtype is None:
            if isinstance(time, int | float | np.number) and not isinstance(time, bool):
                return float(time)
            raise InputError("times are numbers, so the onset is a number too", column="onset", value=time)
        if isinstance(time, np.datetime64):
            stamp = pl.Series(np.array([time if np.datetime_data(time)[0] == "ns" else time.astype("datetime64[us]")]))
            zoned = False
        elif isinstance(time, dt.date):
            stamp = pl.Series([time]).cast(pl.Datetime("us")) if not isinstance(time, dt.datetime) else _stamp(time)
            zoned = isinstance(time, dt.datetime) and time.tzinfo is not None
        else:
            raise InputError("times are date-times, so the onset is one too", column="onset", value=time)
        if zoned != (self.dtype.time_zone is not None):
            zone = self.dtype.time_zone or "no zone"
            raise InputError(f"times have {zone}; give the onset likewise", column="onset", value=time)
        return float(_since_1970(stamp)[0])

    def time(self, seconds: float) -> float | dt.datetime:
        """Return seconds as a time of the frame's type."""
        if self.dtype is None:
            return seconds
        time: dt.datetime = self.times(pl.Series([seconds])).item()
        return time

    def times(self, seconds: pl.Series) -> pl.Series:
        """Return a column of seconds as times of the frame's type."""
        if self.dtype is None:
            return seconds
        stamps = (seconds * 1e6).round().cast(pl.Int64).cast(pl.Datetime("us"))
        if self.dtype.time_zone is not None:
            stamps = stamps.dt.replace_time_zone("UTC").dt.convert_time_zone(self.dtype.time_zone)
        return stamps.cast(self.dtype)


def read_case(frame: object) -> tuple[Case, TimeAxis]:
    """Return a frame of metrics as a case, and what its times mean.

    Args:
        frame: A polars, pandas or Arrow frame: a column ``time`` of rising seconds or date-times, and a column of numbers
            for each metric, ``entity|metric`` or any name of its own. What is missing is null or NaN.

    Raises:
        InputError: There is no column ``time`` or no metric, a column is no number, or times do not rise.
    """
    table = to_polars(frame)
    if "time" not in table.columns:
        raise InputError("the frame needs a column of times", column="time")
    columns = [name for name in table.columns if name != "time"]
    if not columns:
        raise InputError("the frame has no column beside its times: one a metric")
    for name in columns:
        if not (table.schema[name].is_numeric() or table.schema[name] in (pl.Boolean, pl.Null)):
            raise InputError(f"a metric is a column of numbers, not of {table.schema[name]}", column=name)
    seconds, axis = _seconds(table["time"])
    falls = np.flatnonzero(~(np.diff(seconds) > 0))
    if len(falls):
        raise InputError("times have to rise", column="time", value=table["time"][int(falls[0]) + 1])
    values = table.select(pl.col(columns).cast(pl.Float64)).to_numpy().astype(np.float64, order="C")
    return Case("frame", tuple(columns), seconds, values), axis


def place_of(kpi: str, columns: Sequence[str]) -> int:
    """Return the position of the KPI: the column of that name, or the only one whose entity has a metric of that name.

    Raises:
        InputError: No column, or several, have that name.
    """
    if kpi in columns:
        return columns.index(kpi)
    named = [i for i, column in enumerate(columns) if SEPARATOR in column and metric_of(column) == kpi]
    if len(named) == 1:
        return named[0]
    if named:
        names = ", ".join(columns[i] for i in named)
        raise InputError(f"several metrics have that name: {names}; give one in full", column="kpi", value=kpi)
    raise InputError("there is no such metric", column="kpi", value=kpi)


def edges_between(columns: Sequence[str], edges: Sequence[Edge | tuple[str, str]]) -> tuple[Edge, ...]:
    """Return dependencies between entities or metrics as edges; a pair is a cause and its effect.

    Raises:
        InputError: One is no pair of names, or an end of one is neither a metric nor an entity of one.
    """
    named = tuple(map(_edge, edges))
    names = {*columns, *map(entity_of, columns)}
    for edge in named:
        if unknown := [end for end in dict.fromkeys((edge.source, edge.target)) if end not in names]:
            reasons = "; ".join(str(UnknownNameError("entity or metric", end, names)) for end in unknown)
            raise InputError(f"{edge.source} -> {edge.target}: {reasons}", column="edges")
    return named


def _edge(edge: Edge | tuple[str, str]) -> Edge:
    if isinstance(edge, Edge):
        return edge
    if isinstance(edge, str) or len(edge) != 2 or not all(isinstance(end, str) for end in edge):
        raise InputError("a dependency is a pair of a cause and its effect, by their names", column="edges", value=edge)
    return Edge(*edge)


def ranked_causes(diagnosis: Diagnosis, axis: TimeAxis, kind: Kind) -> RankedCauses:
    """Return a diagnosis as frames of a kind, with times like those of the frame it is about."""
    causes = pl.DataFrame(cause_rows(diagnosis), schema=_CAUSES)
    causes = causes.with_columns(axis.times(causes["onset"]))
    edges = pl.DataFrame(edge_rows(diagnosis), schema=_EDGES)
    trigger = None if diagnosis.trigger is None else axis.time(diagnosis.trigger)
    alarms = tuple(map(axis.time, diagnosis.alarms))
    return RankedCauses(
        as_kind(causes, kind), as_kind(edges, kind), trigger, alarms, diagnosis.graph, diagnosis.warnings
    )


def _seconds(times: pl.Series) -> tuple[Floats, TimeAxis]:
    """Return times as seconds ``(T,)``; date-times count from 1970."""
    if times.null_count():
        raise InputError("a time is missing", column="time")
    if times.dtype.is_numeric():
        return times.cast(pl.Float64).to_numpy().astype(np.float64), TimeAxis()
    if times.dtype == pl.Date:
        times = times.cast(pl.Datetime("us"))
    if not isinstance(times.dtype, pl.Datetime):
        raise InputError(f"times are numbers or date-times, not {times.dtype}", column="time")
    return _since_1970(times), TimeAxis(times.dtype)


def _stamp(time: dt.datetime) -> pl.Series:
    """Return one date-time as a column without a zone, in UTC where it had one."""
    return pl.Series([time.astimezone(dt.UTC).replace(tzinfo=None) if time.tzinfo else time], dtype=pl.Datetime("us"))


def _since_1970(times: pl.Series) -> Floats:
    """Return date-times as seconds: the same number for the same instant, whatever unit it comes in.

    Whole seconds and the fraction apart: nanoseconds since 1970 are too many for a float, which then differs from that
    of the same instant in milliseconds, and an onset falls beside its row.
    """
    unit: Literal["ns", "us"] = "ns" if times.dtype == pl.Datetime("ns", "*") else "us"
    whole, fraction = np.divmod(times.dt.epoch(unit).to_numpy(), 10**9 if unit == "ns" else 10**6)
    return np.asarray(whole + fraction / (1e9 if unit == "ns" else 1e6), dtype=np.float64)

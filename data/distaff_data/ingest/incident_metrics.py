"""Metrics of one case from a table, wide or long: names, times and values on a regular grid."""

from __future__ import annotations

from collections.abc import Mapping, Set
from pathlib import Path

import numpy as np
import pyarrow as pa

from distaff_data.arrays import Bools, Floats
from distaff_data.datasets.imputation import on_grid
from distaff_data.errors import InputError
from distaff_data.frames import positions
from distaff_data.ingest.columns import find_column, first_named
from distaff_data.ingest.incident_names import divided_names, full_name
from distaff_data.ingest.incident_tables import numbers_of, read_table, read_times, texts_of
from distaff_data.ingest.options import IncidentsOptions
from distaff_data.ingest.otlp import is_otlp, read_otlp
from distaff_data.ingest.times import TimeReader
from distaff_data.ingest.values import check_room

_TIMES = ("timestamp", "time", "datetime", "date", "ts", "t", "epoch")
_METRICS = ("metric", "metricname", "name", "kpi", "measurement", "tag")
_VALUES = ("value", "metricvalue", "val")
_ENTITIES = (
    "entity",
    "service",
    "pod",
    "instance",
    "host",
    "node",
    "container",
    "device",
    "component",
    "machine",
    "job",
)
_MOST, _ALWAYS = 100, 1 << 22  # values on a grid: so many for each of the file, or so many in any case


def read_metrics(
    path: Path, options: IncidentsOptions, names: Mapping[str, str], nodes: Set[str]
) -> tuple[tuple[str, ...], Floats, Floats, float | None]:
    """Return metrics' names, times, values ``(T, M)``, and the onset where a column marks it."""
    table = read_otlp(path, options.entity_label, options.step) if is_otlp(path) else read_table(path)
    time = (
        find_column(path, table.column_names, options.time) if options.time else first_named(table.column_names, _TIMES)
    )
    if time is None:
        first = ", ".join(table.column_names[:12])
        raise InputError(
            f"no column looks like the time; there are: {first}; name it with --time", path=path, column="time"
        )
    times = read_times(path, table[time], time, TimeReader.make(options.time_format, options.day_first))
    rest = table.drop_columns([time])
    metric, value = first_named(rest.column_names, _METRICS), first_named(rest.column_names, _VALUES)
    if metric and value and not pa.types.is_floating(rest.schema.field(metric).type):
        columns, times, values = _pivot(path, rest, times, metric, value)
        marks = None
    else:
        columns, values, marks = _wide(path, rest, options, names, nodes)
    if len(times) < 2:
        raise InputError("there is one row only; an incident takes normal and abnormal rows", path=path)
    back = np.flatnonzero(np.diff(times) <= 0)
    if len(back):
        line, late = int(back[0]) + 3, float(times[back[0] + 1])
        raise InputError("time stamps are out of order", path=path, line=line, column=time, value=late)
    if not (np.nanmax(values, 0, initial=-np.inf) > np.nanmin(values, 0, initial=np.inf)).any():
        raise InputError("every metric is constant; there is nothing to diagnose", path=path)
    marked = None if marks is None or not marks.any() else float(times[marks.argmax()])
    gaps = np.diff(times)
    step = options.step or float(np.median(gaps))
    if options.step or np.ptp(gaps) > 0.01 * step:
        rows = (times[-1] - times[0]) / step + 1
        if rows * values.shape[1] > max(_MOST * values.size, _ALWAYS):
            longest = f"{gaps.max():g} s"
            raise InputError(
                f"at a step of {step:g} s the rows are {rows:.0f}, and the file has {len(times)}; its longest gap is "
                f"{longest}; divide it there, or give a longer --step",
                path=path,
            )
        times, values = on_grid(times, values, step)
    return columns, times, values, marked


def _wide(
    path: Path, table: pa.Table, options: IncidentsOptions, names: Mapping[str, str], nodes: Set[str]
) -> tuple[tuple[str, ...], Floats, Bools | None]:
    """Return metrics' names, values ``(T, M)``, and which rows are abnormal where a column marks them."""
    marks = None
    if options.label:
        label = find_column(path, table.column_names, options.label)
        marks = np.nan_to_num(numbers_of(path, table[label], label)) != 0
        table = table.drop_columns([label])
    if not table.num_columns:
        raise InputError("the file has no metrics besides the time", path=path)
    unnamed = [name for name in table.column_names if name not in names]
    divided = {**names, **divided_names(path, unnamed, options.separator, options.divide_at, nodes)}
    columns = tuple(divided[name] for name in table.column_names)
    if len(set(columns)) < len(columns):
        twice = next(name for name in columns if columns.count(name) > 1)
        raise InputError("two columns are the same metric; tell them apart with --names", path=path, column=twice)
    values = np.stack([numbers_of(path, table[name], name) for name in table.column_names], axis=1)
    return columns, values, marks


def _pivot(
    path: Path, table: pa.Table, times: Floats, metric: str, value: str
) -> tuple[tuple[str, ...], Floats, Floats]:
    """Return a long table as a wide one over all its times: metrics' names, times, values."""
    entity = first_named(table.column_names, _ENTITIES)
    names = texts_of(table, metric)
    if entity is not None:
        names = texts_of(table, entity) + "|" + names
    if names.null_count():
        raise InputError("a metric has no name", path=path, column=metric)
    numbers = numbers_of(path, table[value], value)
    grid, row = np.unique(times, return_inverse=True)
    metrics = names.unique(maintain_order=True)
    check_room(path, len(grid), len(metrics))
    values = np.full((len(grid), len(metrics)), np.nan)
    values[row, positions(names, metrics).to_numpy()] = numbers  # the last of several is assigned last
    return tuple(full_name(name, None) for name in metrics), grid, values

"""Metrics of OpenTelemetry as the collector's file exporter writes them: a request in JSON on each line.

A series' entity is one of its attributes: the one that a person names, or the first of the usual ones that it has. Its
metric is the name, with those other attributes by which series of one entity and metric differ. A gauge is taken as it
is. A sum that only grows becomes what it grew by a second, since the last point of the series; one that is sent as
differences is divided by the time they are of. A histogram or summary becomes two metrics, ``name.rate``, observations a
second, and ``name.mean``, their mean. Where a counter began anew nothing is known of that step.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from distaff_data.arrays import Floats
from distaff_data.errors import InputError, first_line
from distaff_data.ingest.values import check_room
from distaff_data.sources.labels import Key, entity_of, names_apart

_ENTITIES = ("service.name", "k8s.deployment.name", "k8s.pod.name", "container.name", "service.instance.id",
             "k8s.node.name", "host.name")  # fmt: skip
_SUFFIXES = (".json", ".jsonl", ".ndjson")
_LINE_BYTES = 1 << 26
_NAME = "__name__"  # of the metric, among a series' labels
_CUMULATIVE = (2, "AGGREGATION_TEMPORALITY_CUMULATIVE")
_MOST = 100  # rows of a grid, for each point of the file
_KINDS = {"gauge": "gauge", "sum": "sum", "histogram": "histogram", "exponentialHistogram": "histogram",
          "summary": "histogram"}  # fmt: skip
Point = tuple[float, float, float, float]
"""When it was measured and since when, in seconds; the value or sum; how many observations, NaN where none is counted."""
Line = tuple[Floats, Floats]
"""Times that rise, and values."""


@dataclass
class _Series:
    """Points of one series, and what they are.

    Attributes:
        kind: gauge, sum or histogram.
        grows: The values are totals since a counter began.
        points: In the order of the file.
    """

    kind: str
    grows: bool
    points: list[Point] = field(default_factory=list)


def is_otlp(path: Path) -> bool:
    """Tell whether a file is named like one of JSON, which no other table of an incident is."""
    return path.suffix.lower() in _SUFFIXES


def read_otlp(path: Path, entity_label: str | None, step: float | None) -> pa.Table:
    """Return a file's metrics as a wide table: ``time`` in seconds, and a column ``entity|metric`` each.

    Args:
        path: The file.
        entity_label: The attribute that names the entity; the first usual one when None.
        step: Seconds between rows; the median distance of a series' points when None.

    Raises:
        InputError: It cannot be read, has no metrics, or a series no entity.
    """
    if not path.is_file():
        raise InputError("there is no such file", path=path)
    series: dict[Key, _Series] = {}
    for line, request in _requests(path):
        try:
            for key, kind, grows, point in _points(request):
                one = series.setdefault(key, _Series(kind, grows))
                if (one.kind, one.grows) != (kind, grows):
                    raise ValueError(f"{dict(key)[_NAME]} is a {one.kind} and a {kind}, or counted in two ways")
                one.points.append(point)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            reason = f"the line is none of OpenTelemetry's metrics: {type(error).__name__} {first_line(error)}"
            raise InputError(reason, path=path, line=line) from None
    if not series:
        raise InputError("the file has no metrics", path=path)
    entities = {key: entity_of(dict(key), _ENTITIES, entity_label, dict(key)[_NAME]) for key in series}
    names = names_apart({key: (entity, dict(key)[_NAME]) for key, entity in entities.items()})
    columns: dict[str, Line] = {}
    for key, one in series.items():
        for suffix, measured in _lines(one).items():
            if (column := names[key] + suffix) in columns:
                raise InputError(
                    "two metrics have this name, one by what is added to a histogram's", path=path, column=column
                )
            columns[column] = measured
    return _wide(path, columns, step)


def _requests(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    with path.open("rb") as file:
        number = 0
        while line := file.readline(_LINE_BYTES):
            number += 1
            if len(line) == _LINE_BYTES:
                raise InputError(f"the line is longer than {_LINE_BYTES >> 20} MiB", path=path, line=number)
            if not line.strip():
                continue
            try:
                request = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise InputError(f"the line is not JSON: {first_line(error)}", path=path, line=number) from None
            if not isinstance(request, dict) or not isinstance(request.get("resourceMetrics"), list):
                raise InputError(
                    "the line has no resourceMetrics, which OpenTelemetry's metrics have", path=path, line=number
                )
            yield number, request


def _points(request: Mapping[str, Any]) -> Iterator[tuple[Key, str, bool, Point]]:
    """Yield every point of a request: its series' labels and kind, and whether the series' values are totals that grow."""
    for resource in request["resourceMetrics"]:
        around = _attributes(resource.get("resource") or {})
        for scope in resource.get("scopeMetrics") or ():
            for metric in scope.get("metrics") or ():
                yield from _of_metric(metric, around)


def _of_metric(metric: Mapping[str, Any], around: Mapping[str, str]) -> Iterator[tuple[Key, str, bool, Point]]:
    name = str(metric["name"])
    for kind in _KINDS.keys() & metric.keys():
        body = metric[kind]
        grows = kind == "summary" or body.get("aggregationTemporality") in _CUMULATIVE
        plain = kind == "sum" and not body.get("isMonotonic", False)
        for point in body.get("dataPoints") or ():
            labels = {**around, **_attributes(point), _NAME: name}
            yield tuple(sorted(labels.items())), "gauge" if plain else _KINDS[kind], grows, _point(point)


def _point(point: Mapping[str, Any]) -> Point:
    at, since = int(point["timeUnixNano"]) / 1e9, int(point.get("startTimeUnixNano") or 0) / 1e9
    if not 0 < at < 2**33:
        raise ValueError(f"timeUnixNano is {point['timeUnixNano']}")
    if "count" in point:
        return at, since, float(point.get("sum", math.nan)), float(point["count"])
    value = point.get("asDouble", point.get("asInt"))
    return at, since, math.nan if value is None else float(value), math.nan


def _attributes(owner: Mapping[str, Any]) -> dict[str, str]:
    """Return the attributes of a resource or point as labels; those that are lists or objects tell nothing apart."""
    labels = {}
    for attribute in owner.get("attributes") or ():
        value = next(iter((attribute.get("value") or {}).values()), None)
        if isinstance(value, str | int | float):
            labels[str(attribute["key"])] = str(value)
    return labels


def _lines(series: _Series) -> dict[str, Line]:
    """Return what a series measures: times and values, by what is added to its name."""
    at, since, value, count = np.array(sorted(series.points)).T
    last = np.append(np.diff(at) > 0, True)  # of several points of one moment
    at, since, value, count = at[last], since[last], value[last], count[last]
    if series.kind == "gauge":
        return {"": (at, value)}
    seconds, more, many = at - since, value, count
    if series.grows:
        seconds, more, many = (np.diff(each, prepend=np.nan) for each in (at, value, count))
    with np.errstate(divide="ignore", invalid="ignore"):
        if series.kind == "sum":
            return {"": (at, np.where(more < 0, np.nan, more) / seconds)}
        began_anew = many < 0
        rate, mean = np.where(began_anew, np.nan, many) / seconds, np.where(began_anew, np.nan, more) / many
    return {".rate": (at, rate), ".mean": (at, mean)}


def _wide(path: Path, lines: Mapping[str, Line], step: float | None) -> pa.Table:
    """Return lines side by side, on the grid of a step; a cell takes the last point that is nearest to it."""
    if step is None:
        gaps = [float(np.median(np.diff(at))) for at, _ in lines.values() if len(at) > 1]
        if not gaps:
            raise InputError("every metric has one point only; an incident takes normal and abnormal rows", path=path)
        step = float(np.median(gaps))
    start, end = min(at[0] for at, _ in lines.values()), max(at[-1] for at, _ in lines.values())
    rows = math.floor((end - start) / step + 0.5) + 1
    if rows > _MOST * sum(len(at) for at, _ in lines.values()):
        raise InputError(
            f"at a step of {step:g} s the rows are {rows}, far more than the file has points; divide the file, or give a "
            "longer --step", path=path,
        )  # fmt: skip
    check_room(path, rows, len(lines))
    columns = {}
    for name, (at, values) in lines.items():
        column = np.full(rows, np.nan)
        column[np.floor((at - start) / step + 0.5).astype(np.int64)] = values
        columns[name] = column
    return pa.table({"time": start + step * np.arange(rows), **columns})

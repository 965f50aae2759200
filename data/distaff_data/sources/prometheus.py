"""Metrics of an incident from a Prometheus server: what expressions give between two moments, on a grid of a step.

A series' entity is one of its labels: the one that a person names, or the first of the usual ones that it has. Its metric is
the name of what was measured, or the expression where that has none, with those other labels by which series of one
entity and metric differ. The onset is when an alert first fired in that time, as ``ALERTS`` has it.
``prometheus://host`` is ``https://host``, and ``http://`` on this machine itself.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import numpy as np
import pyarrow as pa

from distaff_data.arrays import Bools, Floats
from distaff_data.errors import InputError
from distaff_data.sources import web
from distaff_data.sources.address import Address, address_of, is_here
from distaff_data.sources.labels import Key, entity_of, names_apart
from distaff_data.sources.spool import Spool

STEP = 15.0  # seconds, which is how often most servers look
_POINTS = 10_000  # that are asked for at a time; the server gives no more than 11,000
_LARGEST = 256 << 20  # bytes of an answer
_VALUES = 200_000_000  # of all series
_ENTITIES = ("service", "service_name", "app", "deployment", "pod", "container", "instance", "node", "host", "job")
_NAME = "__name__"
Found = dict[Key, Floats]


@dataclass(frozen=True)
class Asked:
    """What is read from a server.

    Attributes:
        url: The server's address, with the path before ``/api``.
        match: Selectors or other expressions, each of which gives series.
        start: First moment, in seconds.
        end: Last moment, in seconds.
        step: Seconds between values.
        entity: The label that names the entity; the first usual one when None.
        alert: Name of the alert whose first firing is the onset; none when None.
    """

    url: str
    match: Sequence[str]
    start: float
    end: float
    step: float = STEP
    entity: str | None = None
    alert: str | None = None


def moment(text: str, option: str) -> float:
    """Return a moment in seconds: a number, or a date and time, which is in UTC where it names no zone.

    Raises:
        InputError: It is neither.
    """
    try:
        seconds = float(text)
    except ValueError:
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            raise InputError("a moment is 2026-11-30T14:00, or seconds since 1970", column=option, value=text) from None
        seconds = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    if not 0 <= seconds < 2**33:
        raise InputError("a moment lies between 1970 and 2242", column=option, value=text)
    return seconds


def read(spool: Spool, asked: Asked, name: str) -> tuple[Path, str, float | None]:
    """Return a wide table of the metrics in a file of that name, where they came from, and the onset.

    Raises:
        InputError: The server cannot be reached or refuses, there is nothing to read, or the alert never fired.
    """
    address = server(asked.url, name)
    if not asked.end > asked.start:
        raise InputError("--from lies before --to", path=address.shown)
    rows = math.floor((asked.end - asked.start) / asked.step) + 1
    columns: dict[str, Floats] = {}
    for column, values in series_of(asked, address, rows).values():
        if column in columns:
            raise InputError("two expressions give this metric", path=address.shown, column=column)
        columns[column] = values
    if not columns:
        raise InputError("the server has nothing of that in this time", path=address.shown, value=asked.match[0])
    onset = None if asked.alert is None else _onset(asked, address, rows)
    table = pa.table({"time": asked.start + asked.step * np.arange(rows), **columns})
    return spool.write(address, table.schema, table.to_batches()), address.shown, onset


def series_of(asked: Asked, address: Address, rows: int) -> dict[tuple[str, Key], tuple[str, Floats]]:
    """Return every series that the expressions give, by expression and labels: its name ``entity|metric``, and its values.

    Args:
        asked: What is read; its end does not count.
        address: The server.
        rows: How many values, from the start on.

    Raises:
        InputError: The server cannot be reached or refuses, or a series has no entity.
    """
    found: dict[tuple[str, Key], tuple[str, Floats]] = {}
    for expression in asked.match:
        series = _series(asked, address, expression, rows, len(found))
        names = _names(asked, expression, series)
        if twice := next((names[labels] for labels in series if (expression, labels) in found), None):
            raise InputError("two expressions give this metric", path=address.shown, column=twice)
        found |= {(expression, labels): (names[labels], values) for labels, values in series.items()}
    return found


def firing(asked: Asked, address: Address, rows: int) -> Bools:
    """Return in which rows, from the start on, the alert fires."""
    name = json.dumps(asked.alert)  # PromQL quotes as JSON does
    fired = _series(asked, address, f'ALERTS{{alertname={name},alertstate="firing"}}', rows, 0)
    fires: Bools = np.zeros(rows, dtype=bool)
    for values in fired.values():
        fires |= values == 1
    return fires


def clock(address: Address) -> float:
    """Return the time by the server's clock, in seconds.

    Raises:
        InputError: The server cannot be reached or refuses.
    """
    with web.answered(f"{address.text}/api/v1/query?query=time()", address.shown) as answer:
        body = answer.read(_LARGEST)
    try:
        return float(json.loads(body)["data"]["result"][1])
    except (ValueError, KeyError, TypeError, IndexError, RecursionError, OverflowError):
        raise InputError("the server's answer is none of Prometheus", path=address.shown) from None


def server(url: str, name: str) -> Address:
    """Return the address of a server, with a name for what is read of it.

    Plain HTTP goes to this machine alone, unless it is allowed.

    Raises:
        InputError: It is none of a server, or holds credentials.
    """
    url = url.rstrip("/")
    if url.startswith("prometheus://"):
        host = url.removeprefix("prometheus")
        url = f"http{host}" if is_here(f"http{host}") else f"https{host}"
    if url.startswith("http://") and is_here(url):
        address_of("https" + url.removeprefix("http"))  # refuses credentials
        found: Address | None = Address("http", url, url, name)
    else:
        found = address_of(url) if "://" in url else None
    if found is None or found.kind != "http":
        raise InputError(
            "the address of a Prometheus server is https://... or http://127.0.0.1:9090", column="prometheus"
        )
    if urlsplit(url).query:
        raise InputError("the address of a Prometheus server has no query", column="prometheus")
    return Address("http", url, found.shown, name + ".parquet")


def _series(asked: Asked, address: Address, expression: str, rows: int, before: int) -> Found:
    """Return the values of an expression's series, by their labels, NaN where there is none."""
    found: Found = {}
    for first in range(0, rows, _POINTS):
        last = min(first + _POINTS, rows) - 1
        for labels, times, values in _matrix(asked, address, expression, first, last):
            if labels not in found:
                if (len(found) + before + 1) * rows > _VALUES:
                    raise InputError(
                        f"these are more than {_VALUES:,} values; give a longer --step", path=address.shown
                    )
                found[labels] = np.full(rows, np.nan)
            places = np.rint((times - asked.start) / asked.step)
            if not ((places >= first) & (places <= last)).all():
                raise InputError("the server answers with moments that it was not asked for", path=address.shown)
            found[labels][places.astype(np.int64)] = np.where(np.isfinite(values), values, np.nan)
    return found


def _matrix(asked: Asked, address: Address, expression: str, first: int, last: int) -> list[tuple[Key, Floats, Floats]]:
    """Return the series that the server gives of an expression, from one row to another: labels, times, values."""
    start, end = (f"{asked.start + asked.step * row:.3f}" for row in (first, last))
    query = urlencode({"query": expression, "start": start, "end": end, "step": f"{asked.step:g}"})
    with web.answered(f"{address.text}/api/v1/query_range?{query}", address.shown) as answer:
        body = answer.read(_LARGEST + 1)
    if len(body) > _LARGEST:
        raise InputError(f"an answer is larger than {_LARGEST >> 20} MiB; match less", path=address.shown)
    try:
        data = json.loads(body)["data"]
        if data["resultType"] != "matrix":
            raise ValueError
        return [
            (
                tuple(sorted((str(key), str(value)) for key, value in one["metric"].items())),
                np.array([float(at) for at, _ in one["values"]]),
                np.array([float(value) for _, value in one["values"]]),
            )
            for one in data["result"]
        ]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        raise InputError("the server's answer is none of Prometheus", path=address.shown) from None


def _names(asked: Asked, expression: str, series: Iterable[Key]) -> dict[Key, str]:
    """Return the names of an expression's series."""
    pairs = {}
    for key in series:
        labels = dict(key)
        metric = labels.get(_NAME, expression)
        pairs[key] = entity_of(labels, _ENTITIES, asked.entity, metric), metric
    return names_apart(pairs)


def _onset(asked: Asked, address: Address, rows: int) -> float:
    """Return the first moment at which the alert fired."""
    fires = np.flatnonzero(firing(asked, address, rows))
    if not len(fires):
        raise InputError("this alert did not fire in that time", path=address.shown, column="alert", value=asked.alert)
    return asked.start + asked.step * int(fires[0])

"""Metrics of a Prometheus server as they come: asked for row by row on a grid of time, for as long as they are followed.

The metrics are those that the server has when following begins, and stay the same: a series that ends is missing from then
on, and one that begins later is told of and left out. A server that is away is asked again until it is back. Where an alert
is named, an incident begins when it begins to fire. A row is due by the server's clock: by that of a machine that is ahead
of it, every row would be asked for before it was measured, and be missing.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import numpy as np

from distaff.incidents.feed import RowBatch
from distaff_data.arrays import Floats
from distaff_data.errors import InputError
from distaff_data.sources import prometheus
from distaff_data.sources.labels import Key
from distaff_data.sources.prometheus import Asked

HISTORY = 3600.0  # seconds before now from which on rows are read, unless a person says else
_POLL = 1.0  # seconds between looks, or a step where that is shorter
_LATE = 2.0  # seconds after which what was measured at a moment is there
_SKEW = 1.0  # seconds by which clocks differ that are told


class PrometheusRows:
    """Rows of a server.

    Args:
        asked: What is read, from its start on; its end does not count.
        tell: Called with a sentence where a series begins late, or the server is away or back.

    Attributes:
        columns: The metrics, ``entity|metric``.

    Raises:
        InputError: The server cannot be reached or refuses, or has nothing of that.
    """

    columns: tuple[str, ...]

    def __init__(self, asked: Asked, *, tell: Callable[[str], None] = lambda _: None) -> None:
        self._asked, self._tell = asked, tell
        self._address = prometheus.server(asked.url, "stream")
        self._next = asked.start
        self._late: set[str] = set()
        self._ahead = 0.0  # seconds by which this machine's clock is
        self._compare_clocks()
        rows = self._due()
        if rows < 1:
            raise InputError("the moment from which rows are read is still to come", column="from", value=asked.start)
        found = prometheus.series_of(asked, self._address, rows)
        if not found:
            raise InputError("the server has nothing of that", path=self._address.shown, value=asked.match[0])
        self._take({key: name for key, (name, _) in found.items()})

    def skip_to(self, offset: int, mark: bytes) -> None:
        """Go on from where a batch ended: from that moment, and with the metrics that there were.

        Raises:
            InputError: What was followed before was no server.
        """
        try:
            known = {
                (expression, tuple((k, v) for k, v in labels)): name for expression, labels, name in json.loads(mark)
            }
        except (ValueError, TypeError):
            raise InputError(
                "this stream was a file before; give the dataset another name, or follow the file"
            ) from None
        self._take(known)
        self._next = offset / 1000

    def batches(self, size: int, idle: float | None) -> Iterator[RowBatch]:
        """Yield rows by ``size`` as time goes by, until all were missing, or the server away, for ``idle`` seconds."""
        heard, away = time.monotonic(), False
        while True:
            if self._due() >= size:
                batch = self._read(size, away)
                away = batch is None
                if batch is not None and np.isfinite(batch.values).any():
                    yield batch
                    heard = time.monotonic()
                    continue
                if idle is not None and time.monotonic() - heard >= idle:
                    return
                if batch is not None:
                    continue
            time.sleep(min(_POLL, self._asked.step))

    def _due(self) -> int:
        """Return how many rows are measured by now and not read yet."""
        return math.floor((time.time() - self._ahead - _LATE - self._next) / self._asked.step) + 1

    def _compare_clocks(self) -> None:
        """Find by how much this machine's clock is ahead of the server's.

        Raises:
            InputError: The server cannot be reached or refuses.
        """
        asked_at = time.time()  # before: what the answer takes makes nobody's clock go ahead
        ahead = max(0.0, asked_at - prometheus.clock(self._address))
        if ahead > self._ahead + _SKEW:
            self._tell(f"this machine's clock is {ahead:.0f} s ahead of the server's, by which rows are asked for")
        self._ahead = ahead

    def _read(self, rows: int, away: bool) -> RowBatch | None:
        """Return the next rows, None where the server is away."""
        asked = replace(self._asked, start=self._next)
        try:
            self._compare_clocks()
            if self._due() < rows:  # this machine's clock went ahead since
                return RowBatch(np.empty(0), np.empty((0, len(self._places))), offset=0, mark=self._mark)
            found = prometheus.series_of(asked, self._address, rows)
            onset = None if asked.alert is None else self._onset(rows)
        except InputError as error:
            if not away:
                self._tell(f"the server is asked again until it answers: {error}")
            return None
        if away:
            self._tell("the server answers again")
        values: Floats = np.full((rows, len(self._places)), np.nan)
        for key, (name, column) in found.items():
            if key in self._places:
                values[:, self._places[key]] = column
            elif name not in self._late:
                self._late.add(name)
                self._tell(f"{name} began later than the stream, and is left out")
        times: Floats = self._next + self._asked.step * np.arange(rows, dtype=np.float64)
        self._next += self._asked.step * rows
        return RowBatch(times, values, offset=round(1000 * self._next), mark=self._mark, onset=onset)

    def _onset(self, rows: int) -> float:
        """Return when the alert begins to fire in the next rows; infinite where it does not."""
        before = replace(self._asked, start=self._next - self._asked.step)
        fires = prometheus.firing(before, self._address, rows + 1)
        begins = np.flatnonzero(fires[1:] & ~fires[:-1])
        return self._next + self._asked.step * int(begins[0]) if len(begins) else math.inf

    def _take(self, names: Mapping[tuple[str, Key], str]) -> None:
        """Follow these series and no others.

        Raises:
            InputError: Two have one name.
        """
        self.columns = tuple(sorted(names.values()))
        twice = next((one for one, other in zip(self.columns, self.columns[1:], strict=False) if one == other), None)
        if twice is not None:
            raise InputError("two expressions give this metric", path=self._address.shown, column=twice)
        self._places = {key: self.columns.index(name) for key, name in names.items()}
        self._mark = json.dumps([[expression, labels, name] for (expression, labels), name in names.items()]).encode()

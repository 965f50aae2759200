"""Series from frames in memory."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from distaff_data.errors import InputError
from distaff_data.ingest.frames import from_frame

DAYS = [date(2026, 1, 1), date(2026, 1, 2), date(2026, 1, 4)]
SECONDS = [datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() for day in DAYS]


@pytest.mark.parametrize("make", [pl.DataFrame, pl.LazyFrame, pa.table, pd.DataFrame])
def test_any_kind_of_frame_gives_the_same_series_with_its_gap(make: Callable[[dict[str, Any]], object]) -> None:
    data = from_frame(make({"time": DAYS, "x": [1.0, None, 3.0], "on": [True, False, True]}))
    assert data.channels == ("x", "on")
    np.testing.assert_array_equal(data.times, [*SECONDS[:2], SECONDS[1] + 86_400, SECONDS[2]])
    assert data.mask.tolist() == [[True, True], [False, True], [False, False], [True, True]]
    assert data.values[:, 0].tolist() == [1.0, 0.0, 0.0, 3.0]


def test_the_index_of_a_pandas_frame_is_its_time() -> None:
    frame = pd.DataFrame({"x": [1.0, 2.0, 4.0]}, index=pd.DatetimeIndex(DAYS, name="time"))
    data = from_frame(frame)
    assert (data.channels, data.times[0].item()) == (("x",), SECONDS[0])


def test_numbers_of_entities_and_labels_keep_their_plain_text() -> None:
    data = from_frame(pl.DataFrame({"e": [7, 7, 8], "c": [1.0, 1.0, 2.0], "x": [1, 2, 3]}), entity="e", label="c")
    assert data.entity_ids.to_pylist() == ["7", "8"]
    assert data.classes == ("1", "2")


def test_text_that_reads_as_numbers_is_a_channel() -> None:
    assert from_frame(pl.DataFrame({"x": ["1", "2.5"]})).values[:, 0].tolist() == [1.0, 2.5]


REFUSED: dict[str, tuple[dict[str, list[Any]], str]] = {
    "text": ({"x": ["1", "low"]}, "column x: the column holds no numbers"),
    "dates as a channel": ({"x": DAYS}, "column x: the column holds no numbers"),
    "a missing time": ({"time": [0, None, 2], "x": [1, 2, 3]}, "line 2, column time: the time is missing"),
    "several labels": ({"e": ["a", "a"], "c": ["u", "v"], "x": [1, 2]}, "line 2, column c: an entity has one label"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_frame_that_cannot_be_read_is_refused(case: str) -> None:
    columns, message = REFUSED[case]
    roles: dict[str, Any] = {role: name for role, name in (("entity", "e"), ("label", "c")) if name in columns}
    with pytest.raises(InputError) as caught:
        from_frame(pl.DataFrame(columns), **roles)
    assert message in str(caught.value)

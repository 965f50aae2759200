"""Frames at the border: what goes in comes out as the same kind."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from distaff_data import frames
from distaff_data.errors import InputError

COLUMNS: dict[str, list[Any]] = {"id": ["b", "a"], "x": [1.5, 2.5]}
MAKERS = {"polars": pl.DataFrame, "pandas": pd.DataFrame, "pyarrow": pa.table}


@pytest.mark.parametrize("kind", MAKERS)
def test_a_frame_comes_out_as_the_kind_that_went_in(kind: str) -> None:
    frame = MAKERS[kind](COLUMNS)
    assert frames.is_frame(frame)
    assert frames.frame_kind(frame) == kind
    assert frames.to_polars(frame).to_dict(as_series=False) == COLUMNS
    assert frames.to_arrow(frame).to_pydict() == COLUMNS
    assert type(frames.as_kind(frames.to_polars(frame), frames.frame_kind(frame))) is type(frame)


def test_lazy_frames_and_streams_of_batches_are_frames() -> None:
    lazy = pl.LazyFrame(COLUMNS)
    reader = pa.table(COLUMNS).to_reader()
    assert frames.is_frame(lazy)
    assert frames.is_frame(reader)
    assert (frames.frame_kind(lazy), frames.frame_kind(reader)) == ("polars", "pyarrow")
    assert frames.to_polars(lazy).equals(frames.to_polars(reader))


@pytest.mark.parametrize("value", [np.ones((2, 2)), [("a", "b")], {"id": ["a"]}, None])
def test_what_is_no_frame_is_refused(value: object) -> None:
    assert not frames.is_frame(value)
    assert frames.frame_kind(value) == "polars"
    with pytest.raises(InputError, match="give a polars, pandas or Arrow frame"):
        frames.to_polars(value)


def test_texts_become_one_arrow_array() -> None:
    texts = frames.to_strings(pl.Series(["a", None, "é"]))
    assert texts.type == pa.string()
    assert texts.to_pylist() == ["a", None, "é"]


def test_positions_are_those_of_a_slow_search_and_null_for_strangers() -> None:
    distinct = ["c", "a", "ü", ""]
    values = ["a", "x", None, "ü", "", "a"]
    places = frames.positions(pl.Series(values, dtype=pl.String), pl.Series(distinct))
    assert places.to_list() == [distinct.index(value) if value in distinct else None for value in values]
    assert places.dtype == pl.Int64
    assert frames.positions(pl.Series([], dtype=pl.String), pl.Series(distinct)).is_empty()

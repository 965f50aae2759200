"""Frames of series: the order of their rows, their clocks, and the layout that forecasting libraries use."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from distaff_data.datasets.series import Series
from distaff_data.errors import InputError
from distaff_data.ingest.frames import from_frame, series_of
from distaff_data.splits.series import default_split, divide

START = datetime(2026, 3, 28, 12, tzinfo=UTC)  # clocks change in Berlin in the night that follows


def panel(lengths: list[int]) -> pl.DataFrame:
    """Return hourly rows of entities of some lengths, in order."""
    rng = np.random.default_rng(sum(lengths))
    return pl.concat(
        pl.DataFrame(
            {
                "unique_id": [f"s{place}"] * n,
                "ds": [START + timedelta(hours=hour) for hour in range(n)],
                "y": rng.normal(size=n),
            }
        )
        for place, n in enumerate(lengths)
    )


def by_entity(data: Series) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    parts = zip(data.values.split(data.lengths.tolist()), data.times.split(data.lengths.tolist()), strict=True)
    return dict(zip(data.entity_ids.to_pylist(), parts, strict=True))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(2, 9), min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_rows_in_any_order_are_the_same_series(lengths: list[int], random: object) -> None:
    frame = panel(lengths)
    rows = list(range(len(frame)))
    random.shuffle(rows)  # type: ignore[attr-defined]
    expected, found = by_entity(from_frame(frame)), by_entity(from_frame(frame[rows]))
    assert {entity: len(values) for entity, (values, _) in expected.items()} == {
        f"s{place}": n for place, n in enumerate(lengths)
    }
    assert found.keys() == expected.keys()
    for entity, parts in expected.items():
        for own, other in zip(parts, found[entity], strict=True):
            assert torch.equal(own, other)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_a_moment_that_comes_twice_is_refused(data: st.DataObject) -> None:
    frame = panel([5, 3])
    row = data.draw(st.integers(0, len(frame) - 1))
    place = data.draw(st.integers(0, len(frame)))
    twice = pl.concat([frame[:place], frame[row : row + 1], frame[place:]])
    with pytest.raises(InputError, match="row of this entity and time already"):
        from_frame(twice)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Asia/Kathmandu"])
def test_times_are_moments_in_any_zone_unit_and_spelling(zone: str) -> None:
    frame = panel([30])
    expected = from_frame(frame)
    assert expected.times.diff().unique().tolist() == [3600.0]
    assert float(expected.times[0]) == START.timestamp()
    moment = pl.col("ds")
    spellings = [moment.dt.convert_time_zone(zone), moment.cast(pl.Datetime("ns", "UTC")), moment.dt.epoch("s")]
    spellings += [moment.dt.convert_time_zone(zone).dt.strftime("%Y-%m-%dT%H:%M:%S%z"), moment.dt.strftime("%F %T")]
    for spelling in spellings:
        other = from_frame(frame.with_columns(ds=spelling))
        assert torch.equal(other.times, expected.times)
        assert torch.equal(other.values, expected.values)
    assert torch.equal(
        from_frame(frame.with_columns(ds=moment.dt.convert_time_zone(zone)).to_pandas()).times, expected.times
    )
    with pytest.raises(InputError, match="neither numbers nor dates"):
        from_frame(frame.with_columns(ds=pl.lit("noon")))


def test_labels_beside_a_frame_are_refused() -> None:
    with pytest.raises(InputError, match="labels come with windows"):
        series_of(panel([5]), ["a"], split=None, seed=0)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 99), st.sampled_from(["ratio:0.6,0.2,0.2", "random:0.6,0.2,0.2", None]))
def test_the_rows_of_a_labelled_entity_are_never_divided(seed: int, spec: str | None) -> None:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(5, 30, size=12)
    data = Series.from_rows(rng.normal(size=(int(lengths.sum()), 1)), lengths, labels=["a", "b"] * 6)
    divided = divide(data, spec or default_split(data), seed)
    assert all(len(rows.unique()) == 1 for rows in divided.splits.split(divided.lengths.tolist()))
    assert bool(divided.rows_of("test").any())
    with pytest.raises(InputError, match="divide whole ones"):
        divide(data, "rows:3,1,1")

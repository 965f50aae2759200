"""Series in memory: the mask, windows against plain slices, the scaler, splits."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from layouts import array_layouts, frame_layouts

from distaff_data.datasets.series import Scaler, Series
from distaff_data.datasets.windows import latest, slide
from distaff_data.errors import InputError
from distaff_data.ingest.frames import series_of
from distaff_data.splits import SPLITS
from distaff_data.splits.series import default_split, divide, hold_out


def counting(*lengths: int, channels: int = 2) -> Series:
    """Row r of channel c holds ``10 r + c``."""
    values = 10.0 * np.arange(sum(lengths))[:, None] + np.arange(channels)
    return Series.from_rows(values, lengths)


def test_missing_values_are_zero_and_masked() -> None:
    data = Series.from_rows(np.array([[1.0, np.nan], [np.inf, 2.0]]), [2])
    assert data.values.tolist() == [[1, 0], [0, 2]]
    assert data.mask.tolist() == [[True, False], [False, True]]


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=4),
    length=st.integers(1, 5),
    horizon=st.integers(0, 3),
    step=st.integers(1, 3),
    borders=st.tuples(st.integers(0, 6), st.integers(0, 6)),
)
def test_windows_are_the_slices_that_a_slow_search_finds(
    lengths: list[int], length: int, horizon: int, step: int, borders: tuple[int, int]
) -> None:
    data = counting(*lengths)
    local = torch.cat([torch.arange(n) for n in lengths])
    data = data.with_splits(((local >= borders[0]).char() + (local >= sum(borders)).char()).to(torch.int8))
    for split in (*SPLITS, None):
        expected = []
        for entity in range(len(lengths)):
            begin, end = int(data.offsets[entity]), int(data.offsets[entity + 1])
            for start in range(begin, end - length - horizon + 1, step):
                own = range(start, start + length + horizon)
                if split == "train" or split is None:
                    judged = list(own)
                else:
                    judged = list(own)[length:] if horizon else list(own)[-1:]
                if split is None or all(SPLITS[int(data.splits[row])] == split for row in judged):
                    expected.append(start)
        found = slide(data, length, horizon=horizon, split=split, step=step)
        assert found.starts.tolist() == expected
        if expected:
            values, mask = found.take(torch.arange(len(found)))
            slices = torch.stack([data.values[s : s + length + horizon] for s in expected])
            assert torch.equal(values, slices)
            assert bool(mask.all())


def test_a_window_longer_than_its_entity_ends_in_missing_rows() -> None:
    data = dataclasses.replace(counting(2, 4, 3), whole=True)
    windows = slide(data, 4)
    values, mask = windows.take(torch.tensor([2, 0, 1]))
    assert mask[:, :, 0].sum(1).tolist() == [3, 2, 4]
    assert values[0, :, 0].tolist() == [60, 70, 80, 0]
    assert values[1, :, 0].tolist() == [0, 10, 0, 0]


def test_windows_without_a_measured_value_are_left_out() -> None:
    values = np.arange(8.0)[:, None]
    values[2:6] = np.nan
    data = Series.from_rows(values, [8])
    assert slide(data, 3).starts.tolist() == [0, 1, 4, 5]


_WHOLE = st.integers(-1000, 1000)  # numbers that every type holds exactly
_FEW = settings(max_examples=8, deadline=None, derandomize=True)


@_FEW
@given(values=hnp.arrays(np.float64, st.tuples(st.integers(2, 9), st.integers(1, 4)), elements=_WHOLE))
def test_a_series_is_the_same_whatever_the_layout_of_its_numbers(values: np.ndarray) -> None:
    length = min(len(values), 3)
    expected = np.stack([values[start : start + length] for start in range(len(values) - length + 1)])
    for name, layout in {**array_layouts(values), **frame_layouts(values), "lists": values.tolist()}.items():
        data = series_of(layout, None, split="ratio:1,0,0", seed=0)
        windows = slide(data, length)
        taken, mask = windows.take(torch.arange(len(windows)))
        assert taken.tolist() == expected.tolist(), name
        assert bool(mask.all()), name
        assert data.values.tolist() == values.tolist(), name


@_FEW
@given(
    values=hnp.arrays(np.float64, st.tuples(st.integers(2, 4), st.integers(1, 5), st.integers(1, 3)), elements=_WHOLE)
)
def test_windows_are_the_same_whatever_the_layout_of_their_numbers(values: np.ndarray) -> None:
    for name, layout in array_layouts(values).items():
        windows = slide(Series.from_windows(layout), values.shape[1])
        assert windows.take(torch.arange(len(values)))[0].tolist() == values.tolist(), name


@_FEW
@given(
    values=hnp.arrays(np.float32, st.tuples(st.integers(3, 9), st.integers(1, 4)), elements=_WHOLE),
    length=st.integers(1, 12),
)
def test_windows_follow_the_strides_of_tensors_that_were_not_copied(values: np.ndarray, length: int) -> None:
    data = dataclasses.replace(Series.from_rows(values, [1, len(values) - 1]), whole=True)
    index = torch.arange(2)
    expected, measured = slide(data, length).take(index)
    for order in (torch.from_numpy(np.asfortranarray(values)), torch.from_numpy(np.repeat(values, 2, 1))[:, ::2]):
        other = dataclasses.replace(data, values=order, mask=torch.ones_like(order, dtype=torch.bool))
        taken, mask = slide(other, length).take(index)
        assert torch.equal(taken, expected)
        assert torch.equal(mask, measured)


def test_a_series_of_strided_tensors_is_written_and_read_back(tmp_path: Path) -> None:
    data = counting(4, 3)
    strided = dataclasses.replace(data, values=data.values.T.contiguous().T)
    strided.write(tmp_path)
    assert torch.equal(Series.read(tmp_path, data.name, "").values, data.values)


def test_gathered_memory_is_its_own() -> None:
    data = counting(6)
    values, mask = slide(data, 3).take(torch.tensor([0]))
    values.zero_(), mask.zero_()
    assert data.values[1, 0] == 10
    assert bool(data.mask.all())


def test_latest_rows_of_each_entity() -> None:
    assert latest(counting(5, 2, 3), 3).starts.tolist() == [2, 7]


def test_scaler_reads_only_measured_training_rows() -> None:
    values = np.array([[1.0, 5.0], [3.0, 5.0], [np.nan, 5.0], [1000.0, 7.0]])
    data = Series.from_rows(values, [4]).with_splits(torch.tensor([0, 0, 0, 2], dtype=torch.int8))
    scaler = Scaler.of(data)
    assert scaler.mean.tolist() == [2, 5]
    assert scaler.std.tolist() == [1, 1]  # a constant channel keeps its unit
    scaled = scaler.apply(data.values, data.mask)
    assert scaled[:3, 0].tolist() == [-1, 1, 0]
    assert torch.allclose(scaler.invert(scaled)[data.mask], data.values[data.mask])


def test_ratio_divides_each_entity_in_time_order() -> None:
    data = divide(counting(10, 20), "ratio:0.7,0.1,0.2")
    assert data.splits.tolist() == [0] * 7 + [1] + [2] * 2 + [0] * 14 + [1] * 2 + [2] * 4


def test_rows_keeps_the_first_rows_of_each_entity() -> None:
    data = divide(counting(10, 8), "rows:4,2,1")
    assert data.lengths.tolist() == [7, 7]
    assert data.values[:, 0].tolist() == [*range(0, 70, 10), *range(100, 170, 10)]
    assert data.splits.tolist() == [0, 0, 0, 0, 1, 1, 2] * 2


def test_dates_cut_at_moments() -> None:
    times = 86_400.0 * np.arange(5)
    data = Series.from_rows(np.ones((5, 1)), [5], times=times)
    assert divide(data, "dates:1970-01-03,1970-01-04T12:00:00Z").splits.tolist() == [0, 0, 1, 1, 2]


def test_random_keeps_the_share_of_every_class() -> None:
    data = Series.from_windows(np.ones((100, 3, 1)), ["a"] * 80 + ["b"] * 20)
    divided = divide(data, "random:0.5,0.25,0.25", seed=1)
    splits, labels = divided.splits[data.offsets[:-1]], divided.labels
    for split, (a, b) in enumerate([(40, 10), (20, 5), (20, 5)]):
        assert (int(((splits == split) & (labels == 0)).sum()), int(((splits == split) & (labels == 1)).sum())) == (
            a,
            b,
        )
    assert torch.equal(splits, divide(data, "random:0.5,0.25,0.25", seed=1).splits[data.offsets[:-1]])


@pytest.mark.parametrize("spec", ["groups:0.6,0.2,0.2", "groups:valid=s1;test=s3"])
def test_groups_stay_whole(spec: str) -> None:
    groups = [f"s{i % 5}" for i in range(40)]
    data = divide(Series.from_windows(np.ones((40, 3, 1)), groups=groups), spec)
    splits = data.splits[data.offsets[:-1]].tolist()
    of_group = {group: {s for s, g in zip(splits, groups, strict=True) if g == group} for group in set(groups)}
    assert all(len(found) == 1 for found in of_group.values())
    assert sorted(split for found in of_group.values() for split in found).count(1) == 1


def test_held_out_windows_come_from_training_only() -> None:
    data = Series.from_windows(np.ones((20, 2, 1)), ["a", "b"] * 10)
    data = data.with_splits(torch.tensor([0] * 10 + [2] * 10, dtype=torch.int8)[data.entity_of_row()])
    splits = hold_out(data, 0.2).splits[data.offsets[:-1]].tolist()
    assert splits[10:] == [2] * 10
    assert sorted(splits[:10]) == [0] * 8 + [1] * 2


def test_default_split_keeps_subjects_apart() -> None:
    windows = np.ones((8, 2, 1))
    assert default_split(Series.from_windows(windows, groups=list("aabbccdd"))).startswith("groups")
    assert default_split(Series.from_windows(windows)).startswith("random")
    assert default_split(counting(9)).startswith("ratio")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("half", "there is no split"),
        ("ratio:0.7,0.1", "three shares"),
        ("ratio:0,0.5,0.5", "first above 0"),
        ("rows:5,a,2", "three whole numbers"),
        ("rows:50,1,1", "has 10 rows, fewer than 52"),
        ("rows:0,5,5", "nothing to train on"),
        ("dates:1970-01-02", "two moments"),
        ("dates:noon,later", "neither a number nor a date"),
        ("dates:9,3", "test begins before"),
        ("groups:0.7,0.1,0.2", "without a group"),
    ],
)
def test_a_split_that_cannot_be_is_refused(spec: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        divide(counting(10), spec)


def test_unknown_group_is_refused() -> None:
    data = Series.from_windows(np.ones((4, 2, 1)), groups=list("aabb"))
    with pytest.raises(InputError, match="no entity has this group"):
        divide(data, "groups:test=c")


def test_written_and_read_back(tmp_path: Path) -> None:
    data = Series.from_windows(
        np.random.default_rng(0).normal(size=(6, 3, 2)), [10, 9, None, 9, 10, 9], groups=list("abcabc")
    )
    data = divide(data, "random:0.5,0.5,0")
    assert data.classes == ("9", "10")
    data.write(tmp_path)
    again = Series.read(tmp_path, data.name, "g")
    for field in dataclasses.fields(Series):
        mine, other = getattr(data, field.name), getattr(again, field.name)
        if isinstance(mine, torch.Tensor):
            assert torch.equal(mine, other)
        elif field.name not in ("generation", "entity_ids", "groups"):
            assert mine == other
        elif field.name != "generation":
            assert mine.to_pylist() == other.to_pylist()


def test_some_entities_keep_their_rows_labels_and_groups() -> None:
    data = dataclasses.replace(
        counting(3, 1, 4), labels=torch.tensor([0, 1, 0]), classes=("a", "b"), groups=pa.array(["x", "y", None])
    )
    found = data.only(torch.tensor([True, False, True]))
    assert found.entity_ids.to_pylist() == [data.entity_ids[i].as_py() for i in (0, 2)]
    assert found.groups.to_pylist() == ["x", None]
    assert found.labels.tolist() == [0, 0]
    assert found.offsets.tolist() == [0, 3, 7]
    assert torch.equal(found.values, data.values[[0, 1, 2, 4, 5, 6, 7]])
    assert len(found.times) == len(found.splits) == len(found.mask) == 7

"""The split specification, and what each split does to known and to random rows."""

from __future__ import annotations

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distaff_data.errors import InputError
from distaff_data.splits.interactions import Split, parse_split, split_sql
from distaff_data.warehouse import Scratch

Event = tuple[int, int, float | None]  # user, item, time


def divide(scratch: Scratch, events: list[Event], spec: str | None, seed: int = 0) -> dict[tuple[int, int], str]:
    scratch.execute(
        "CREATE OR REPLACE TABLE x (u BIGINT, i BIGINT, user_id TEXT, item_id TEXT, time DOUBLE, seq BIGINT)"
    )
    values = ", ".join(
        f"({u}, {i}, 'u{u}', 'i{i}', {'NULL' if t is None else t}, {n})" for n, (u, i, t) in enumerate(events)
    )
    scratch.execute(f"INSERT INTO x VALUES {values}")
    split = None if spec is None else parse_split(spec)
    rows = scratch.rows(f"SELECT u, i, split FROM ({split_sql(split, 'x', seed)})")
    assert len(rows) == len(events)
    return {(int(str(u)), int(str(i))): str(name) for u, i, name in rows}


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scratch]:
    with Scratch(tmp_path_factory.mktemp("scratch"), []) as scratch:
        yield scratch


@pytest.mark.parametrize("text", ["random:0.8,0.1,0.1", "temporal:0.5,0.25,0.25", "leave-last-out", "random:1,0,0"])
def test_a_specification_is_read_and_written_back(text: str) -> None:
    assert str(parse_split(f" {text} ")) == text


def test_a_parsed_split_has_its_shares() -> None:
    assert parse_split("temporal:0.6,0.2,0.2") == Split("temporal", (0.6, 0.2, 0.2))
    assert parse_split("temporal:0.6,0.2,0.2").needs_time
    assert parse_split("leave-last-out").needs_time


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "often",
            "random",
            "random:",
            "random:a,b,c",
            "random:0.8,0.2",
            "random:0.8,0.1,0.2",
            "temporal:0,0.5,0.5",
        ),
        *("random:1.2,-0.1,-0.1", "random:nan,0,0", "random:inf,0,0", "leave-last-out:1", "Random:0.8,0.1,0.1"),
    ],
)
def test_what_is_no_split_is_refused_with_its_value(text: str) -> None:
    with pytest.raises(InputError, match="leave-last-out") as caught:
        parse_split(text)
    assert caught.value.value == text


def test_without_a_split_everything_is_train(scratch: Scratch) -> None:
    assert set(divide(scratch, [(0, 0, None), (0, 1, None)], None).values()) == {"train"}


def test_leave_last_out_tests_the_last_and_validates_the_one_before(scratch: Scratch) -> None:
    events: list[Event] = [(0, 0, 3), (0, 1, 1), (0, 2, 2), (1, 0, 1), (1, 1, 2), (2, 5, 1)]
    assert divide(scratch, events, "leave-last-out") == {
        **{(0, 1): "train", (0, 2): "valid", (0, 0): "test"},
        **{(1, 0): "train", (1, 1): "test"},
        (2, 5): "train",
    }


def test_leave_last_out_goes_by_file_order_without_time(scratch: Scratch) -> None:
    events: list[Event] = [(0, 9, None), (0, 1, None), (0, 5, None)]
    assert divide(scratch, events, "leave-last-out") == {(0, 9): "train", (0, 1): "valid", (0, 5): "test"}


def test_a_temporal_split_cuts_all_users_at_the_same_moments(scratch: Scratch) -> None:
    events: list[Event] = [(n % 3, n, float(n)) for n in range(10)]
    found = divide(scratch, events, "temporal:0.6,0.2,0.2")
    assert [found[n % 3, n] for n in range(10)] == ["train"] * 6 + ["valid"] * 2 + ["test"] * 2


def test_a_temporal_split_keeps_a_moment_together(scratch: Scratch) -> None:
    events: list[Event] = [(0, n, 1.0 if n < 9 else 2.0) for n in range(10)]
    assert Counter(divide(scratch, events, "temporal:0.5,0.3,0.2").values()) == {"train": 9, "test": 1}


def test_a_random_split_does_not_depend_on_the_order_of_rows_but_on_the_seed(scratch: Scratch) -> None:
    events: list[Event] = [(u, i, None) for u in range(5) for i in range(20)]
    first = divide(scratch, events, "random:0.8,0.1,0.1")
    assert divide(scratch, events[::-1], "random:0.8,0.1,0.1") == first
    assert divide(scratch, events, "random:0.8,0.1,0.1", seed=1) != first


def test_a_random_split_never_changes(scratch: Scratch) -> None:
    # A published split must mean the same rows in every version, so the digests are checked against Python's.
    found = divide(scratch, [(0, i, None) for i in range(10)], "random:0.6,0.2,0.2")
    lots = {i: hashlib.md5(f"0\x1fu0\x1fi{i}".encode()).digest()[8:] for i in range(10)}
    order = sorted(lots, key=lambda i: int.from_bytes(lots[i], "little"))
    assert [found[0, i] for i in order] == ["train"] * 6 + ["valid"] * 2 + ["test"] * 2


def test_users_with_few_interactions_starve_neither_valid_nor_test(scratch: Scratch) -> None:
    events: list[Event] = [(u, i, None) for u in range(400) for i in range(5)]
    counts = Counter(divide(scratch, events, "random:0.8,0.1,0.1").values())
    assert counts["train"] == 1600
    assert 150 < counts["valid"] < 250


@settings(max_examples=25, deadline=None)
@given(
    pairs=st.sets(st.tuples(st.integers(0, 6), st.integers(0, 12)), min_size=1, max_size=50),
    shares=st.sampled_from(
        [(0.8, 0.1, 0.1), (0.6, 0.2, 0.2), (0.34, 0.33, 0.33), (1.0, 0.0, 0.0), (0.5, 0.5, 0.0), (0.5, 0.0, 0.5)]
    ),
    seed=st.integers(0, 1000),
)
def test_a_random_split_partitions_each_users_rows_by_the_shares(
    scratch: Scratch, pairs: set[tuple[int, int]], shares: tuple[float, float, float], seed: int
) -> None:
    spec = "random:" + ",".join(map(str, shares))
    found = divide(scratch, [(u, i, None) for u, i in sorted(pairs)], spec, seed)
    assert found.keys() == pairs
    by_user: dict[int, Counter[str]] = defaultdict(Counter)
    for (user, _), split in found.items():
        by_user[user][split] += 1
    for counts in by_user.values():
        n = counts.total()
        assert abs(counts["train"] - max(1, n * shares[0])) <= 0.5 + 1e-9
        rest = n - counts["train"]
        if shares[1] + shares[2]:
            expected = rest * shares[1] / (shares[1] + shares[2])
            assert math.floor(expected) <= counts["valid"] <= math.ceil(expected)


@settings(max_examples=25, deadline=None)
@given(
    events=st.dictionaries(st.tuples(st.integers(0, 4), st.integers(0, 8)), st.integers(0, 9), min_size=1, max_size=40),
    spec=st.sampled_from(["temporal:0.8,0.1,0.1", "temporal:0.4,0.3,0.3", "leave-last-out"]),
)
def test_a_split_by_time_never_trains_on_what_came_after_a_test(
    scratch: Scratch, events: dict[tuple[int, int], int], spec: str
) -> None:
    found = divide(scratch, [(u, i, float(t)) for (u, i), t in events.items()], spec)
    assert found.keys() == events.keys()
    rank = {"train": 0, "valid": 1, "test": 2}
    for one, first in found.items():
        for other, second in found.items():
            comparable = one[0] == other[0] or spec.startswith("temporal")
            if comparable and rank[first] < rank[second]:
                assert events[one] <= events[other]

"""Times are in the unit that they look like, or refused with their line; none is rescaled because of another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from distaff_data.errors import InputError
from distaff_data.ingest import ingest_interactions, ingest_series
from distaff_data.ingest.times import seconds_of
from distaff_data.tables.series import load_series
from distaff_data.workspace import Workspace

DAY = 86_400.0
T2024 = 1_704_067_200.0


def times_of(workspace: Workspace) -> dict[str, float | None]:
    rows = workspace.warehouse.rows("SELECT user_id, item_id, time FROM interactions ORDER BY ALL")
    return {f"{row['user_id']}{row['item_id']}": row["time"] for row in rows}


def write(folder: Path, *times: str) -> Path:
    lines = [f"{'aab'[n - 1]},{n},{time}" for n, time in enumerate(times, 1)]
    (folder / "t.csv").write_text("\n".join(["user,item,timestamp", *lines]) + "\n")
    return folder / "t.csv"


@pytest.mark.parametrize(
    ("sign", "others"),
    [
        ("9999-12-31", "2024-01-01"),
        ("9999-12-31T23:59:59Z", "2024-01-01"),
        ("253402300799", "1704067200"),
        ("253402300799000", "1704067200000"),
        ("2147483647", "1704067200"),
        ("9223372036854775807", "1704067200000000000"),
    ],
)
def test_sign_for_no_end_is_named_and_refused_or_taken_as_missing(
    workspace: Workspace, tmp_path: Path, sign: str, others: str
) -> None:
    file = write(tmp_path, others, others, sign)
    with pytest.raises(InputError, match="'no end'") as refused:
        ingest_interactions(workspace, "t", file)
    assert (refused.value.line, refused.value.column) == (4, "timestamp")
    assert sign in str(refused.value)
    assert workspace.warehouse.rows("SELECT * FROM datasets") == []
    report = ingest_interactions(workspace, "t", file, far_times="missing")
    assert times_of(workspace) == {"a1": T2024, "a2": T2024, "b3": None}
    units = {10: "seconds", 13: "milliseconds", 19: "nanoseconds"}
    assert (report.far_times_missing, report.times) == (1, "dates" if "-" in others else units[len(others)])
    with pytest.raises(InputError, match="'no end'"):  # a split by time needs every time
        ingest_interactions(workspace, "u", file, far_times="missing", split="temporal:0.5,0.25,0.25")
    with pytest.raises(InputError, match="refused, or taken as missing"):
        ingest_interactions(workspace, "u", file, far_times="never")


def test_mixed_units_are_refused_with_the_line(workspace: Workspace, tmp_path: Path) -> None:
    file = write(tmp_path, "1700000000", "1600000000000", "1700000001")
    with pytest.raises(InputError, match="in milliseconds, and those before in seconds") as refused:
        ingest_interactions(workspace, "t", file)
    assert (refused.value.line, refused.value.value) == (3, "1600000000000")


@pytest.mark.parametrize("unit", [1, 10**3, 10**6, 10**9])
def test_each_unit_is_told_by_its_values(workspace: Workspace, tmp_path: Path, unit: int) -> None:
    report = ingest_interactions(workspace, "t", write(tmp_path, *(str(int(T2024 + n * DAY) * unit) for n in range(3))))
    names = {1: "seconds", 10**3: "milliseconds", 10**6: "microseconds", 10**9: "nanoseconds"}
    assert (report.times, report.far_times_missing) == (names[unit], 0)
    assert times_of(workspace) == {"a1": T2024, "a2": T2024 + DAY, "b3": T2024 + 2 * DAY}


def test_dates_are_never_rescaled(workspace: Workspace, tmp_path: Path) -> None:
    ingest_interactions(workspace, "t", write(tmp_path, "1955-01-01", "1704067200", "2024-01-02T00:00:00Z"))
    assert times_of(workspace) == {"a1": -473_385_600.0, "a2": T2024, "b3": T2024 + DAY}


def test_series_refuse_them_too(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("time,x\n2024-01-01,1\n2024-01-02,2\n9999-12-31,3\n")
    with pytest.raises(InputError, match="'no end'"):
        ingest_series(workspace, "s", tmp_path / "s.csv")
    (tmp_path / "s.csv").write_text("time,x\n1700000000,1\n1700000060000,2\n")
    with pytest.raises(InputError, match="write all in one unit"):
        ingest_series(workspace, "s", tmp_path / "s.csv")
    rows = "".join(f"{(1_700_000_000 + 60 * n) * 1000},{n}\n" for n in range(30))
    (tmp_path / "s.csv").write_text("time,x\n" + rows)
    ingest_series(workspace, "s", tmp_path / "s.csv")
    assert load_series(workspace.warehouse, "s").times[0] == 1_700_000_000


def test_arrays_of_times_name_the_place() -> None:
    assert seconds_of(np.array([0.0, 1.7e12, 1.8e12])).tolist() == [0.0, 1.7e9, 1.8e9]
    for times, place in (([1.7e9, 1.7e12], 1), ([1.7e9, 1.7e9, 253_402_214_400.0], 2), ([2_147_483_647.0], 0)):
        with pytest.raises(ValueError) as refused:  # noqa: PT011 - the message is looked at by those who pass it on
            seconds_of(np.array(times))
        assert refused.value.args[1] == place


BOUGHT = "customer,product,{name}\na,x,2024-01-03\na,y,2024-01-01 12:00\na,z,2024-01-02\nb,x,2024-01-01\n"


def test_a_split_by_the_last_takes_the_one_column_of_dates_for_the_time(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "o.csv").write_text(BOUGHT.format(name="bought_at"))
    report = ingest_interactions(workspace, "d", tmp_path / "o.csv", split="leave-last-out")
    assert report.columns["time"] == "bought_at"
    rows = workspace.warehouse.rows("SELECT item_id FROM interactions WHERE split = 'test'")
    assert [row["item_id"] for row in rows] == ["x"]  # the first line, and the latest day


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("customer,product\na,x\na,y\n", "no column looks like the time"),
        ("customer,product,delivery_time\na,x,3 days\na,y,1 day\n", "no column looks like the time"),
        ("customer,product,valid_on\na,x,2024-01-01\na,y,9999-12-31\n", "no column looks like the time"),
        ("customer,product,paid_at,sent_at\na,x,2024-01-01,2024-01-02\n", "may be paid_at or sent_at"),
    ],
)
def test_a_split_by_the_last_without_a_time_is_refused(
    workspace: Workspace, tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "o.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        ingest_interactions(workspace, "d", tmp_path / "o.csv", split="leave-last-out")
    assert ingest_interactions(workspace, "e", tmp_path / "o.csv", split=None).users == 1


@pytest.mark.parametrize("text", ["05.02.2024 18:58", "05/02/2024 18:58", "5-2-2024 18:58:00"])
def test_dates_whose_day_comes_first_are_read_when_a_person_says_so(
    workspace: Workspace, tmp_path: Path, text: str
) -> None:
    file = write(tmp_path, text, "13.01.2024", "14.01.2024")
    with pytest.raises(InputError, match="--day-first"):
        ingest_interactions(workspace, "t", file)
    ingest_interactions(workspace, "t", file, day_first=True)
    assert times_of(workspace)["a1"] == T2024 + 35 * DAY + 18 * 3600 + 58 * 60
    (tmp_path / "s.csv").write_text(f"time,x\n13.01.2024,1\n14.01.2024,2\n{text},3\n")
    ingest_series(workspace, "s", tmp_path / "s.csv", day_first=True, split="ratio:1,0,0")
    assert load_series(workspace.warehouse, "s").times[-1].item() == T2024 + 35 * DAY + 18 * 3600 + 58 * 60


def test_a_format_decides_and_one_that_names_no_day_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    file = write(tmp_path, "02/05/2024", "02/06/2024", "02/07/2024")
    ingest_interactions(workspace, "t", file, time_format="%m/%d/%Y")
    assert times_of(workspace)["a1"] == T2024 + 35 * DAY
    for settings in ({"time_format": "%H:%M"}, {"time_format": "%m/%d/%Y", "day_first": True}):
        with pytest.raises(InputError, match="format"):
            ingest_interactions(workspace, "u", file, **settings)
    with pytest.raises(InputError, match="no date of the form %Y"):
        ingest_interactions(workspace, "u", file, time_format="%Y %m %d")


def test_an_unnamed_column_of_dates_is_the_time_of_a_series(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "co2.csv").write_text(",co2\n1958-03-29,316.1\n1958-04-05,317.3\n1958-04-12,317.6\n")
    report = ingest_series(workspace, "s", tmp_path / "co2.csv", split="ratio:1,0,0")
    assert (report.channels, report.regular) == (1, True)
    assert load_series(workspace.warehouse, "s").times[1].item() == -370_569_600

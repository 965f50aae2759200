"""Odd and hostile files: each is refused in one line or read right, in time and memory that grow with its bytes."""

from __future__ import annotations

import json
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from distaff_data.errors import InputError
from distaff_data.ingest import ingest_attributes, ingest_incidents, ingest_interactions, ingest_series
from distaff_data.ingest.archives import read_npz
from distaff_data.ingest.options import IncidentsOptions
from distaff_data.workspace import Workspace

_SECONDS = 40.0  # of processor time, which other processes do not add to; what is tested here took minutes


def _nuls(folder: Path) -> Path:
    file = folder / "nuls.csv"
    with file.open("wb") as out:
        out.write(b"user,item\na,b\n")
        out.truncate(1 << 30)
    return file


def _orders(folder: Path, header: str, row: str = "a,b,c") -> Path:
    (folder / "x.csv").write_text(f"{header}\n{row}\n{row}\n")
    return folder / "x.csv"


def _parquet(folder: Path, users: pa.Array, name: str = "x.parquet") -> Path:
    pq.write_table(pa.table({"user": users, "item": ["i"] * len(users)}), folder / name)
    return folder / name


def _text(folder: Path, text: str, name: str) -> Path:
    (folder / name).write_text(text)
    return folder / name


_INTERACTIONS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "one line of a gigabyte of NULs": (_nuls, "longer than 64 MiB"),
    "brackets without end": (
        lambda f: _text(f, '{"user": 1}\n' + "[" * 200_000, "x.jsonl"),
        "not JSON|no object|recursion",
    ),
    "an integer of 5000 digits": (lambda f: _text(f, f'{{"user": {"9" * 5000}, "item": 1}}\n', "x.jsonl"), "JSON"),
    "one name twice": (lambda f: _orders(f, "user,user,item"), "column user: two columns have this name"),
    "one name in two cases": (lambda f: _orders(f, "User,user,item"), "column User: two columns have this name"),
    "ids that are lists": (lambda f: _parquet(f, pa.array([["a"], ["b"]])), "text or a number"),
    "ids that are structures": (lambda f: _parquet(f, pa.array([{"x": 1}, {"x": 2}])), "text or a number"),
    "ids that are bytes": (lambda f: _parquet(f, pa.array([b"\xff\xfe", b"a"])), "text or a number"),
    "ids that are no number": (lambda f: _parquet(f, pa.array([np.nan, 1.0])), "the user is missing"),
    "no rows but a million of one": (lambda f: _parquet(f, pa.repeat("a", 3_000_000)), "all the same"),
}


@pytest.mark.parametrize("case", _INTERACTIONS)
def test_odd_interactions_are_refused_in_a_line(workspace: Workspace, tmp_path: Path, case: str) -> None:
    write, message = _INTERACTIONS[case]
    begun = time.process_time()
    with pytest.raises(InputError, match=message) as caught:
        ingest_interactions(workspace, "x", write(tmp_path))
    assert time.process_time() - begun < _SECONDS
    assert "\n" not in str(caught.value)
    assert workspace.warehouse.rows("SELECT * FROM datasets") == []


def test_parquet_under_another_name_is_read(workspace: Workspace, tmp_path: Path) -> None:
    file = _parquet(tmp_path, pa.array(["a", "b"]), "x.csv")
    assert ingest_interactions(workspace, "x", file).users == 2


def test_series_of_five_thousand_channels_take_seconds(workspace: Workspace, tmp_path: Path) -> None:
    names = ",".join(f"c{i}" for i in range(5000))
    rows = [f"{t}," + ",".join(str((i * t) % 7 + 0.5) for i in range(5000)) for t in range(10)]
    begun = time.process_time()
    ingest_series(workspace, "x", [_text(tmp_path, "time," + names + "\n" + "\n".join(rows), "x.csv")])
    assert time.process_time() - begun < _SECONDS
    (row,) = workspace.warehouse.rows('SELECT "values" AS v FROM readings WHERE time = 3')
    assert row["v"] == [(3 * i) % 7 + 0.5 for i in range(5000)]


def test_wide_series_are_refused_at_the_first_wrong_cell(workspace: Workspace, tmp_path: Path) -> None:
    text = "time,a,b,c\n0,1,2,3\n1,1,x,y\n2,z,2,3\n"
    with pytest.raises(InputError, match="not a number") as caught:
        ingest_series(workspace, "x", [_text(tmp_path, text, "x.csv")])
    assert (caught.value.line, caught.value.column, caught.value.value) == (3, "b", "x")


def test_items_of_twenty_thousand_columns_take_seconds(workspace: Workspace, tmp_path: Path) -> None:
    ingest_interactions(workspace, "shop", _text(tmp_path, "user,item\na,i1\nb,i2\n", "orders.csv"))
    names = ",".join(f"k{i}" for i in range(20_000))
    text = f"item,{names}\ni1,{','.join(str(i % 3) for i in range(20_000))}\n"
    begun = time.process_time()
    report = ingest_attributes(workspace, "item", "shop", [_text(tmp_path, text, "items.csv")])
    assert time.process_time() - begun < _SECONDS
    assert (len(report.attributes), report.values) == (20_000, 20_000)
    sql = "SELECT value FROM attributes WHERE name = 'k19999'"
    assert workspace.warehouse.rows(sql) == [{"value": "1"}]


@pytest.mark.parametrize("step", [0.0, -1.0, float("nan"), float("inf")])
def test_step_that_is_none_is_refused(workspace: Workspace, tmp_path: Path, step: float) -> None:
    file = _text(tmp_path, "time,a,b\n0,1,2\n1,2,3\n2,3,5\n", "x.csv")
    for ingest in (ingest_series, ingest_incidents):
        with pytest.raises(InputError, match="number of seconds above 0"):
            ingest(workspace, "x", [file], step=step)


_INCIDENTS: dict[str, tuple[bytes, dict[str, Any], str]] = {
    "latin-1": ("time,größe,b\n0,1,2\n1,2,3\n".encode("latin-1"), {}, "UTF-8"),
    "a gap of a year": (b"time,a\n0,1\n0.001,2\n0.002,1\n31536000,5\n", {}, "longest gap is"),
    "a step of a billionth": (b"time,a\n0,1\n1,2\n2,1\n", {"step": 1e-9}, "longer --step"),
    "text": (b"time,a\n0,1\n1,x\n", {}, "no number"),
    "one name twice": (b"time,a,a\n0,1,2\n1,2,3\n", {}, "two columns have this name"),
}


@pytest.mark.parametrize("case", _INCIDENTS)
def test_odd_metrics_are_refused_in_a_line(workspace: Workspace, tmp_path: Path, case: str) -> None:
    content, options, message = _INCIDENTS[case]
    (tmp_path / "x.csv").write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        ingest_incidents(workspace, "x", [tmp_path / "x.csv"], IncidentsOptions(**options))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("listing", "message"),
    [
        (json.dumps([{"case": "c", "onset": "soon"}]), "column onset, value 'soon': the onset is a number"),
        ("[" * 100_000, "not JSON"),
        (json.dumps([{"case": "../../../etc/passwd"}]), "value '../../../etc/passwd': a case's name is"),
    ],
)
def test_odd_listings_are_refused_in_a_line(workspace: Workspace, tmp_path: Path, listing: str, message: str) -> None:
    (tmp_path / "cases").mkdir()
    _text(tmp_path, "time,a\n0,1\n1,2\n", "x.csv")
    pq.write_table(pa.table({"time": [0.0, 1.0], "a": [1.0, 2.0]}), tmp_path / "cases" / "c.parquet")
    _text(tmp_path, listing, "cases.json")
    with pytest.raises(InputError) as caught:
        ingest_incidents(workspace, "x", tmp_path)
    assert message in str(caught.value)


def _archive(folder: Path, change: Callable[[zipfile.ZipInfo, bytearray], None], method: int) -> Path:
    """Write an archive whose member was changed after it was packed."""
    file = folder / "x.npz"
    np.save(folder / "x.npy", np.zeros((40, 50)))
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.write(folder / "x.npy", "x.npy")
        info = archive.infolist()[0]
    content = bytearray(file.read_bytes())
    change(info, content)
    file.write_bytes(content)
    return file


def _encrypt(info: zipfile.ZipInfo, content: bytearray) -> None:
    content[6] |= 1
    content[content.rindex(b"PK\x01\x02") + 8] |= 1


def _unknown(info: zipfile.ZipInfo, content: bytearray) -> None:
    content[8] = content[content.rindex(b"PK\x01\x02") + 10] = 99


def _spoil(info: zipfile.ZipInfo, content: bytearray) -> None:
    content[60:70] = b"\xff" * 10


@pytest.mark.parametrize("change", [_encrypt, _unknown, _spoil])
@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_odd_archives_are_refused_in_a_line(
    tmp_path: Path, change: Callable[[zipfile.ZipInfo, bytearray], None], method: int
) -> None:
    with pytest.raises(InputError, match="cannot read the arrays") as caught:
        read_npz([_archive(tmp_path, change, method)], "x")
    assert "\n" not in str(caught.value)


def test_numbers_too_large_for_32_bits_are_refused(workspace: Workspace, tmp_path: Path) -> None:
    ingest_interactions(workspace, "shop", _text(tmp_path, "user,item\na,0\nb,1\n", "orders.csv"))
    np.save(tmp_path / "text.npy", np.full((2, 3), 1e200))
    with pytest.raises(InputError, match="too large for 32 bits"):
        ingest_attributes(workspace, "item", "shop", [tmp_path / "text.npy"])
    np.savez(tmp_path / "x.npz", x=np.full((4, 5), 1e300))
    with pytest.raises(InputError):
        read_npz([tmp_path / "x.npz"], "x")
    with pytest.raises(InputError, match="too large for 32 bits"):
        ingest_series(workspace, "x", [_text(tmp_path, "time,a\n0,1\n1,1e39\n", "x.csv")])


def test_empty_matrix_is_refused_in_a_line(workspace: Workspace, tmp_path: Path) -> None:
    ingest_interactions(workspace, "shop", _text(tmp_path, "user,item\na,0\nb,1\n", "orders.csv"))
    (tmp_path / "text.npy").touch()
    with pytest.raises(InputError, match="as a plain"):
        ingest_attributes(workspace, "item", "shop", [tmp_path / "text.npy"])

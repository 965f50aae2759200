"""Files of series: what is read, and what is refused with its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from distaff_data.datasets.series import Series
from distaff_data.errors import InputError
from distaff_data.ingest import ingest_series
from distaff_data.tables.series import load_series
from distaff_data.workspace import Workspace


def load(workspace: Workspace, path: Path | list[Path], **options: Any) -> Series:
    ingest_series(workspace, "s", path, replace=True, **options)
    return load_series(workspace.warehouse, "s")


def write(tmp_path: Path, text: str, name: str = "a.csv") -> Path:
    file = tmp_path / name
    file.write_text(text)
    return file


WIDE = "date,load,temp\n2026-01-01,1,5\n2026-01-02,2,\n2026-01-03,nan,7\n2026-01-04,4,8\n"


def test_wide_table(workspace: Workspace, tmp_path: Path) -> None:
    data = load(workspace, write(tmp_path, WIDE), split="rows:2,1,1")
    assert data.channels == ("load", "temp")
    assert data.values.tolist() == [[1, 5], [2, 0], [0, 7], [4, 8]]
    assert data.mask.tolist() == [[True, True], [True, False], [False, True], [True, True]]
    assert data.splits.tolist() == [0, 0, 1, 2]
    assert data.times.diff().tolist() == [86_400.0] * 3


def test_parquet_reads_like_csv(workspace: Workspace, tmp_path: Path) -> None:
    columns = {"date": pa.array([3, 1, 2], pa.timestamp("s")), "load": [3.5, 1.5, None]}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    data = load(workspace, tmp_path / "a.parquet", split="rows:1,1,1")
    assert data.times.tolist() == [1, 2, 3]
    assert data.values.flatten().tolist() == [1.5, 0, 3.5]


def test_gap_becomes_missing_rows(workspace: Workspace, tmp_path: Path) -> None:
    file = write(tmp_path, "time,x\n0,1\n10,2\n40,5\n20,3\n")
    report = ingest_series(workspace, "s", file, split="ratio:0.6,0.2,0.2")
    data = load_series(workspace.warehouse, "s")
    assert (report.gap_rows, report.regular, report.rows) == (1, True, 5)
    assert data.times.tolist() == [0, 10, 20, 30, 40]
    assert data.mask.flatten().tolist() == [True, True, True, False, True]


def test_uneven_times_keep_their_rows(workspace: Workspace, tmp_path: Path) -> None:
    report = ingest_series(workspace, "s", write(tmp_path, "time,x\n0,1\n10,2\n13,3\n29,5\n"))
    assert (report.gap_rows, report.regular, report.rows) == (0, False, 4)


def test_several_entities_of_unequal_length(workspace: Workspace, tmp_path: Path) -> None:
    text = "time,device,x\n0,b,1\n0,a,10\n1,b,2\n1,a,11\n2,a,12\n4,a,14\n"
    data = load(workspace, write(tmp_path, text), split="ratio:0.5,0,0.5")
    assert data.entity_ids.to_pylist() == ["b", "a"]
    assert data.lengths.tolist() == [2, 5]
    assert data.values.flatten().tolist() == [1, 2, 10, 11, 12, 0, 14]


def test_labels_groups_and_split_by_column(workspace: Workspace, tmp_path: Path) -> None:
    lines = [
        f"{e},{t},{t + i},{'up' if i else 'down'},p{i},{'train' if i else 'test'}"
        for i, e in enumerate("ab")
        for t in range(3)
    ]
    file = write(tmp_path, "device,time,x,class,person,part\n" + "\n".join(lines) + "\n")
    data = load(workspace, file, label="class", group="person", split_column="part", whole=True)
    assert data.classes == ("down", "up")
    assert data.labels.tolist() == [0, 1]
    assert data.groups.to_pylist() == ["p0", "p1"]
    assert data.splits.tolist().count(2) == 3
    assert data.whole


def test_long_table(workspace: Workspace, tmp_path: Path) -> None:
    text = "time,sensor,value\n0,t,1\n0,p,5\n1,p,6\n2,t,3\n2,p,\n"
    data = load(workspace, write(tmp_path, text), split="rows:1,1,1")
    assert data.channels == ("t", "p")
    assert data.values.tolist() == [[1, 5], [0, 6], [3, 0]]
    assert data.mask.tolist() == [[True, True], [False, True], [True, False]]


TS = "@problemName toy\n@timeStamps false\n@classLabel true a b\n@data\n"


def test_ts_files_bring_split_classes_and_lengths(workspace: Workspace, tmp_path: Path) -> None:
    rows = "\n".join(f"{i},2,?:4,5,6:{'ab'[i % 2]}" for i in range(10))
    train = write(tmp_path, TS + rows + "\n", "toy_TRAIN.ts")
    test = write(tmp_path, TS + "1,2:3:b\n", "toy_TEST.ts")
    data = load(workspace, [train, test])
    assert data.lengths.tolist() == [3] * 10 + [2]
    assert data.mask[:3].tolist() == [[True, True], [True, True], [False, True]]
    assert data.mask[-2:].tolist() == [[True, True], [True, False]]
    first = data.splits[data.offsets[:-1]].tolist()
    assert first[-1] == 2
    assert sorted(first[:-1]) == [0] * 8 + [1] * 2  # validation comes out of training


def test_arff_of_one_channel(workspace: Workspace, tmp_path: Path) -> None:
    head = "% made by hand\n@relation toy\n@attribute att0 numeric\n@attribute att1 REAL\n@attribute target {1, 2}\n@data\n"
    train = write(tmp_path, head + "".join(f"{i},?,{1 + i % 2}\n" for i in range(10)), "Toy_TRAIN.arff")
    test = write(tmp_path, head + "% a remark\n1.5,-2e1, 2\n", "Toy_TEST.arff")
    data = load(workspace, [train, test])
    assert (data.channels, data.classes, data.whole) == (("c1",), ("1", "2"), True)
    assert data.lengths.tolist() == [2] * 11
    assert data.mask[:2, 0].tolist() == [True, False]
    assert data.values[-2:, 0].tolist() == [1.5, -20]
    assert data.splits[data.offsets[:-1]].tolist()[-1] == 2


def test_arff_of_several_channels(workspace: Workspace, tmp_path: Path) -> None:
    rows = "".join(f"'{i},2\\n4,?',{'walk' if i % 2 else 'sit still'}\n" for i in range(10))
    data = load(workspace, write(tmp_path, RELATIONAL + rows.replace("sit still", "'sit still'"), "a.arff"))
    assert data.classes == ("sit still", "walk")
    assert data.values[:2].tolist() == [[0, 4], [2, 0]]
    assert data.mask[:2].tolist() == [[True, True], [True, False]]


def test_npz_with_subjects(workspace: Workspace, tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(30, 4, 2)).astype(np.float32)
    np.savez(tmp_path / "a.npz", x=x, y=np.arange(30) % 3, subject=np.arange(30) % 6)
    data = load(workspace, tmp_path / "a.npz")
    assert torch.equal(data.values, torch.from_numpy(x.reshape(-1, 2)))
    assert (data.classes, data.whole) == (("0", "1", "2"), True)
    first = data.splits[data.offsets[:-1]].tolist()
    assert all(len({first[i] for i in range(g, 30, 6)}) == 1 for g in range(6))


def test_npz_with_parts_and_channels_first(workspace: Workspace, tmp_path: Path) -> None:
    parts = {
        f"x_{part}": np.full((n, 2, 5), i, np.float32)
        for i, (part, n) in enumerate([("train", 4), ("val", 2), ("test", 3)])
    }
    np.savez(tmp_path / "a.npz", allow_pickle=False, **parts)
    data = load(workspace, tmp_path / "a.npz", channels_first=True)
    assert data.channels == ("c1", "c2")
    assert data.lengths.tolist() == [5] * 9
    assert torch.equal(data.values[:, 0].long(), data.splits.long())


RELATIONAL = (
    "@relation toy\n@attribute relationalAtt relational\n@attribute t0 numeric\n@attribute t1 numeric\n"
    "@end relationalAtt\n@attribute class {'sit still',walk}\n@data\n"
)
PLAIN = "@relation toy\n@attribute t0 numeric\n@attribute t1 numeric\n@attribute class {a,b}\n@data\n"
NO_X = "no array x"
REFUSED: dict[str, tuple[str, str, dict[str, Any], tuple[int | None, str | None, object], str]] = {
    "text in a channel": (
        "a.csv",
        "time,x,y\n0,1,2\n\n1,3,high\n",
        {},
        (4, "y", "high"),
        "not a number; leave the column out",
    ),
    "infinite value": ("a.csv", "time,x\n0,1\n1,inf\n", {}, (3, "x", "inf"), "not a number"),
    "bad time": ("a.csv", "time,x\n0,1\nnoon,2\n", {}, (3, "time", "noon"), "neither a number nor a date"),
    "missing time": ("a.csv", "time,x\n0,1\n,2\n", {}, (3, "time", None), "neither a number nor a date"),
    "one time twice": (
        "a.csv",
        "time,x\n0,1\n5,2\n0,3\n",
        {},
        (4, "time", None),
        "row of this entity and time already",
    ),
    "off the step": ("a.csv", "time,x\n0,1\n5,2\n12,3\n", {"step": 5}, (4, "time", None), "whole number of steps"),
    "no channel": ("a.csv", "time,device\n0,1\n", {}, (1, None, None), "no channels"),
    "no such column": (
        "a.csv",
        "time,x\n0,1\n",
        {"label": "lable"},
        (1, "lable", None),
        "no such column",
    ),
    "two labels": ("a.csv", "time,c,x\n0,a,1\n1,b,2\n", {"label": "c"}, (3, "c", None), "one label"),
    "bad split word": (
        "a.csv",
        "time,p,x\n0,train,1\n1,later,2\n",
        {"split_column": "p"},
        (3, "p", "later"),
        "no split",
    ),
    "no training rows": (
        "a.csv",
        "time,p,x\n0,test,1\n1,test,2\n",
        {"split_column": "p"},
        (None, "split", None),
        "no training rows",
    ),
    "measured twice": (
        "a.csv",
        "time,sensor,value\n0,t,1\n0,t,2\n",
        {},
        (3, "sensor", "t"),
        "measured at this time already",
    ),
    "nothing measured": ("a.csv", "time,x\n0,\n1,\n", {}, (None, None, None), "every value is missing"),
    "too few columns": ("a.csv", "time,x\n0,1\n1\n", {}, (3, "x", "1"), "missing columns"),
    "no @data": ("a.ts", "@problemName x\n1,2:a\n", {}, (2, None, "1,2:a"), "before @data"),
    "bad number in ts": ("a.ts", TS + "1,2:1,two:a\n", {}, (5, "channel 2", "two"), "not a number"),
    "unknown class": ("a.ts", TS + "1,2:c\n", {}, (5, "class", "c"), "there are a, b"),
    "time stamps in ts": (
        "a.ts",
        TS.replace("false", "true") + "(0,1):a\n",
        {},
        (None, "@timeStamps", None),
        "evenly spaced",
    ),
    "no data in arff": ("a.arff", "@relation x\n@attribute t numeric\n", {}, (None, None, None), "no @data"),
    "no values in arff": ("a.arff", "@relation x\n@data\n1\n", {}, (2, None, None), "no numeric attributes"),
    "text attribute": (
        "a.arff",
        "@relation x\n@attribute t string\n@data\nx\n",
        {},
        (2, None, "@attribute t string"),
        "numeric attributes or one relation",
    ),
    "bad number in arff": ("a.arff", PLAIN + "1,2,a\n1,x,a\n", {}, (7, "channel 1", "x"), "not a number"),
    "too few values in arff": ("a.arff", PLAIN + "1,a\n", {}, (6, None, None), "1 values for 2"),
    "unknown class in arff": ("a.arff", PLAIN + "1,2,c\n", {}, (6, "class", "c"), "there are a, b"),
    "relation without quotes": ("a.arff", RELATIONAL + "1,2,walk\n", {}, (8, None, "1,2"), "stands in quotes"),
    "bad number in a relation": (
        "a.arff",
        RELATIONAL + "'1,2\\n3,y',walk\n",
        {},
        (8, "channel 2", "y"),
        "not a number",
    ),
    "nothing in arff": ("a.arff", PLAIN, {}, (None, None, None), "nothing else"),
    "no zip": ("a.npz", "hello", {}, (None, None, None), "cannot read the arrays"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals_say_where_and_change_nothing(case: str, workspace: Workspace, tmp_path: Path) -> None:
    name, text, options, place, message = REFUSED[case]
    with pytest.raises(InputError, match=message) as caught:
        ingest_series(workspace, "s", write(tmp_path, text, name), **options)
    assert (caught.value.line, caught.value.column, caught.value.value) == place
    assert "\n" not in str(caught.value)
    for table in ("datasets", "readings", "entities", "channels"):
        assert workspace.warehouse.rows(f"SELECT * FROM {table}") == []


def test_objects_are_not_unpickled(workspace: Workspace, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.array([{"a": 1}], dtype=object))
    with pytest.raises(InputError, match="Python objects"):
        ingest_series(workspace, "s", tmp_path / "a.npz")


def test_arrays_that_do_not_fit_are_refused(workspace: Workspace, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.ones((3, 4, 1)), y=np.ones(2))
    with pytest.raises(InputError, match="3 windows but"):
        ingest_series(workspace, "s", tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", z=np.ones(2))
    with pytest.raises(InputError, match=NO_X):
        ingest_series(workspace, "s", tmp_path / "b.npz")

"""The staging database: what is read, what is refused, and what stays shut."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from distaff_data.errors import InputError
from distaff_data.warehouse import Scratch


def test_leaving_removes_every_file(tmp_path: Path) -> None:
    with Scratch(tmp_path / "scratch", []) as scratch:
        scratch.execute("CREATE TABLE t AS SELECT * FROM range(1000)")
        assert scratch.count("SELECT count(*) FROM t") == 1000
        assert list((tmp_path / "scratch").iterdir())
    assert list((tmp_path / "scratch").iterdir()) == []


def test_only_the_inputs_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("a\n1\n")
    (tmp_path / "out.csv").write_text("a\n1\n")
    with Scratch(tmp_path / "scratch", [tmp_path / "in.csv"]) as scratch:
        scratch.stage_delimited("t", tmp_path / "in.csv", columns=["a"], keep=["a"], delimiter=",", header=True)
        assert scratch.rows("SELECT * FROM t") == [(1, "1")]
        with pytest.raises(InputError, match="disabled"):
            scratch.stage_delimited("t", tmp_path / "out.csv", columns=["a"], keep=["a"], delimiter=",", header=True)


def test_columns_left_out_are_still_counted(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("a,b,c\n1,2,3\n1,2\n")
    with Scratch(tmp_path / "scratch", [tmp_path / "in.csv"]) as scratch, pytest.raises(InputError) as caught:
        scratch.stage_delimited(
            "t", tmp_path / "in.csv", columns=["a", "b", "c"], keep=["a"], delimiter=",", header=True
        )
    assert (caught.value.line, caught.value.column) == (3, "c")


def test_rows_are_numbered_in_the_order_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("".join(f"{number}\n" for number in range(300_000)))
    with Scratch(tmp_path / "scratch", [tmp_path / "in.csv"]) as scratch:
        scratch.stage_delimited("t", tmp_path / "in.csv", columns=["a"], keep=["a"], delimiter=",", header=False)
        assert scratch.count("SELECT count(*) FROM t WHERE a::BIGINT <> row - 1") == 0


def test_arrow_goes_in_and_comes_out(tmp_path: Path) -> None:
    batch = pa.record_batch({"x": [1, 2], "y": ["a", None]})
    with Scratch(tmp_path / "scratch", []) as scratch:
        scratch.stage_arrow("t", batch.schema, iter([batch, batch]))
        assert scratch.rows("SELECT row, x, y FROM t") == [(1, 1, "a"), (2, 2, None), (3, 1, "a"), (4, 2, None)]
        assert scratch.stream("SELECT x FROM t WHERE y = ?", ["a"]).read_all()["x"].to_pylist() == [1, 1]
        assert scratch.value("SELECT x FROM t WHERE x > 2") is None


def test_a_frame_comes_out(tmp_path: Path) -> None:
    with Scratch(tmp_path / "scratch", []) as scratch:
        scratch.execute("CREATE TABLE t AS SELECT i AS x FROM range(3) r(i)")
        assert scratch.frame("SELECT x FROM t WHERE x > ? ORDER BY x", [0]).to_dict(as_series=False) == {"x": [1, 2]}

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from distaff import exports
from distaff_data.errors import InputError


@pytest.mark.parametrize("cell", ["=1+1", "+cmd", "-cmd", "@sum", "\tx", "\rx", "=HYPERLINK('x')"])
def test_cells_that_start_a_formula_get_an_apostrophe(cell: str) -> None:
    assert exports.harmless(pa.table({"a": [cell]}))["a"].to_pylist() == [f"'{cell}"]


@pytest.mark.parametrize("cell", ["-1.5", "+3", "1e-3", "-2e5", "plain", ""])
def test_numbers_and_plain_text_stay(cell: str) -> None:
    assert exports.harmless(pa.table({"a": [cell]}))["a"].to_pylist() == [cell]


def test_parquet_keeps_text_as_it_is(tmp_path: Path) -> None:
    table = pa.table({"a": ["=1+1"], "b": [1.5]})
    exports.write(table, tmp_path / "t.parquet")
    assert pq.read_table(tmp_path / "t.parquet").equals(table)


def test_csv_round_trip_with_lists_and_nulls(tmp_path: Path) -> None:
    exports.write(pa.table({"a": [["x", "y"], None], "n": [1, None]}), tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text() == '"a","n"\n"x; y",1\n,\n'


def test_unknown_ending_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\.csv, \.parquet or \.arrow"):
        exports.write(pa.table({"a": [1]}), tmp_path / "t.xlsx")
    assert not list(tmp_path.iterdir())


def test_failed_write_leaves_the_older_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "t.parquet"
    exports.write(pa.table({"a": [1]}), out)

    def fail(writer: pq.ParquetWriter, table: pa.Table) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(pq.ParquetWriter, "write_table", fail)
    with pytest.raises(OSError, match="disk full"):
        exports.write(pa.table({"a": [2]}), out)
    assert pq.read_table(out)["a"].to_pylist() == [1]
    assert [p.name for p in tmp_path.iterdir()] == ["t.parquet"]

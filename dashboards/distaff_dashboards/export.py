"""Tables as files that are safe to open: CSV without live formulas, and Parquet."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

_FORMULA = r"^[=+\-@\t\r]"
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"


def to_csv(table: pa.Table) -> bytes:
    """A table as CSV, UTF-8, lists joined by ``"; "``.

    Text that a spreadsheet would run as a formula gets a leading apostrophe; numbers written as text stay as they are.
    """
    plain = pa.table({_defuse_name(name): _plain(table[name]) for name in table.column_names})
    out = io.BytesIO()
    pyarrow.csv.write_csv(plain, out)
    return out.getvalue()


def to_parquet(table: pa.Table) -> bytes:
    """A table as Parquet, unchanged."""
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_list(column.type):
        column = pc.binary_join(column.cast(pa.list_(pa.string())), "; ")
    return _defuse(column) if pa.types.is_string(column.type) else column


def _defuse(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    risky = pc.and_not(pc.match_substring_regex(texts, _FORMULA), pc.match_substring_regex(texts, _NUMBER))
    return pc.if_else(pc.fill_null(risky, False), pc.binary_join_element_wise("'", texts, ""), texts)


def _defuse_name(name: str) -> str:
    return str(_defuse(pa.chunked_array([[name]], pa.string()))[0])

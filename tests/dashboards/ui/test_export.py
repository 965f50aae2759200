import io

import polars as pl

from distaff_dashboards.ui.export import to_csv, to_parquet

TABLE = pl.DataFrame(
    {"title": ["=1+2", "-5", "plain", None], "n": [1, 2, 3, 4], "notes": [["a", "b"], [], ["@x"], None]}
)


def test_csv_defuses_formulas_and_keeps_numbers() -> None:
    lines = to_csv(TABLE).decode().splitlines()
    assert lines == ['"title","n","notes"', '"\'=1+2",1,"a; b"', '"-5",2,""', '"plain",3,"\'@x"', ",4,"]


def test_parquet_keeps_everything_as_it_is() -> None:
    assert pl.read_parquet(io.BytesIO(to_parquet(TABLE))).equals(TABLE)

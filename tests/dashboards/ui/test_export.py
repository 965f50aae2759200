import io

import pyarrow as pa
import pyarrow.parquet as pq

from distaff_dashboards.ui.export import to_csv, to_parquet

TABLE = pa.table({"title": ["=1+2", "-5", "plain", None], "n": [1, 2, 3, 4], "notes": [["a", "b"], [], ["@x"], None]})


def test_csv_defuses_formulas_and_keeps_numbers() -> None:
    lines = to_csv(TABLE).decode().splitlines()
    assert lines == ['"title","n","notes"', '"\'=1+2",1,"a; b"', '"-5",2,""', '"plain",3,"\'@x"', ",4,"]


def test_parquet_keeps_everything_as_it_is() -> None:
    assert pq.read_table(io.BytesIO(to_parquet(TABLE))).equals(TABLE)

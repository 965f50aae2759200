"""Publications of models of series: block by block, whole or not at all, with dates for people."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from distaff.runs import training
from distaff.runs.records import Run, model_folder
from distaff.series import answers
from distaff.series import score as series_scoring
from distaff.series.model import SeriesModel
from distaff.series.score import embed_run, forecast_run
from distaff_data.datasets.series import Series
from distaff_data.errors import InputError
from distaff_data.splits.series import divide
from distaff_data.tables.series import publish_series
from distaff_data.warehouse import Publication
from distaff_data.workspace import Workspace

HOUR = 3600.0
NEW_YEAR = 1_767_225_600.0  # 2026, UTC


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, Run]:
    """A run on hourly series of two channels, the first called like a formula."""
    workspace = Workspace.create(tmp_path_factory.mktemp("scoring") / "workspace")
    values = np.random.default_rng(0).normal(size=(1200, 2))
    times = NEW_YEAR + HOUR * np.arange(1200)
    data = Series.from_rows(values, [1200], name="hours", channels=["=a", "b"], times=times)
    data = divide(data, "ratio:0.6,0.2,0.2")
    publish_series(workspace.warehouse, data, source="", format="", split="", settings={})
    settings = {"seq_len": 4, "horizons": (3,)}
    return workspace, training.train(workspace, "raw_ridge", "hours", settings=settings, device="cpu")


def test_vectors_go_out_as_they_come_and_are_those_of_one_table(
    trained: tuple[Workspace, Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, run = trained
    whole = SeriesModel.load(model_folder(workspace, run.run)).transform(step=1)
    monkeypatch.setattr(series_scoring, "_COMMIT_BYTES", 1)
    events: list[str] = []
    real_tables, real_append = answers.vector_tables, Publication.append

    def tables(*args: Any) -> Iterator[pa.Table]:
        for table in real_tables(*args):
            events.append("made")
            yield table

    def append(publication: Publication, table: str, rows: pa.Table, **constants: object) -> None:
        events.append("gone")
        real_append(publication, table, rows, **constants)

    monkeypatch.setattr(series_scoring, "vector_tables", tables)
    monkeypatch.setattr(Publication, "append", append)
    done = embed_run(workspace, run.run, step=1, out=tmp_path / "v.parquet")
    assert events == ["made", "gone"] * 5  # 1197 windows, 256 at a time: never two blocks at once
    assert done.rows == whole.height == 2 * 1197
    stored = workspace.warehouse.query(
        'SELECT channel, start, "values" FROM embeddings WHERE run = ? ORDER BY start, channel', [run.run]
    )
    assert stored["values"].to_pylist() == whole.sort("start", "channel")["values"].to_list()
    assert pq.read_table(tmp_path / "v.parquet")["values"].to_pylist() == whole["values"].to_list()


def test_files_have_dates_and_harmless_text_and_tables_have_seconds(
    trained: tuple[Workspace, Run], tmp_path: Path
) -> None:
    workspace, run = trained
    forecast_run(workspace, run.run, out=tmp_path / "f.csv")
    table = pa_csv.read_csv(tmp_path / "f.csv")
    assert table["channel"].to_pylist()[:2] == ["'=a", "b"]
    assert str(table["time"][0].as_py()) == "2026-02-20 00:00:00"
    stored = workspace.warehouse.rows("SELECT min(time) AS first FROM forecasts WHERE run = ?", [run.run])
    assert stored[0]["first"] == NEW_YEAR + HOUR * 1200


@pytest.mark.parametrize("out", ["v.xlsx", "no/such/folder/v.csv"])
def test_a_file_that_cannot_be_written_leaves_what_was_published(
    trained: tuple[Workspace, Run], tmp_path: Path, out: str
) -> None:
    workspace, run = trained
    embed_run(workspace, run.run, step=2)
    before = workspace.warehouse.rows("SELECT count(*) AS n FROM embeddings")
    with pytest.raises(InputError):
        embed_run(workspace, run.run, step=1, out=tmp_path / out)
    assert workspace.warehouse.rows("SELECT count(*) AS n FROM embeddings") == before
    assert not list(tmp_path.iterdir())

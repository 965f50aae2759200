"""Attacks through paths: names that climb, links that lead away."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from published import publish

from distaff import exports
from distaff.jobs import Job
from distaff.model import saving
from distaff.recommenders.score import score_run
from distaff.runs import aliases, records, training
from distaff.sweeps import journal
from distaff.testing.data import checkerboard
from distaff_data.errors import InputError
from distaff_data.ingest import ingest_interactions
from distaff_data.ingest.incidents import ingest_incidents
from distaff_data.workspace import Workspace

CLIMBING = ["..", "../..", "../victim", "a/../../victim", "/etc", "victim\x00"]


@pytest.fixture
def fitted(workspace: Workspace) -> tuple[Workspace, str]:
    publish(workspace, checkerboard())
    return workspace, training.train(workspace, "popularity", "checkerboard", device="cpu").run


@pytest.mark.parametrize("name", CLIMBING)
def test_names_of_datasets_runs_aliases_jobs_and_studies_do_not_climb(
    fitted: tuple[Workspace, str], tmp_path: Path, name: str
) -> None:
    workspace, run = fitted
    (tmp_path / "log.csv").write_text("user,item\n1,2\n")
    with pytest.raises(InputError):
        ingest_interactions(workspace, name, tmp_path / "log.csv")
    with pytest.raises(InputError):
        records.model_folder(workspace, name)
    with pytest.raises(InputError):
        aliases.promote(workspace, run, name)
    with pytest.raises(InputError):
        Job.parse(name, {"cron": "0 * * * *", "model": run})
    with pytest.raises((InputError, ValueError)):
        journal.open_storage(workspace, name, None)
    assert not (tmp_path / "victim").exists()


def test_relative_output_of_a_job_stays_in_the_workspace() -> None:
    for out in ("../lists.parquet", "a/../../lists.parquet"):
        with pytest.raises(InputError, match="stays in the workspace"):
            Job.parse("x", {"cron": "0 * * * *", "model": "m", "out": out})


def test_output_replaces_a_link_and_not_what_it_leads_to(fitted: tuple[Workspace, str], tmp_path: Path) -> None:
    workspace, run = fitted
    victim = tmp_path / "victim"
    victim.write_text("precious")
    for name in ("lists.parquet", "table.csv"):
        (tmp_path / name).symlink_to(victim)
    score_run(workspace, run, top_k=2, out=tmp_path / "lists.parquet")
    exports.write(pa.table({"a": [1]}), tmp_path / "table.csv")
    assert victim.read_text() == "precious"
    assert not (tmp_path / "lists.parquet").is_symlink()


def test_manifest_cannot_name_files_outside_its_folder(fitted: tuple[Workspace, str], tmp_path: Path) -> None:
    workspace, run = fitted
    folder = records.model_folder(workspace, run)
    manifest = json.loads((folder / "model.json").read_text())
    for name in ("../config.json", "/etc/passwd", ".."):
        (folder / "model.json").write_text(json.dumps(manifest | {"sha256": {name: "0" * 64}}))
        with pytest.raises(InputError):
            saving.load(folder)


def test_listing_of_incidents_cannot_name_files_outside_its_folder(workspace: Workspace, tmp_path: Path) -> None:
    folder = tmp_path / "outage"
    (folder / "cases").mkdir(parents=True)
    pq.write_table(pa.table({"time": [1.0, 2.0], "a|b": [1.0, 2.0]}), tmp_path / "victim.parquet")
    for case in ("../../victim", str(tmp_path / "victim"), "..", ""):
        (folder / "cases.json").write_text(json.dumps([{"case": case, "onset": 2.0}]))
        with pytest.raises(InputError):
            ingest_incidents(workspace, "outage", [folder])

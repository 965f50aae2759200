"""The warehouse on an object store: the same tables, generations and queries as in a folder, and no secret anywhere."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from object_store import BUCKET, SECRET, object_store
from published import publish

from distaff.forgetting import forget
from distaff.recommenders.score import score_run
from distaff.runs import training
from distaff.testing.data import checkerboard
from distaff_data.errors import InputError
from distaff_data.schema import VERSION
from distaff_data.warehouse import Publication, Warehouse
from distaff_data.warehouse.places import Place
from distaff_data.workspace import Workspace

pytestmark = pytest.mark.s3


@pytest.fixture(scope="module")
def template() -> Iterator[str]:
    """A prefix with an empty warehouse, in a store that is served for the whole module."""
    with pytest.MonkeyPatch.context() as environment, object_store(environment) as location:
        yield location


@pytest.fixture
def unused(template: str) -> str:
    """A prefix under which nothing is."""
    return f"{template.rpartition('/')[0]}/{uuid.uuid4().hex}"


@pytest.fixture
def url(template: str, unused: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A prefix with an empty warehouse: copied, since each of sixty tables takes many requests to make."""
    if Place(template).version is None:
        Warehouse.create(tmp_path_factory.mktemp("template"), template)
    s3, (old, new) = _client(), (_prefix(template), _prefix(unused))
    for entry in s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{old}/")["Contents"]:
        source = {"Bucket": BUCKET, "Key": entry["Key"]}
        s3.copy_object(Bucket=BUCKET, CopySource=source, Key=entry["Key"].replace(old, new, 1))
    return unused


def _client() -> Any:
    return pytest.importorskip("boto3").client("s3")


def _prefix(url: str) -> str:
    return url.rpartition("/")[2]


def test_workspace_on_an_object_store_trains_scores_and_reads_as_in_a_folder(
    url: str, workspace: Workspace, tmp_path: Path
) -> None:
    there = Workspace.create(tmp_path / "there", url)
    lists = "SELECT user_id, rank, item_id, score FROM recommendations ORDER BY ALL"
    for each in (there, workspace):
        publish(each, checkerboard())
        score_run(each, training.train(each, "popularity", "checkerboard").run, top_k=3)
    again = Workspace.open(tmp_path / "there")
    assert again.warehouse.location == url
    found = again.warehouse.query(lists)
    assert found.num_rows == 120
    assert found.equals(workspace.warehouse.query(lists))
    assert not list((tmp_path / "there" / "warehouse").glob("*/*.parquet"))
    assert SECRET not in "".join(f.read_text() for f in (tmp_path / "there").rglob("*.toml"))


def test_publications_appear_whole_replace_each_other_and_are_reclaimed(url: str, tmp_path: Path) -> None:
    warehouse = Warehouse.create(tmp_path, url)
    row = {"user_id": "u", "item_id": "i", "rank": 1, "score": 0.5, "run": "r"}
    with warehouse.publish("recommendations/r") as publication:
        publication.append("recommendations", [row] * 3)
        assert warehouse.rows("SELECT * FROM recommendations") == []
    publication = Publication(warehouse)  # whose process is killed before it publishes
    publication.append("recommendations", [row] * 9)
    assert len(warehouse.rows("SELECT * FROM recommendations")) == 3
    with warehouse.publish("recommendations/r") as publication:
        publication.append("recommendations", [row])
    assert len(warehouse.rows("SELECT * FROM recommendations")) == 1
    assert warehouse.reclaim(timedelta(0), ("recommendations",))["recommendations"] > 0
    assert len(Warehouse.open(tmp_path, url).rows("SELECT * FROM recommendations")) == 1


def test_person_who_is_forgotten_is_in_no_object(url: str, tmp_path: Path) -> None:
    workspace = Workspace.create(tmp_path / "there", url)
    publish(workspace, checkerboard())
    publish(workspace, checkerboard())
    score_run(workspace, training.train(workspace, "popularity", "checkerboard").run, top_k=3)
    person = "0"  # the least id, which the log of each table notes
    row, log = f"'user_id': '{person}'", f'user_id\\":\\"{person}\\"'
    assert all(any(trace in told for told in _objects(url)) for trace in (row, log))
    forget(workspace, [person])
    assert not [told for told in _objects(url) if row in told or log in told]
    assert workspace.warehouse.rows("SELECT count(*) AS n FROM recommendations") == [{"n": 117}]


def _objects(url: str) -> Iterator[str]:
    """Return the text of each object in the bucket, Parquet files unpacked."""
    s3 = _client()
    for entry in s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{_prefix(url)}/").get("Contents", []):
        body = s3.get_object(Bucket=BUCKET, Key=entry["Key"])["Body"].read()
        yield str(pq.read_table(io.BytesIO(body)).to_pylist()) if body[:4] == b"PAR1" else body.decode(errors="replace")


def test_sql_of_people_reads_the_tables_and_nothing_else(url: str, tmp_path: Path) -> None:
    warehouse = Warehouse.create(tmp_path, url)
    assert warehouse.select("SELECT count(*) AS n FROM runs").table.to_pylist() == [{"n": 0}]
    for sql in (f"SELECT * FROM read_parquet('{url}/runs/*.parquet')", "SELECT * FROM read_text('/etc/passwd')"):
        with pytest.raises(InputError):
            warehouse.select(sql)
    assert SECRET not in json.dumps(warehouse.select("SELECT * FROM duckdb_settings()").table.to_pylist(), default=str)


def test_writers_in_several_processes_lose_no_commit(url: str, tmp_path: Path) -> None:
    Warehouse.create(tmp_path, url)
    code = (
        "import sys; from pathlib import Path; from distaff_data.warehouse import Warehouse\n"
        "w = Warehouse.open(Path(sys.argv[1]), sys.argv[2])\n"
        "for n in range(4):\n"
        "    with w.publish(f'recommendations/{sys.argv[3]}{n}') as p: p.append('recommendations', [{'user_id': 'u'}])\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), url, name]) for name in "ab"]
    assert [writer.wait(timeout=600) for writer in writers] == [0, 0]
    assert Warehouse.open(tmp_path, url).rows("SELECT count(*) AS n FROM recommendations") == [{"n": 8}]


def test_newer_or_missing_warehouse_is_refused(
    url: str, unused: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="there is no warehouse here"):
        Warehouse.open(tmp_path, f"{unused}-other")
    warehouse = Warehouse.create(tmp_path, url)
    monkeypatch.setattr("distaff_data.warehouse.store.VERSION", VERSION - 1)
    with pytest.raises(InputError, match="newer than this Distaff"):
        Warehouse.open(tmp_path, warehouse.location)


@pytest.mark.parametrize("wrong", ["https://host/x", f"s3://key:{SECRET}@bucket/x", "ftp://host"])
def test_other_urls_and_credentials_in_urls_are_refused(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(InputError) as refused:
        Workspace.create(tmp_path / "w", wrong)
    assert SECRET not in str(refused.value)
    assert not (tmp_path / "w").exists()


def test_bucket_that_is_not_there_is_one_line(unused: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot") as refused:
        Workspace.create(tmp_path / "w", unused.replace(BUCKET, "nobodys-bucket"))
    assert SECRET not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_workspace_stays_where_its_tables_are(unused: str, workspace: Workspace) -> None:
    with pytest.raises(InputError, match="with its tables elsewhere"):
        Workspace.create(workspace.root, unused)
    workspace.config.write_text("[warehouse]\nlocation = 3\n")
    with pytest.raises(InputError, match="location is the URL"):
        Workspace.open(workspace.root)

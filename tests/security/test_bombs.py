"""Attacks by size: small files that unpack to large ones, lines without end, files that say more than they hold."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from distaff_data.errors import InputError
from distaff_data.ingest import archives, ingest_interactions
from distaff_data.ingest.archives import read_npz
from distaff_data.workspace import Workspace


def untouched(workspace: Workspace) -> bool:
    """Whether nothing was ingested and nothing is left behind."""
    left = list(workspace.scratch.glob("*")) if workspace.scratch.exists() else []
    return workspace.warehouse.rows("SELECT * FROM datasets") == [] and left == []


def test_archive_that_unpacks_to_more_than_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez_compressed(tmp_path / "bomb.npz", x=np.zeros((2000, 1000)))
    assert (tmp_path / "bomb.npz").stat().st_size < 100_000
    monkeypatch.setattr(archives, "available_memory", lambda: 40 << 20)  # it unpacks to 16 MB, and is copied twice
    with pytest.raises(InputError, match="unpack to"):
        read_npz([tmp_path / "bomb.npz"], "x")
    monkeypatch.undo()
    assert len(read_npz([tmp_path / "bomb.npz"], "x").values) == 2_000_000


@pytest.mark.processes
def test_memory_is_what_the_process_may_take(tmp_path: Path) -> None:
    """Under a limit of its own, and not a number that somebody thought of: 1.2 GB of zeros are a few MB on disk."""
    np.savez_compressed(tmp_path / "bomb.npz", x=np.zeros((1500, 100_000), dtype=np.float32))
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from distaff_data.ingest.archives import read_npz; from distaff_data.memory import available_memory\n"
        "from distaff_data.errors import InputError\n"
        "now = int(open('/proc/self/statm').read().split()[0]) * 4096\n"
        "resource.setrlimit(resource.RLIMIT_AS, (now + (1 << 30),) * 2)\n"
        "assert available_memory() <= 1 << 30\n"
        "try: read_npz([Path(sys.argv[1])], 'x')\n"
        "except InputError as error: print(error)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", code, str(tmp_path / "bomb.npz")]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert "of memory; give them in several files" in ended.stdout


def test_array_that_claims_to_be_larger_than_its_file_is_refused(tmp_path: Path) -> None:
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "<f8", "fortran_order": False, "shape": (10**12, 10)})
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w") as archive:
        archive.writestr("x.npy", head.getvalue())
    with pytest.raises(InputError, match="not as large as it says"):
        read_npz([tmp_path / "bomb.npz"], "x")


def test_parquet_of_more_rows_than_the_disk_has_room_for_is_refused(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    same = pa.repeat("a", 1_000_000)
    pq.write_table(pa.table({"user_id": same, "item_id": same}), tmp_path / "bomb.parquet")
    assert (tmp_path / "bomb.parquet").stat().st_size < 50_000
    monkeypatch.setattr("shutil.disk_usage", lambda path: os.terminal_size((0, 0)) and _Usage(0, 0, 1 << 20))
    with pytest.raises(InputError, match="no room"):
        ingest_interactions(workspace, "shop", tmp_path / "bomb.parquet")
    assert untouched(workspace)


class _Usage:
    def __init__(self, total: int, used: int, free: int) -> None:
        self.total, self.used, self.free = total, used, free


def test_compressed_text_is_not_unpacked(workspace: Workspace, tmp_path: Path) -> None:
    for name in ("log.csv.gz", "log.csv"):
        (tmp_path / name).write_bytes(gzip.compress(b"user,item\n" + b"1,2\n" * 100_000))
        with pytest.raises(InputError, match=r"compressed|UTF-8"):
            ingest_interactions(workspace, "shop", tmp_path / name)
    assert untouched(workspace)


@pytest.mark.parametrize("head", ["user,item\n1,", '{"user": 1, "item": "', "user:token\titem:token\n1\t"])
def test_line_without_end_is_refused(workspace: Workspace, tmp_path: Path, head: str) -> None:
    with (tmp_path / "log.csv").open("w") as file:
        file.write(head)
        for _ in range(80):
            file.write("x" * (1 << 20))
    with pytest.raises(InputError):
        ingest_interactions(workspace, "shop", tmp_path / "log.csv")
    assert untouched(workspace)


def test_columns_without_number_are_refused(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(",".join(f"c{i}" for i in range(200_000)) + "\n" + "1," * 199_999 + "1\n")
    with pytest.raises(InputError):
        ingest_interactions(workspace, "shop", tmp_path / "log.csv")
    assert untouched(workspace)

"""Several processes on one warehouse: nothing torn, nothing lost, no error shown to a reader."""

from __future__ import annotations

import multiprocessing
import random
import time
from pathlib import Path

import pytest
from warehouse_processes import ROWS, publish_for_ever, publish_many, publish_one, read_until

from distaff_data.warehouse import Warehouse
from distaff_data.workspace import Workspace

pytestmark = pytest.mark.processes

SPAWN = multiprocessing.get_context("spawn")
FORKS = multiprocessing.get_context("forkserver")  # of a process that has imported everything and opened nothing
FORKS.set_forkserver_preload(["pytest", "distaff_data.warehouse.store"])
WHOLE = "SELECT dataset, generation, count(*) AS n, min(rating) AS least, max(rating) AS most FROM interactions GROUP BY ALL"


def test_readers_see_whole_generations_while_a_writer_publishes(workspace: Workspace) -> None:
    root = workspace.warehouse.root
    publish_one(workspace.warehouse, "dataset/shared", 0)
    together, stop, seen = SPAWN.Barrier(4), SPAWN.Event(), SPAWN.Queue()
    readers = [SPAWN.Process(target=read_until, args=(root, together, stop, seen)) for _ in range(3)]
    writer = SPAWN.Process(target=publish_many, args=(root, together, 20))
    for process in [writer, *readers]:
        process.start()
    writer.join(600)
    stop.set()
    reads = [seen.get(timeout=600) for _ in readers]
    for process in readers:
        process.join(600)
    assert writer.exitcode == 0
    assert all(count > 3 for count, _ in reads)
    assert [faults for _, faults in reads] == [[], [], []]


def test_a_writer_killed_at_any_moment_leaves_whole_generations_and_loses_nothing(
    workspace: Workspace, tmp_path: Path
) -> None:
    root, draw = workspace.warehouse.root, random.Random(7)
    reader = Warehouse.open(root)
    published = {}
    for kill in range(20):
        name, log = f"w{kill}", tmp_path / f"w{kill}.log"
        process = FORKS.Process(target=publish_for_ever, args=(root, log, name))
        process.start()
        while not log.exists() or not log.stat().st_size:  # it has started and one generation is out
            time.sleep(0.005)
        time.sleep(draw.random() * 0.15)
        process.kill()
        process.join()
        published[f"dataset/{name}"] = int(log.read_text().split()[-1])
        rows = reader.rows(WHOLE)
        assert all(row["n"] == ROWS and row["least"] == row["most"] for row in rows)
    newest = {row["dataset"]: row["most"] for row in reader.rows(WHOLE)}
    assert newest.keys() == published.keys()
    # A generation may have been published just before its number reached the log, never the other way round.
    assert all(newest[name] - number in (0, 1) for name, number in published.items())

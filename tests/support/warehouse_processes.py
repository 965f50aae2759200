"""What the concurrency tests run in processes of their own: a publisher, readers, and a writer to be killed."""

from __future__ import annotations

from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path

import pyarrow as pa

from distaff_data.warehouse import Warehouse

ROWS = 200  # rows of each generation, appended in two commits before it is published


def publish_one(warehouse: Warehouse, target: str, number: int) -> None:
    """A generation whose rows all carry ``number``, so that a reader can tell a mixture from a whole."""
    rows = pa.table({"user_id": [f"u{n}" for n in range(ROWS // 2)], "rating": [float(number)] * (ROWS // 2)})
    with warehouse.publish(target) as publication:
        publication.append("interactions", rows, dataset=target)
        publication.append("interactions", rows, dataset=target)


def publish_many(root: Path, together: Barrier, count: int) -> None:
    warehouse = Warehouse.open(root)
    together.wait(600)
    for number in range(1, count + 1):
        publish_one(warehouse, "dataset/shared", number)


def read_until(root: Path, together: Barrier, stop: Event, seen: Queue[tuple[int, list[str]]]) -> None:
    """Report how many reads were made and everything that was wrong in one."""
    warehouse, reads, faults = Warehouse.open(root), 0, list[str]()
    newest = 0.0
    together.wait(600)
    while not stop.is_set():
        try:
            row = warehouse.rows("SELECT count(*) AS n, min(rating) AS least, max(rating) AS most FROM interactions")[0]
        except Exception as error:
            faults.append(repr(error))
            continue
        reads += 1
        if row["n"] != ROWS or row["least"] != row["most"] or row["least"] < newest:
            faults.append(f"{row} after {newest}")
        newest = row["most"] or newest
    seen.put((reads, faults))


def publish_for_ever(root: Path, log: Path, name: str) -> None:
    """Publish and write each published number to ``log``, until killed."""
    warehouse, number = Warehouse.open(root), 0
    with log.open("a", buffering=1) as file:
        while True:
            number += 1
            publish_one(warehouse, f"dataset/{name}", number)
            file.write(f"{number}\n")

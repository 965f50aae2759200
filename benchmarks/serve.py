"""The server under load, beside a bare look-up of the same lists in memory and a query of the same table.

``python benchmarks/serve.py [--seconds 10] [--callers 4] [--users 20000] [--save]`` prints JSON: of each way of asking,
requests a second and the milliseconds within which half and 99 in 100 were answered. Callers are threads of one process
that keep their connections; the server is a process of its own. On few cores the two share them, as a caller on the same
machine would.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from benchmarks import results

from distaff.recommenders.score import score_run
from distaff.runs import training
from distaff.serving.published import read_lists
from distaff_data.planted.samples import sample
from distaff_data.workspace import Workspace


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--callers", type=int, default=4)
    parser.add_argument("--users", type=int, default=20_000)
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/serve.json as well")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace.create(Path(folder) / "workspace")
        sample(workspace, "planted-interactions", n_users=asked.users, n_items=2000)
        run = training.train(workspace, "puresvd", "planted-interactions", device="cpu").run
        score_run(workspace, run, top_k=20)
        lists = read_lists(workspace.warehouse, run)
        users = list(lists.spans)
        items = sorted(set(lists.items))
        one = "SELECT item_id, score FROM recommendations WHERE run = ? AND user_id = ? ORDER BY rank"
        ways: dict[str, Any] = {
            "look-up in memory": once(asked.seconds / 5, lambda: lists.of(random.choice(users), 10)),
            "query of the table": once(
                asked.seconds / 2, lambda: workspace.warehouse.rows(one, [run, random.choice(users)])
            ),
        }
        with subprocess.Popen(
            [sys.executable, "-m", "distaff", "--workspace", str(workspace.root), "serve", run, "--port", "0"],
            stderr=subprocess.PIPE,
            text=True,
        ) as server:
            try:
                assert server.stderr is not None
                port = int(server.stderr.readline().rpartition("/v1/")[0].rpartition(":")[2])
                base = f"/v1/{run}"

                def post(link: http.client.HTTPConnection) -> None:
                    body = json.dumps({"history": random.sample(items, 5), "k": 10})
                    link.request("POST", f"{base}/lists", body, {"Content-Type": "application/json"})

                def get(path: Callable[[], str]) -> Callable[[http.client.HTTPConnection], None]:
                    return lambda link: link.request("GET", base + path())

                requests = {
                    "health": lambda link: link.request("GET", "/health"),
                    "list of a known user": get(lambda: f"/lists?user={random.choice(users)}&k=10"),
                    "list of somebody new": post,
                    "similar items": get(lambda: f"/similar?item={random.choice(items)}&k=10"),
                }
                for name, request in requests.items():
                    ways[f"serve: {name}"] = under_load(port, request, asked.callers, asked.seconds)
            finally:
                server.terminate()
    answer = {"users": asked.users, "callers": asked.callers, "load": round(os.getloadavg()[0], 1), "ways": ways}
    if asked.save:
        results.save("serve", answer)
    print(json.dumps(answer, indent=1))


def once(seconds: float, call: Callable[[], object]) -> dict[str, float]:
    """Return the figures of calls one after another."""
    times = _timed(call, seconds)
    return _figures(times, sum(times))


def under_load(
    port: int, request: Callable[[http.client.HTTPConnection], None], callers: int, seconds: float
) -> dict[str, float]:
    """Return the figures of several callers at once; an answer that is none ends the measurement."""
    times: list[list[float]] = []

    def call() -> None:
        link = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

        def once() -> None:
            request(link)
            answer = link.getresponse()
            answer.read()
            if answer.status != 200:
                raise RuntimeError(f"answered {answer.status}")

        once()
        times.append(_timed(once, seconds))
        link.close()

    threads = [threading.Thread(target=call) for _ in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(times) != callers:
        raise SystemExit("a caller failed")
    return _figures([each for own in times for each in own], max(map(sum, times)))


def _timed(call: Callable[[], object], seconds: float) -> list[float]:
    times, ends = [], time.perf_counter() + seconds
    while (began := time.perf_counter()) < ends:
        call()
        times.append(time.perf_counter() - began)
    return times


def _figures(times: list[float], seconds: float) -> dict[str, float]:
    half, most = (float(np.percentile(times, percent)) * 1000 for percent in (50, 99))
    return {"requests_a_second": round(len(times) / seconds, 1), "p50_ms": round(half, 4), "p99_ms": round(most, 4)}


if __name__ == "__main__":
    main()

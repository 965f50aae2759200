"""Times Distaff beside a peer in one run: ``python benchmarks/speed.py NAME [--data DIR] [--json]``.

A benchmark is a module in ``benchmarks/speeds`` named like the benchmark (``dccf-step`` is ``dccf_step.py``) with:

- ``PEER``: the peer's name;
- ``REPEATS``: timed repetitions of each side, after one that is not timed;
- ``ours(data)`` and ``peer(data)``: given the folder of real data, prepare everything and return a function of no
  arguments that does the work once. One that prepares work of its own for each repetition returns ``(prepare,
  work)``, and only ``work(prepare())`` is timed;
- optionally ``ALSO``: names of more functions like ``ours``, timed without a peer and reported under their names;
- optionally ``UNITS``: of what and how many are done in one repetition, for a rate a second;
- optionally ``least(data)``: what one repetition of ours cannot do without (:class:`benchmarks.roofline.Work`), for the
  ``limit`` of this machine, whose rates are measured after both sides are done.

Each side lives in a process of its own, so that the peaks of memory are its own, and the repetitions alternate, so that
other load on the machine falls on both. Seconds are medians.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SPEEDS = Path(__file__).parent / "speeds"


class Side:
    """One side of a benchmark in its own process, which does the work once for each line it is sent."""

    def __init__(self, benchmark: str, side: str, data: Path) -> None:
        command = [sys.executable, __file__, benchmark, "--data", str(data), "--side", side]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._side = side
        self.seconds: list[float] = []
        self.peak_gb = 0.0

    def ask(self) -> dict[str, Any]:
        """Return the next answer of the process."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self._side} ended with status {self._process.wait()}; its message is above")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def repeat(self, *, timed: bool) -> None:
        """Have the process do the work once."""
        assert self._process.stdin is not None
        self._process.stdin.write("again\n")
        self._process.stdin.flush()
        answer = self.ask()
        self.peak_gb = answer["peak_gb"]
        if timed:
            self.seconds.append(answer["seconds"])

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def report(self) -> dict[str, Any]:
        """Return median seconds and peak memory."""
        return {"seconds": statistics.median(self.seconds), "peak_gb": round(self.peak_gb, 3)}


def names() -> list[str]:
    return sorted(p.stem.replace("_", "-") for p in SPEEDS.glob("*.py") if not p.stem.startswith("_"))


def benchmark(name: str) -> Any:
    for folder in (ROOT, ROOT / "tests" / "support"):
        sys.path.insert(0, str(folder))
    return importlib.import_module(f"benchmarks.speeds.{name.replace('-', '_')}")


def about(module: Any) -> dict[str, Any]:
    """Return the facts of a benchmark that a side's process answers with first."""
    optional = {name.lower(): getattr(module, name, ()) for name in ("ALSO", "UNITS")}
    return {"peer": module.PEER, "repeats": module.REPEATS, "bounded": hasattr(module, "least"), **optional}


def work_side(name: str, side: str, data: Path) -> None:
    """Do the work of a side's process: prepare, then one repetition for each line of standard input."""
    import resource

    out, sys.stdout = sys.stdout, sys.stderr  # whatever a library prints must not look like an answer
    module = benchmark(name)
    if side == "limit":
        from benchmarks.roofline import limit

        print(json.dumps(limit(module.least(data))), file=out, flush=True)
        return
    timed = getattr(module, side)(data)
    prepare, work = timed if isinstance(timed, tuple) else (None, timed)
    print(json.dumps(about(module)), file=out, flush=True)
    for _ in sys.stdin:
        arguments = () if prepare is None else (prepare(),)
        start = time.perf_counter()
        work(*arguments)
        seconds = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)  # Linux counts kilobytes
        print(json.dumps({"seconds": seconds, "peak_gb": peak}), file=out, flush=True)


def compare(name: str, data: Path) -> dict[str, Any]:
    """Return the times of a benchmark in the JSON shape of the design."""
    sides = [Side(name, side, data) for side in ("ours", "peer")]
    try:
        facts, _ = (side.ask() for side in sides)
        for repetition in range(facts["repeats"] + 1):
            for side in sides:
                side.repeat(timed=repetition > 0)
    finally:
        for side in sides:
            side.close()
    ours, peer = (side.report() for side in sides)
    result = {
        "name": name,
        "ours": ours,
        "peer": {"name": facts["peer"], **peer},
        "ratio": round(peer["seconds"] / ours["seconds"], 2),
        **{side: alone(name, side, data, facts["repeats"]) for side in facts["also"]},
    }
    if facts["bounded"]:
        process = Side(name, "limit", data)
        least = process.ask()
        process.close()
        result["limit"] = {**least, "reached": round(least["seconds"] / ours["seconds"], 3)}
    if facts["units"]:
        unit, n = facts["units"]
        for times in (result["ours"], result["peer"], *(result[side] for side in facts["also"])):
            times[f"{unit}_a_second"] = round(n / times["seconds"])
    return result


def alone(name: str, side: str, data: Path, repeats: int) -> dict[str, Any]:
    """Return the times of one more function of a benchmark, after both sides are done."""
    process = Side(name, side, data)
    try:
        process.ask()
        for repetition in range(repeats + 1):
            process.repeat(timed=repetition > 0)
    finally:
        process.close()
    return process.report()


def main() -> None:
    parser = argparse.ArgumentParser(description="Distaff beside a peer: seconds and peak memory of each.")
    parser.add_argument("names", nargs="+", choices=names(), metavar="NAME", help=", ".join(names()))
    default = os.environ.get("DISTAFF_REAL_DATA") or ROOT.parent / "shared" / "data"
    parser.add_argument("--data", type=Path, default=Path(default), help="folder of real data [DISTAFF_REAL_DATA]")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/speed.json as well")
    parser.add_argument("--side", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.side:
        work_side(args.names[0], args.side, args.data)
        return
    measured = [compare(name, args.data) for name in args.names]
    if args.json:
        print(json.dumps(measured[0] if len(measured) == 1 else measured))
    else:
        for result in measured:
            show(result)
    if args.save:
        sys.path.insert(0, str(ROOT))
        from benchmarks import results

        results.save("speed", {"rows": measured})


def show(result: dict[str, Any]) -> None:
    """Print the times of a benchmark."""
    for name, times in (("ours", result["ours"]), (result["peer"]["name"], result["peer"])):
        print(f"{name:48} {times['seconds']:10.4f} s {times['peak_gb']:8.2f} GB")
    print(f"{result['name']}: {result['ratio']} times faster")
    if "limit" in result:
        least = result["limit"]
        print(
            f"{'limit, by ' + least['by']:48} {least['seconds']:10.4f} s, of which ours reaches {least['reached']:.0%}"
        )
    for name in sorted(result.keys() - {"name", "ours", "peer", "ratio", "limit"}):
        print(f"{name:48} {result[name]['seconds']:10.4f} s {result[name]['peak_gb']:8.2f} GB")


if __name__ == "__main__":
    main()

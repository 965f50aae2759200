"""Reproduces published numbers: ``python benchmarks/reproduce.py NAME [--data DIR] [--seeds N] [--models a,b] [--json]``.

A reproduction is a module in ``benchmarks/reproductions`` named like it (``dccf-amazon-book`` is
``dccf_amazon_book.py``) with ``READ``, which makes the interactions from the folder of real data, and ``CANDIDATES``, in
the order of the table. :mod:`benchmarks.protocol` says how each is measured. One about incidents has
``rows(data, n_seeds)`` instead, see :mod:`benchmarks.incidents`. Progress goes to standard error.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
REPRODUCTIONS = Path(__file__).parent / "reproductions"


def names() -> list[str]:
    return sorted(p.stem.replace("_", "-") for p in REPRODUCTIONS.glob("*.py"))


def reproduce(name: str, data: Path, n_seeds: int, only: set[str], skip: set[str]) -> dict[str, Any]:
    """Run a reproduction; the JSON shape of the design, and the metrics of lists drawn at random."""
    sys.path.insert(0, str(ROOT))
    from benchmarks.protocol import KS, METRICS, measure

    from distaff.ranking import chance

    module = importlib.import_module(f"benchmarks.reproductions.{name.replace('-', '_')}")
    if hasattr(module, "rows"):  # incidents: every diagnoser in one configuration, nothing to choose
        if only or skip:
            raise SystemExit(f"{name} measures all its models together")
        start = time.perf_counter()
        found = module.rows(data, n_seeds)
        return {"name": name, "seconds": round(time.perf_counter() - start, 1), "rows": found, "chance": {}}
    known = {candidate.model for candidate in module.CANDIDATES}
    if unknown := (only | skip) - known:
        raise SystemExit(f"{name} has no model {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}")
    start = time.perf_counter()
    interactions = module.READ(data)
    rows = [
        row
        for candidate in module.CANDIDATES
        if (not only or candidate.model in only) and candidate.model not in skip
        for row in measure(candidate, interactions, n_seeds)
    ]
    values = {row["model"]: row["value"] for row in rows if row["metric"] == "recall@20"}
    floor = chance(interactions, "test", ks=KS)
    return {
        "name": name,
        "seconds": round(time.perf_counter() - start, 1),
        "rows": rows,
        "best": max(values, key=lambda model: values[model]),
        "chance": {metric: floor[metric] for metric in METRICS},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Published numbers beside ours and the controls'.")
    parser.add_argument("name", choices=names())
    default = os.environ.get("DISTAFF_REAL_DATA") or ROOT.parent / "shared" / "data"
    parser.add_argument("--data", type=Path, default=Path(default), help="folder of real data [DISTAFF_REAL_DATA]")
    parser.add_argument("--seeds", type=int, default=1, help="seeds of each model whose fit depends on one")
    parser.add_argument("--models", type=_names, default=set(), help="only these, with commas between")
    parser.add_argument("--skip", type=_names, default=set(), help="all but these, with commas between")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    if args.seeds < 1:
        parser.error("--seeds must be at least 1")
    result = reproduce(args.name, args.data, args.seeds, args.models, args.skip)
    if args.json:
        print(json.dumps(result))
        return
    if not result["chance"]:
        from benchmarks.incidents import table as incident_table

        print(incident_table(result["rows"]))
        print(f"{result['name']}: {result['seconds']} s")
        return
    from benchmarks.protocol import table

    print(table(result["rows"]))
    print("lists at random: " + " ".join(f"{name} {value:.4f}" for name, value in result["chance"].items()))
    print(f"{result['best']} has the highest recall@20")
    print(f"{result['name']}: {result['seconds']} s")


def _names(text: str) -> set[str]:
    return {part.strip() for part in text.split(",") if part.strip()}


if __name__ == "__main__":
    main()

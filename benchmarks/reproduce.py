"""Reproduces published numbers: ``python benchmarks/reproduce.py NAME [--data DIR] [--seeds N] [--models a,b] [--json]``.

A reproduction is a module in ``benchmarks/reproductions`` named like it (``dccf-amazon-book`` is
``dccf_amazon_book.py``). It has one of

- ``CANDIDATES``, in the order of the table, and ``READ``, which makes the interactions from the folder of real data: each
  candidate is measured as :mod:`benchmarks.protocol` says; ``PUBLISHED`` holds others' values, where there are some that no
  candidate has;
- ``CANDIDATES`` and ``measure(candidates, n_seeds)``, which makes data with known truth and measures in its own way;
- all three, with ``measure(READ(data), candidates, n_seeds)``, as those about series do (:mod:`benchmarks.series`);
- ``rows(data, n_seeds)``, which measures all its models together, as those about incidents do (:mod:`benchmarks.incidents`);
  its own ``table(rows)`` makes text of them.

Progress goes to standard error; ``--save`` writes the answer as a file of results (:mod:`benchmarks.results`).
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
    """Return a reproduction in the JSON shape of the design, and for lists on real data what lists drawn at random score."""
    sys.path.insert(0, str(ROOT))
    module = importlib.import_module(f"benchmarks.reproductions.{name.replace('-', '_')}")
    start = time.perf_counter()
    if hasattr(module, "rows"):
        if only or skip:
            raise SystemExit(f"{name} measures all its models together")
        answer: dict[str, Any] = {"rows": module.rows(data, n_seeds)}
    else:
        names = {row_of(candidate) for candidate in module.CANDIDATES}
        if unknown := (only | skip) - names:
            raise SystemExit(f"{name} has no model {', '.join(sorted(unknown))}; there are {', '.join(sorted(names))}")
        chosen = [c for c in module.CANDIDATES if (not only or row_of(c) in only) and row_of(c) not in skip]
        if not hasattr(module, "measure"):
            answer = _lists(module.READ(data), chosen, n_seeds) | {"published": list(getattr(module, "PUBLISHED", ()))}
        elif hasattr(module, "READ"):
            answer = {"rows": module.measure(module.READ(data), chosen, n_seeds)}
        else:
            answer = {"rows": module.measure(chosen, n_seeds)}
    return {"name": name, "seconds": round(time.perf_counter() - start, 1), **answer}


def row_of(candidate: Any) -> str:
    """Return the name of a candidate's row."""
    return str(getattr(candidate, "row", candidate.model))


def _lists(interactions: Any, chosen: list[Any], n_seeds: int) -> dict[str, Any]:
    from benchmarks.protocol import KS, METRIC, METRICS, measure_all
    from benchmarks.results import fingerprint

    from distaff.ranking.metrics import chance

    rows = measure_all(chosen, interactions, n_seeds)
    values = {row["model"]: row["valid"] for row in rows if row["metric"] == METRIC}
    floor = chance(interactions, "test", ks=KS)
    return {
        "data": fingerprint(interactions),
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
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/NAME.json as well")
    args = parser.parse_args()
    if args.seeds < 1:
        parser.error("--seeds must be at least 1")
    result = reproduce(args.name, args.data, args.seeds, args.models, args.skip)
    if args.save:
        from benchmarks import results

        results.save(args.name, result)
    if args.json:
        print(json.dumps(result))
        return
    print(_as_text(result))
    print(f"{result['name']}: {result['seconds']} s")


def _as_text(result: dict[str, Any]) -> str:
    from benchmarks import incidents, protocol

    module = importlib.import_module(f"benchmarks.reproductions.{result['name'].replace('-', '_')}")
    if hasattr(module, "table"):
        return str(module.table(result["rows"]))
    if result["rows"] and "looks" not in result["rows"][0]:
        return incidents.table(result["rows"])
    lines = [protocol.table(result["rows"])]
    lines += [f"published: {protocol.as_published(row)}" for row in result.get("published", ())]
    if "chance" in result:
        lines.append("lists at random: " + " ".join(f"{name} {value:.4f}" for name, value in result["chance"].items()))
        lines.append(f"{result['best']} has the highest {protocol.METRIC} on validation")
    return "\n".join(lines)


def _names(text: str) -> set[str]:
    return {name.strip() for name in text.split(",") if name.strip()}


if __name__ == "__main__":
    main()

"""Reproduces published numbers: ``python benchmarks/reproduce.py NAME [--data DIR] [--seeds N] [--models a,b] [--json]``.

A reproduction is a module in ``benchmarks/reproductions`` named like it (``dccf-amazon-book`` is
``dccf_amazon_book.py``) with ``CANDIDATES``, in the order of the table, and either ``READ``, which makes the interactions
from the folder of real data, so that each candidate is measured as :mod:`benchmarks.protocol` says; or ``measure``, which
makes data with known truth by itself and measures the candidates in its own way. Progress goes to standard error.
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
    """Run a reproduction; the JSON shape of the design, and on real data the metrics of lists drawn at random."""
    sys.path.insert(0, str(ROOT))
    from benchmarks.protocol import KS, METRICS, measure

    from distaff.ranking import chance

    module = importlib.import_module(f"benchmarks.reproductions.{name.replace('-', '_')}")
    known = {candidate.model for candidate in module.CANDIDATES}
    if unknown := (only | skip) - known:
        raise SystemExit(f"{name} has no model {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}")
    chosen = [c for c in module.CANDIDATES if (not only or c.model in only) and c.model not in skip]
    start = time.perf_counter()
    if hasattr(module, "measure"):
        found = {"rows": module.measure(chosen, n_seeds)}
    else:
        interactions = module.READ(data)
        floor = chance(interactions, "test", ks=KS)
        found = {
            "rows": [row for candidate in chosen for row in measure(candidate, interactions, n_seeds)],
            "chance": {metric: floor[metric] for metric in METRICS},
        }
    return {"name": name, "seconds": round(time.perf_counter() - start, 1), **found}


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
    from benchmarks.protocol import table

    print(table(result["rows"]))
    if "chance" in result:
        print("lists at random: " + " ".join(f"{name} {value:.4f}" for name, value in result["chance"].items()))
    print(f"{result['name']}: {result['seconds']} s")


def _names(text: str) -> set[str]:
    return {part.strip() for part in text.split(",") if part.strip()}


if __name__ == "__main__":
    main()

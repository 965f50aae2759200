"""What the core needs, for what, and how large it is: ``python benchmarks/dependencies.py [--save]``.

A size is of the files that the installed distribution lists, in megabytes; what it needs in turn is counted once, in the
last row. torch is whichever build is installed: a CUDA build is several times as large as a CPU build.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import results
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REASONS = {
    "torch": "models; their gradients",
    "numpy": "arrays at every border",
    "scipy": "distributions, sparse products, solvers, transforms",
    "scikit-learn": "the contract of estimators; linear heads; NMF, ICA, LDA as controls",
    "torch-geometric": "message passing, graphs as PyTorch Geometric has them, explanations by edges, encoders of your own",
    "polars": "the frame: what readers read into and answers come as",
    "pyarrow": "columns between the warehouse, files and frames",
    "narwhals": "frames of other kinds at the border",
    "duckdb": "the engine of the warehouse, and SQL over it",
    "deltalake": "the tables of the warehouse: commits, history",
    "optuna": "sweeps",
    "pydantic": "settings, checked",
    "tomlkit": "configuration files that keep their comments",
    "typer": "the command line",
    "rich": "tables and progress in the terminal",
    "safetensors": "models at rest, without pickle",
    "cronsim": "times of schedules",
    "filelock": "locks between processes",
    "threadpoolctl": "threads of one result",
}
"""Why each is in the core."""


def core() -> list[str]:
    """Return the names of what the package needs without any extra."""
    found = (Requirement(line) for line in distribution("distaff").requires or ())
    return sorted(requirement.name for requirement in found if "extra" not in str(requirement.marker or ""))


def rows() -> list[dict[str, Any]]:
    """Return a row for each of the core, the largest first, and one for what they need in turn."""
    names = core()
    of_core: list[dict[str, Any]] = [
        {"name": name, "megabytes": megabytes(distribution(name)), "reason": REASONS[name]} for name in names
    ]
    others = {dist.name for name in names for dist in _needed(name, set())} - set(names)
    rest = {
        "name": f"{len(others)} more",
        "megabytes": sum(megabytes(distribution(name)) for name in others),
        "reason": "needed by these",
    }
    return [*sorted(of_core, key=lambda row: row["megabytes"], reverse=True), rest]


def megabytes(dist: Distribution) -> float:
    """Return the size of the files of a distribution."""
    paths = (Path(str(dist.locate_file(file))) for file in dist.files or ())
    return sum(path.stat().st_size for path in paths if path.is_file()) / 1e6


def _needed(name: str, seen: set[str]) -> Iterator[Distribution]:
    """Yield an installed distribution and, in turn, what it needs."""
    key = canonicalize_name(name)
    if key in seen:
        return
    seen.add(key)
    try:
        dist = distribution(name)
    except PackageNotFoundError:  # of another platform
        return
    yield dist
    for line in dist.requires or ():
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield from _needed(requirement.name, seen)


def main() -> None:
    """Print the rows."""
    parser = argparse.ArgumentParser(description="What the core needs, for what, and how large it is.")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/dependencies.json as well")
    args = parser.parse_args()
    answer = {"rows": rows()}
    if args.save:
        results.save("dependencies", answer)
    if args.json:
        print(json.dumps(answer))
        return
    for row in answer["rows"]:
        print(f"{row['name']:20} {row['megabytes']:8.1f} MB  {row['reason']}")


if __name__ == "__main__":
    main()

"""Results as files: ``benchmarks/results/NAME.json``, what was measured with all that it hangs on.

A file holds the command, the answer as ``--json`` prints it, the commit and whether the tree was clean, the versions of the
libraries that compute, the machine, and a fingerprint of the data. :mod:`benchmarks.tables` makes the tables of the
documentation of them, so that no figure is typed.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from distaff_data.datasets.interactions import Interactions

ROOT = Path(__file__).resolve().parents[1]
FOLDER = Path(__file__).parent / "results"
LIBRARIES = ("torch", "numpy", "scipy", "scikit-learn", "duckdb", "polars", "optuna", "torch-geometric")
_FLAGS = ("avx2", "avx512f", "avx512_vnni", "amx_int8")  # the vector units that speeds hang on


def save(name: str, answer: Mapping[str, Any] | list[Any], command: list[str] | None = None) -> Path:
    """Write a result, and return its file; an older one of the name is replaced.

    Args:
        name: The name of the file, and of the result in the documentation.
        answer: What was measured, plain enough for JSON.
        command: What measured it; this process' own command line when None.
    """
    FOLDER.mkdir(exist_ok=True)
    record = {
        "name": name,
        "command": shlex.join(["python", *(command or _own_command())]),
        "measured": datetime.now(UTC).date().isoformat(),
        "commit": _git("rev-parse", "HEAD"),
        # A result that was written just before measures nothing of this one.
        "clean": _git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!benchmarks/results") == "",
        "versions": {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}},
        "machine": machine(),
        "result": answer,
    }
    file = FOLDER / f"{name}.json"
    file.write_text(json.dumps(record, indent=1, sort_keys=False, allow_nan=False) + "\n")
    return file


def load(name: str) -> dict[str, Any]:
    """Return a committed result.

    Raises:
        FileNotFoundError: There is none of that name.
    """
    record: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return record


def names() -> list[str]:
    """Return the names of the committed results."""
    return sorted(file.stem for file in FOLDER.glob("*.json"))


def fingerprint(data: Interactions) -> dict[str, Any]:
    """Return what tells the data from any other: sizes, and a digest of each split's matrix."""
    digest = hashlib.sha256()
    for split in (data.train, data.valid, data.test):
        for array in (split.indptr, split.indices):
            digest.update(array.numpy().tobytes())
    sizes = {split: data.split(split).nnz for split in ("train", "valid", "test")}
    return {"name": data.name, "users": data.n_users, "items": data.n_items, **sizes, "sha256": digest.hexdigest()}


def machine() -> dict[str, Any]:
    """Return the processor and what of it can be used."""
    described = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    facts = dict(line.split(":", 1) for line in described.splitlines() if ":" in line)
    facts = {key.strip(): value.strip() for key, value in facts.items()}
    flags = facts.get("flags", "").split()
    return {
        "processor": facts.get("model name", platform.processor() or platform.machine()),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": os.environ.get("OMP_NUM_THREADS"),
        "vector_units": [flag for flag in _FLAGS if flag in flags],
        "system": platform.platform(),
    }


def _own_command() -> list[str]:
    file, *arguments = sys.argv
    if "--data" in arguments:  # where the files lie is this machine's own affair
        arguments[arguments.index("--data") + 1] = "DATA"
    path = Path(file).resolve()
    return [str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else path.name, *arguments]


def _git(*arguments: str) -> str | None:
    done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None

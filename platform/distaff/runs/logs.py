"""The log of a run: an object a line for every epoch, there while it is being fitted and whatever became of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NAME = "log.jsonl"


def epochs(log: Path) -> Iterator[dict[str, Any]]:
    """Yield the epochs of a log; a line that a power cut or a full disk tore is left out."""
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            epoch = json.loads(line)
        except ValueError:
            continue
        if isinstance(epoch, dict) and "epoch" in epoch:
            yield epoch

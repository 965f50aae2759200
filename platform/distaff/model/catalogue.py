"""The catalogue of models: a line for each, without importing any of ours.

Our own models' lines stand in ``catalogue.json``, so that ``distaff models`` need not import torch:
``python -m distaff.model.stubs`` writes it, and a test compares it with the classes. Other packages' models are imported.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from distaff.model.registry import class_names, model_class, names

FILE = Path(__file__).with_suffix(".json")
_DISTRIBUTION = "distaff"


def catalogue() -> list[dict[str, Any]]:
    """Return a line for each registered model, by name.

    Raises:
        InputError: A model of another package cannot be imported.
    """
    return [line(name) for name in names()]


def line(name: str) -> dict[str, Any]:
    """Return a model's line: ``model, kind, control, summary, tunes`` and ``shown``, the metrics that tables show.

    Raises:
        UnknownNameError: No model of that name is registered.
        InputError: It is another package's and cannot be imported.
    """
    if name in _written() and name in class_names(_DISTRIBUTION).values():
        return _written()[name]
    return _of_class(name)


def _of_class(name: str) -> dict[str, Any]:
    model = model_class(name)
    return {
        "model": name,
        "kind": model.kind,
        "control": model.control,
        "summary": (model.__doc__ or "").split("\n", 1)[0],
        "tunes": list(model.Config.search_space()),
        "shown": list(model.shown),
    }


def written() -> str:
    """Return what ``catalogue.json`` should hold: a line for each of our models."""
    ours = sorted(class_names(_DISTRIBUTION).values())
    return json.dumps({name: _of_class(name) for name in ours}, indent=1, ensure_ascii=False) + "\n"


@cache
def _written() -> dict[str, dict[str, Any]]:
    lines: dict[str, dict[str, Any]] = json.loads(FILE.read_text(encoding="utf-8"))
    return lines

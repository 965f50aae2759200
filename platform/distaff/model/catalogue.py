"""The catalogue of models: a line for each, without importing any of ours.

Our own models' lines stand in ``catalogue.json``, so that ``distaff models`` need not import torch:
``python -m distaff.model.stubs`` writes it, and a test compares it with the classes. Other packages' models are imported.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from distaff.model.registry import OURS, class_names, model_class, names
from distaff_data.errors import InputError

FILE = Path(__file__).with_suffix(".json")


def catalogue() -> list[dict[str, Any]]:
    """Return a line for each registered model, by name; one that cannot be had has ``broken``, the reason, instead."""
    return [_line_or_reason(name) for name in names()]


def settings(name: str) -> list[dict[str, Any]]:
    """Return a model's settings: ``setting, default, description, tuned``.

    Raises:
        UnknownNameError: No model of that name is registered.
        InputError: It cannot be imported.
    """
    config = model_class(name).Config
    space, descriptions = config.search_space(), config.descriptions()
    return [
        {
            "setting": setting,
            "default": field.get_default(),
            "description": descriptions.get(setting, ""),
            "tuned": str(space[setting]) if setting in space else None,
        }
        for setting, field in config.model_fields.items()
    ]


def line(name: str) -> dict[str, Any]:
    """Return a model's line: ``model, kind, control, summary, tunes`` and ``shown``, the metrics that tables show.

    Raises:
        UnknownNameError: No model of that name is registered.
        InputError: It is another package's and cannot be imported.
    """
    if name in _written() and name in class_names(OURS).values():
        return _written()[name]
    return _of_class(name)


def _line_or_reason(name: str) -> dict[str, Any]:
    try:
        return line(name)
    except InputError as error:
        return {"model": name, "kind": None, "control": False, "summary": "", "tunes": [], "broken": str(error)}


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
    classes = sorted(class_names(OURS).values())
    return json.dumps({name: _of_class(name) for name in classes}, indent=1, ensure_ascii=False) + "\n"


@cache
def _written() -> dict[str, dict[str, Any]]:
    lines: dict[str, dict[str, Any]] = json.loads(FILE.read_text(encoding="utf-8"))
    return lines

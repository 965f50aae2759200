"""Models by name. Ours and other packages' register the same way: the entry-point group ``distaff.models``."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from distaff.model.base import Model
from distaff_data.errors import InputError, UnknownNameError

GROUP = "distaff.models"


@cache
def _entries() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def names() -> list[str]:
    """Registered names, sorted."""
    return sorted(_entries())


def model_class(name: str) -> type[Model[Any]]:
    """The class behind a name.

    Raises:
        UnknownNameError: No model of that name is registered.
        InputError: Its package cannot be imported; the message says what to install.
    """
    if name not in _entries():
        raise UnknownNameError("model", name, names())
    try:
        found = _entries()[name].load()
    except ImportError as error:
        raise InputError(f"model {name!r} cannot be imported: {error}") from error
    if not (isinstance(found, type) and issubclass(found, Model)):
        raise InputError(f"entry point {name!r} is not a Distaff model: {found!r}")
    return found

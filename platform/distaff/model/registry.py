"""Models by name. Ours and other packages' register the same way: the entry-point group ``distaff.models``."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from distaff_data.errors import InputError, UnknownNameError

GROUP = "distaff.models"
_CONTRACT = ("name", "kind", "Config", "state", "load_state")  # of distaff.model.base.Model, which stands above


@cache
def _entries() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def class_names(distribution: str | None = None) -> dict[str, str]:
    """Return registered names by the name of their class, without importing any of them.

    Args:
        distribution: Only the models of this installed package; of all when None.
    """
    return {
        entry.attr: name
        for name, entry in sorted(_entries().items())
        if distribution is None or (entry.dist is not None and entry.dist.name == distribution)
    }


def names() -> list[str]:
    """Return the registered names, sorted."""
    return sorted(_entries())


def model_class(name: str) -> Any:
    """Return the class behind a name, a subclass of :class:`~distaff.model.base.Model`.

    Raises:
        UnknownNameError: No model of that name is registered.
        InputError: Its package cannot be imported; the message says what to install.
    """
    if name not in _entries():
        raise UnknownNameError("model", name, names())
    try:
        model = _entries()[name].load()
    except ImportError as error:
        raise InputError(f"model {name!r} cannot be imported: {error}") from error
    if not (isinstance(model, type) and all(hasattr(model, attribute) for attribute in _CONTRACT)):
        raise InputError(f"entry point {name!r} is not a Distaff model: {model!r}")
    return model

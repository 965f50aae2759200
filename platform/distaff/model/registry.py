"""Models by name. Ours and other packages' register the same way: the entry-point group ``distaff.models``.

Names of this distribution are its own: another package that registers one of them is not listened to, and
:func:`conflicts` says so. Two other packages that want one name are refused when it is asked for.
"""

from __future__ import annotations

from collections import defaultdict
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from distaff_data.errors import InputError, UnknownNameError

GROUP = "distaff.models"
OURS = "distaff"
_CONTRACT = ("name", "kind", "Config", "state", "load_state")  # of distaff.model.base.Model, which stands above


@cache
def _entries() -> dict[str, tuple[EntryPoint, ...]]:
    """Return the entry points of each name; ours alone where it is one of ours."""
    claimed: defaultdict[str, list[EntryPoint]] = defaultdict(list)
    for entry in entry_points(group=GROUP):
        claimed[entry.name].append(entry)
    return {
        name: tuple(_ours_of(entries) or entries) if entries[1:] else (*entries,) for name, entries in claimed.items()
    }


def _ours_of(entries: list[EntryPoint]) -> list[EntryPoint]:
    return [entry for entry in entries if _package(entry) == OURS]


@cache
def class_names(distribution: str | None = None) -> dict[str, str]:
    """Return registered names by the name of their class, without importing any of them.

    Args:
        distribution: Only the models of this installed package; of all when None.
    """
    return {
        entry.attr: name
        for name, (entry, *_) in sorted(_entries().items())
        if distribution is None or _package(entry) == distribution
    }


def conflicts() -> list[str]:
    """Return a sentence for each name that several packages register."""
    claims: defaultdict[str, set[str]] = defaultdict(set)
    for entry in entry_points(group=GROUP):
        claims[entry.name].add(_package(entry))
    return [
        f"{name!r} is registered by {' and '.join(sorted(packages))}"
        + (f"; {OURS}'s own is used" if OURS in packages else "; neither can be used")
        for name, packages in sorted(claims.items())
        if len(packages) > 1
    ]


def names() -> list[str]:
    """Return the registered names, sorted."""
    return sorted(_entries())


def model_class(name: str) -> Any:
    """Return the class behind a name, a subclass of :class:`~distaff.model.base.Model`.

    Raises:
        UnknownNameError: No model of that name is registered.
        InputError: Its package cannot be imported, it is no model, it has another name of its own, or several packages
            register it.
    """
    if name not in _entries():
        raise UnknownNameError("model", name, names())
    entry, *others = _entries()[name]
    if others:
        packages = " and ".join(sorted({_package(e) for e in (entry, *others)}))
        raise InputError(f"model {name!r} is registered by {packages}; uninstall one of them")
    try:
        model = entry.load()
    except (Exception, SystemExit) as error:  # whatever a stranger's module does when it is imported
        raise InputError(f"model {name!r} cannot be imported: {type(error).__name__}: {error}") from error
    if not (isinstance(model, type) and all(hasattr(model, attribute) for attribute in _CONTRACT)):
        raise InputError(f"entry point {name!r} is not a Distaff model: {model!r}")
    if missing := sorted(getattr(model, "__abstractmethods__", ())):
        raise InputError(f"model {name!r} does not implement {', '.join(missing)}")
    if (called := getattr(model, "name", None)) != name:
        raise InputError(f"the class behind model {name!r} says that its name is {called!r}; one of them is wrong")
    return model


def _package(entry: EntryPoint) -> str:
    return "" if entry.dist is None else entry.dist.name

"""Series that are told apart by labels, as monitoring has them, named ``entity|metric``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from distaff_data.errors import InputError

Labels = Mapping[str, str]
Key = tuple[tuple[str, str], ...]
"""A series' labels and their values, in order."""


def entity_of(labels: Labels, usual: Sequence[str], named: str | None, metric: str) -> str:
    """Return the entity that a series is of: what its label says that a person named, or else the first usual one.

    Raises:
        InputError: It has not that label, or none of the usual ones.
    """
    for label in usual if named is None else (named,):
        if labels.get(label):
            return labels[label].replace("|", "/")
    there = ", ".join(sorted(label for label in labels if not label.startswith("__"))) or "none"
    wanted = "none of the usual labels" if named is None else f"no label {named}"
    raise InputError(
        f"a series has {wanted}; name the one that says the entity with --entity-label; its labels: {there}",
        value=metric,
    )


def names_apart(series: Mapping[Key, tuple[str, str]]) -> dict[Key, str]:
    """Return names ``entity|metric`` of series, with the labels by which those that would have one name differ.

    Args:
        series: Of each its entity and metric, by its labels.
    """
    alike: dict[tuple[str, str], list[Key]] = {}
    for key, pair in series.items():
        alike.setdefault(pair, []).append(key)
    names = {}
    for (entity, metric), keys in alike.items():
        every = [dict(key) for key in keys]
        labels = {label for each in every for label in each if not label.startswith("__")}
        differ = sorted(label for label in labels if len({one.get(label) for one in every}) > 1)
        for key, own in zip(keys, every, strict=True):
            apart = ",".join(f"{label}={own[label]}" for label in differ if label in own)
            names[key] = f"{entity}|{metric}{{{apart}}}" if apart else f"{entity}|{metric}"
    return names

"""Classes learned in groups that have labels, told in a group that has none: a model beside the controls of adaptation.

The windows of both sides are one dataset's; a group is whatever its windows belong to, such as a subject or a machine. The
target's labels are read for nothing but the scores, where it has any.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from distaff.model.registry import model_class
from distaff.series.heads.classify import score_classes
from distaff.series.tables import class_table
from distaff_data.datasets.series import Series
from distaff_data.datasets.windows import slide
from distaff_data.errors import InputError, UnknownNameError
from distaff_data.tables.series import load_series
from distaff_data.workspace import Workspace


class Adapter(Protocol):
    """One method of adaptation.

    Attributes:
        classes: Names of the source's classes, once fitted.
    """

    classes: tuple[str, ...]

    def fit(self, source: Series, target: Series, *, seed: int = 0, device: str = "auto") -> Self:
        """Fit to the training windows of both, and to the source's labels."""

    def probabilities(self, data: Series) -> Tensor:
        """Of each class for all windows of the target, float32 ``(n, K)``."""


class Adaptable(ABC):
    """What a model mixes in that adapts to groups without labels."""

    @classmethod
    @abstractmethod
    def adapters(cls, settings: Mapping[str, Any]) -> Mapping[str, Adapter]:
        """Methods by name, not fitted: the model's own under its registry name, and its controls."""


@dataclass(frozen=True)
class Adapted:
    """What the methods tell of the target.

    Attributes:
        judged: The target's windows that scores are of: ``test`` where it has such windows, otherwise ``all``.
        scores: Accuracy, macro-F1 and kappa by method; none where those windows have no labels.
        table: ``method, entity, split, label, predicted, probability`` of all windows of the target.
    """

    judged: str
    scores: Mapping[str, Mapping[str, float]]
    table: pa.Table


def adapt(
    workspace: Workspace,
    dataset: str,
    source: Sequence[str],
    target: str,
    *,
    model: str = "dts",
    settings: Mapping[str, Any] | None = None,
    seed: int = 0,
    device: str = "auto",
    report: Callable[[str], None] = lambda _: None,
) -> Adapted:
    """Fit every method to the training windows of some groups, and tell the classes of another.

    Args:
        workspace: Where the dataset is.
        dataset: Labelled windows, each an entity of a group.
        source: Groups whose labels are learned from.
        target: The group whose classes are told.
        model: Registry name of a model that adapts.
        settings: Of its methods.
        seed: Of every draw.
        device: ``auto``, ``cpu`` or ``cuda``.
        report: Called with the name of each method before it is fitted.

    Raises:
        InputError: A group that is unknown, on both sides, or has no training windows; a model that does not adapt.
    """
    kind = model_class(model)
    if not issubclass(kind, Adaptable):
        raise InputError("no adaptation comes with this model", column="model", value=model)
    if target in source:
        raise InputError("the target's labels are not learned from", column="source", value=target)
    adapters = kind.adapters(settings or {})
    data = load_series(workspace.warehouse, dataset)
    known, told = _groups(data, source), _groups(data, [target])
    windows = slide(told, int(told.lengths.max()))
    tables, scores = [], {}
    test = told.rows_of("test")[windows.starts]
    judged = (test if bool(test.any()) else torch.ones_like(test)) & (told.labels >= 0)
    for method, adapter in adapters.items():
        report(method)
        best, codes = adapter.fit(known, told, seed=seed, device=device).probabilities(told).max(1)
        table = class_table(told, windows, adapter.classes, codes, best)
        tables.append(table.add_column(0, "method", pa.repeat(method, len(table))))
        scores[method] = score_classes(told.labels[judged], codes[judged]) if bool(judged.any()) else {}
    return Adapted("test" if bool(test.any()) else "all", scores, pa.concat_tables(tables))


def _groups(data: Series, names: Sequence[str]) -> Series:
    """The windows of some groups; refuses unknown ones and those without training windows."""
    there = sorted({name for name in data.groups.to_pylist() if name is not None})
    for name in names:
        if name not in there:
            raise UnknownNameError("group", name, there)
    own = pc.fill_null(pc.is_in(data.groups, pa.array(names, pa.string())), False)
    found = data.only(torch.from_numpy(own.to_numpy(zero_copy_only=False)))
    if not bool(found.rows_of("train").any()):
        raise InputError(
            f"no training window of dataset {data.name!r} is in this group; divide it within groups, "
            "for example by --split random:0.7,0,0.3",
            column="group",
            value=", ".join(names),
        )
    return found

"""Classes learned in groups that have labels, predicted in a group that has none: a model beside the controls of adaptation.

The windows of both sides are one dataset's; a group is whatever its windows belong to, such as a subject or a machine. The
target's labels are read for nothing but the scores, where it has any.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self, runtime_checkable

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
        """Return the probability of each class for all windows of the target, float32 ``(n, K)``."""


@runtime_checkable
class Adaptable(Protocol):
    """A class of models that adapt to groups without labels; it has this method, and need not inherit from here."""

    @classmethod
    def adapters(cls, settings: Mapping[str, Any]) -> Mapping[str, Adapter]:
        """Return methods by name, not fitted: the model's own under its registry name, and its controls."""


@dataclass(frozen=True)
class Adapted:
    """The classes that each method predicts in the target.

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
    """Fit every method to the training windows of some groups, and return the classes they predict in another.

    Args:
        workspace: Where the dataset is.
        dataset: Labelled windows, each an entity of a group.
        source: Groups whose labels are learned from.
        target: The group whose classes are predicted.
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
    labelled, unlabelled = _groups(data, source), _groups(data, [target])
    windows = slide(unlabelled, int(unlabelled.lengths.max()))
    tables, scores = [], {}
    test = unlabelled.rows_of("test")[windows.starts]
    judged = (test if bool(test.any()) else torch.ones_like(test)) & (unlabelled.labels >= 0)
    for method, adapter in adapters.items():
        report(method)
        best, codes = adapter.fit(labelled, unlabelled, seed=seed, device=device).probabilities(unlabelled).max(1)
        table = class_table(unlabelled, windows, adapter.classes, codes, best)
        tables.append(table.add_column(0, "method", pa.repeat(method, len(table))))
        scores[method] = score_classes(unlabelled.labels[judged], codes[judged]) if bool(judged.any()) else {}
    return Adapted("test" if bool(test.any()) else "all", scores, pa.concat_tables(tables))


def _groups(data: Series, names: Sequence[str]) -> Series:
    """Return the windows of some groups; refuse unknown ones and those without training windows."""
    known_groups = sorted({name for name in data.groups.to_pylist() if name is not None})
    for name in names:
        if name not in known_groups:
            raise UnknownNameError("group", name, known_groups)
    chosen = pc.fill_null(pc.is_in(data.groups, pa.array(names, pa.string())), False)
    windows = data.only(torch.from_numpy(chosen.to_numpy(zero_copy_only=False)))
    if not bool(windows.rows_of("train").any()):
        raise InputError(
            f"no training window of dataset {data.name!r} is in this group; divide it within groups, "
            "for example by --split random:0.7,0,0.3",
            column="group",
            value=", ".join(names),
        )
    return windows

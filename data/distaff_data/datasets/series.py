"""Series in memory: every entity's rows end to end in one tensor, with one mask.

What is missing is decided here, once, for every source:

* ``mask`` is True where a value was measured. An empty cell, NaN, a ``?``, and all channels of a row that a gap in the time
  stamps leaves out, are missing. A missing value is 0 in ``values``, and no scaler, loss or metric reads it.
* Entities have lengths of their own; nothing is padded at rest. A window longer than its entity ends in missing rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from distaff_data.datasets.covariates import Covariate, Covariates
from distaff_data.datasets.division import SPLITS
from distaff_data.errors import InputError
from distaff_data.frames import positions

Floats = npt.NDArray[np.floating]
_TENSORS = ("values", "mask", "times", "offsets", "splits", "labels")
_AT_ONCE = 1_000_000  # rows
_FILES = ("series.safetensors", "entities.parquet", "channels.parquet", "classes.parquet")
_COVARIATES = "covariates.parquet"
_COLUMNS = pa.schema([("name", pa.string()), ("role", pa.string()), ("category", pa.string())])


@dataclass(frozen=True)
class Series:
    """One dataset of series.

    Attributes:
        name: The dataset's name.
        channels: Names of the C channels.
        entity_ids: Own ids of the E entities: sensors, subjects, recordings or single windows.
        values: float32 ``(R, C)``, 0 where missing.
        mask: bool ``(R, C)``, True where measured.
        times: Seconds since 1970, or the row's number where the source has no time, float64 ``(R,)``.
        offsets: First row of each entity, and R, int64 ``(E + 1,)``.
        splits: Index into ``SPLITS`` of each row, int8 ``(R,)``.
        labels: Index into ``classes`` of each entity, -1 without one, int64 ``(E,)``.
        classes: Names of the labels; empty where there are none.
        groups: What each entity belongs to, such as a subject; NULL where unknown.
        whole: Whether each entity is one window, as in a set of labelled windows, and not a series to slide along.
        generation: The warehouse generation it was loaded from; empty for data that never was in one.
        covariates: What is known of the rows beside the channels; None where there is nothing.
    """

    name: str
    channels: tuple[str, ...]
    entity_ids: pa.StringArray
    values: Tensor
    mask: Tensor
    times: Tensor
    offsets: Tensor
    splits: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    groups: pa.StringArray
    whole: bool = False
    generation: str = ""
    covariates: Covariates | None = None

    @classmethod
    def from_rows(
        cls,
        values: Floats,
        lengths: Sequence[int] | npt.NDArray[np.int64],
        *,
        name: str = "series",
        channels: Sequence[str] | None = None,
        entities: object | None = None,
        times: Floats | None = None,
        labels: object | None = None,
        groups: object | None = None,
        whole: bool = False,
    ) -> Series:
        """Build from rows of all entities, one entity after another; all of it is training data.

        Args:
            values: ``(R, C)``, NaN where missing.
            lengths: Rows of each entity, ``(E,)``.
            name: The dataset's name.
            channels: Names; ``c1``, ``c2``, ... when None.
            entities: Ids; numbers from 1 when None.
            times: Seconds of each row; the row's number within its entity when None.
            labels: Label of each entity, None or missing where it has none.
            groups: Group of each entity.
            whole: Whether each entity is one window.

        Raises:
            InputError: No rows, no channels, nothing measured, or parts of unequal length.
        """
        counts = np.asarray(lengths, dtype=np.int64)
        if values.ndim != 2 or not values.size:
            raise InputError(f"a series has rows and channels, not the shape {values.shape}")
        if counts.sum() != len(values) or (counts < 1).any():
            raise InputError("every entity has one row at least, and every row an entity")
        # Rows of memory are rows of the series, however the caller's array lies: windows are gathered row by row.
        numbers = torch.from_numpy(np.array(values, dtype=np.float32, order="C"))
        mask = torch.isfinite(numbers)
        if not bool(mask.any()):
            raise InputError("every value is missing")
        place = np.arange(len(values)) - np.repeat(np.cumsum(counts) - counts, counts)
        return cls.from_tensors(
            numbers.nan_to_num_(0.0, 0.0, 0.0),
            mask,
            counts,
            times=torch.from_numpy(np.array(place if times is None else times, dtype=np.float64)),
            name=name,
            channels=channels,
            entities=entities,
            labels=labels,
            groups=groups,
            whole=whole,
        )

    @classmethod
    def from_tensors(
        cls,
        values: Tensor,
        mask: Tensor,
        lengths: npt.NDArray[np.int64],
        *,
        times: Tensor,
        name: str,
        channels: Sequence[str] | None,
        entities: object | None,
        labels: object | None,
        groups: object | None,
        whole: bool,
    ) -> Series:
        """Build from tensors as they are, which may lie in a mapped file: nothing is copied or looked at.

        Args:
            values: 0 where missing, float32 ``(R, C)``.
            mask: True where measured, bool ``(R, C)``.
            lengths: Rows of each entity, int64 ``(E,)``.
            times: Seconds of each row, float64 ``(R,)``.
            name: As in :meth:`from_rows`, as are all that follow.
            channels: Names, or None.
            entities: Ids, or None.
            labels: Label of each entity, or None.
            groups: Group of each entity, or None.
            whole: Whether each entity is one window.
        """
        names = channels or [f"c{i}" for i in range(1, values.shape[1] + 1)]
        codes, classes = _codes(labels, len(lengths))
        return cls(
            name=name,
            channels=tuple(map(str, names)),
            entity_ids=_texts(entities, [str(i) for i in range(1, len(lengths) + 1)]),
            values=values,
            mask=mask,
            times=times,
            offsets=torch.from_numpy(np.concatenate([[0], np.cumsum(lengths)])),
            splits=torch.zeros(len(values), dtype=torch.int8),
            labels=codes,
            classes=classes,
            groups=_texts(groups, [None] * len(lengths)),
            whole=whole,
        )

    @classmethod
    def from_windows(
        cls,
        x: npt.ArrayLike,
        y: object | None = None,
        *,
        groups: object | None = None,
        entities: object | None = None,
        channels: Sequence[str] | None = None,
        name: str = "windows",
    ) -> Series:
        """Build from windows of equal length, each an entity of its own.

        Args:
            x: ``(n, T, C)`` or ``(n, T)``, NaN where missing.
            y: Labels ``(n,)``.
            groups: Group of each window, such as its subject, ``(n,)``.
            entities: Own ids; numbers when None.
            channels: Names; ``c1``, ``c2``, ... when None.
            name: The dataset's name.

        Raises:
            InputError: Another shape, or parts of unequal length.
        """
        array = np.asarray(x)
        if array.dtype.kind not in "fiub":
            raise InputError(f"windows are numbers, not {array.dtype}")
        if array.ndim == 2:
            array = array[:, :, None]
        if array.ndim != 3 or not array.size:
            raise InputError(f"windows have the shape (n, T, C) or (n, T), not {array.shape}")
        n, length, n_channels = array.shape
        for role, names in (("labels", y), ("groups", groups)):
            if names is not None and len(names) != n:  # type: ignore[arg-type]
                raise InputError(f"{n} windows but {len(names)} {role}")  # type: ignore[arg-type]
        rows = array.reshape(n * length, n_channels)
        options = {"entities": entities, "labels": y, "groups": groups, "channels": channels}
        return cls.from_rows(rows, np.full(n, length), whole=True, name=name, **options)  # type: ignore[arg-type]

    @property
    def n_entities(self) -> int:
        """Number of entities, E."""
        return len(self.entity_ids)

    @property
    def lengths(self) -> Tensor:
        """Rows of each entity, int64 ``(E,)``."""
        return self.offsets.diff()

    def entity_of_row(self) -> Tensor:
        """Return the entity of each row, int64 ``(R,)``."""
        return torch.repeat_interleave(torch.arange(self.n_entities), self.lengths)

    def rows_of(self, split: str) -> Tensor:
        """Return a mask of the rows that a split has, bool ``(R,)``.

        Raises:
            InputError: There is no such split.
        """
        if split not in SPLITS:
            raise InputError(f"unknown split {split!r}; there are {', '.join(SPLITS)}")
        return self.splits == SPLITS.index(split)

    def with_splits(self, splits: Tensor) -> Series:
        """Return the same data divided otherwise; ``splits`` is int8 ``(R,)``."""
        return replace(self, splits=splits)

    def only(self, chosen: Tensor) -> Series:
        """Return the series of some entities; ``chosen`` is bool ``(E,)``."""
        rows, lengths = chosen[self.entity_of_row()], self.lengths[chosen]
        return replace(
            self.of_rows(rows),
            entity_ids=self.entity_ids.filter(pa.array(chosen.numpy())),
            groups=self.groups.filter(pa.array(chosen.numpy())),
            offsets=torch.cat([lengths.new_zeros(1), lengths.cumsum(0)]),
            labels=self.labels[chosen],
        )

    def of_rows(self, rows: Tensor) -> Series:
        """Return the same with some rows alone, by mask or by index; who has which of them is for the caller to say."""
        parts = {name: getattr(self, name)[rows] for name in ("values", "mask", "times", "splits")}
        return replace(self, covariates=None if self.covariates is None else self.covariates.rows(rows), **parts)

    def write(self, folder: Path) -> tuple[str, ...]:
        """Write everything into a folder; returns the files' names."""
        tensors, entities, channels, classes = _FILES
        beside = {}
        if self.covariates is not None:
            beside = {"covariates": self.covariates.values, "covariates_mask": self.covariates.mask}
            pq.write_table(
                pa.Table.from_pylist([vars(c) for c in self.covariates.columns], _COLUMNS), folder / _COVARIATES
            )
        save_file(
            {
                key: tensor.contiguous()
                for key, tensor in ({key: getattr(self, key) for key in _TENSORS} | beside).items()
            },
            folder / tensors,
            {"whole": str(int(self.whole))},
        )
        pq.write_table(pa.table({"id": self.entity_ids, "group": self.groups}), folder / entities)
        for file, names in ((channels, self.channels), (classes, self.classes)):
            pq.write_table(pa.table({"name": pa.array(names, pa.string())}), folder / file)
        return _FILES if self.covariates is None else (*_FILES, _COVARIATES)

    @classmethod
    def read(cls, folder: Path, name: str, generation: str) -> Series:
        """Read what :meth:`write` wrote."""
        from safetensors import safe_open

        tensors, entities, channels, classes = _FILES
        with safe_open(folder / tensors, "pt") as opened:
            whole = opened.metadata()["whole"] == "1"
        table = pq.read_table(folder / entities)
        names, labels = (tuple(pq.read_table(folder / file)["name"].to_pylist()) for file in (channels, classes))
        parts, covariates = load_file(folder / tensors), None
        if "covariates" in parts:
            described = tuple(Covariate(**row) for row in pq.read_table(folder / _COVARIATES).to_pylist())
            covariates = Covariates(described, parts.pop("covariates"), parts.pop("covariates_mask"))
        return cls(
            name=name,
            channels=names,
            entity_ids=table["id"].combine_chunks(),
            groups=table["group"].combine_chunks(),
            classes=labels,
            whole=whole,
            generation=generation,
            covariates=covariates,
            **parts,
        )


@dataclass(frozen=True)
class Scaler:
    """Standardises channels by the mean and deviation of what was measured in training rows, of all or of each entity.

    Attributes:
        mean: float32 ``(C,)``, or ``(E, C)`` where each entity has its own; 0 for a channel never measured in training.
        std: Likewise; 1 for a channel that is constant there.
    """

    mean: Tensor
    std: Tensor

    @classmethod
    def of(cls, data: Series) -> Scaler:
        """Return a scaler fitted to the training rows, and to nothing else."""
        rows = torch.nonzero(data.rows_of("train")).flatten().split(_AT_ONCE)
        none = torch.zeros(len(data.channels), dtype=torch.long)
        count = sum((data.mask[some].sum(0) for some in rows), none).clamp(min=1)
        mean = sum((data.values[some].double().sum(0) for some in rows), none.double()) / count
        away = (((data.values[some].double() - mean) * data.mask[some]).square().sum(0) for some in rows)
        std = (sum(away, torch.zeros_like(mean)) / count).sqrt()
        return cls(mean.float(), torch.where(std > 1e-6 * (1 + mean.abs()), std, 1.0).float())

    @classmethod
    def fitting(cls, data: Series) -> Scaler:
        """Return the scaler that suits the data: each entity's own on a panel, which may be of unequal scale.

        Where entities are windows, or have labels, their level may be what tells them apart: there it is of all.
        """
        return cls.of(data) if data.whole or data.classes or data.n_entities == 1 else cls.by_entity(data)

    @classmethod
    def by_entity(cls, data: Series, rows: Tensor | None = None) -> Scaler:
        """Return a scaler of each entity, fitted to some rows; to the training rows when None.

        The unit of a channel that is constant in an entity is its size there, or else the middle one of the entities.
        """
        chosen = torch.nonzero(data.rows_of("train") if rows is None else rows).flatten().split(_AT_ONCE)
        entity, shape = data.entity_of_row(), (data.n_entities, len(data.channels))
        count, total, square = (torch.zeros(shape, dtype=torch.float64) for _ in range(3))
        for some in chosen:
            count.index_add_(0, entity[some], data.mask[some].double())
            total.index_add_(0, entity[some], data.values[some].double())
        mean = total / count.clamp(min=1)
        for some in chosen:
            away = (data.values[some].double() - mean[entity[some]]) * data.mask[some]
            square.index_add_(0, entity[some], away.square())
        std = (square / count.clamp(min=1)).sqrt()
        moves = std > 1e-6 * mean.abs() + 1e-30
        usual = torch.where(moves, std, torch.nan).nanmedian(0).values.nan_to_num(1.0)
        still = torch.where(mean != 0, mean.abs(), usual)
        return cls(mean.float(), torch.where(moves, std, still).float())

    @property
    def of_each(self) -> bool:
        """True where each entity has its own."""
        return self.mean.dim() == 2

    def of_rows(self, entities: Tensor) -> Scaler:
        """Return the scaler of rows of some entities, ``(n,)``."""
        return Scaler(self.mean[entities], self.std[entities]) if self.of_each else self

    def of_windows(self, entities: Tensor) -> Scaler:
        """Return the scaler of windows of some entities, ``(b,)``."""
        rows = self.of_rows(entities)
        return Scaler(rows.mean.unsqueeze(1), rows.std.unsqueeze(1)) if self.of_each else self

    def typical(self) -> Scaler:
        """Return the scaler in the middle of the entities, where there is no one entity to speak of."""
        return Scaler(self.mean.median(0).values, self.std.median(0).values) if self.of_each else self

    def apply(self, values: Tensor, mask: Tensor) -> Tensor:
        """Return scaled values ``(..., C)``; 0, the training mean, where missing."""
        return torch.where(mask, (values - self.mean) / self.std, 0.0)

    def invert(self, scaled: Tensor) -> Tensor:
        """Return values in their own units."""
        return scaled * self.std + self.mean

    def to(self, device: torch.device) -> Scaler:
        """Return the same scaler on another device."""
        return Scaler(self.mean.to(device), self.std.to(device))


def _texts(values: object | None, default: list[str] | list[None]) -> pa.StringArray:
    array = pa.array(default if values is None else values).cast(pa.string())
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def _codes(labels: object | None, n_entities: int) -> tuple[Tensor, tuple[str, ...]]:
    """Return codes and names of labels; numbers in numeric order before other text."""
    texts = _texts(labels, [None] * n_entities)
    if len(texts) != n_entities:
        raise InputError(f"{n_entities} entities but {len(texts)} labels")
    names = pl.Series(texts)
    distinct = names.drop_nulls().unique()
    classes = tuple(sorted(distinct, key=lambda text: (not text.lstrip("-").isdigit(), _number(text), text)))
    codes = positions(names, pl.Series(classes, dtype=pl.String)).fill_null(-1)
    return torch.from_numpy(codes.to_numpy(writable=True)), classes


def _number(text: str) -> int:
    return int(text) if text.lstrip("-").isdigit() else 0

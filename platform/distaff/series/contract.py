"""What a model of series implements, and how it handles its data: windows, scaling, what is read and kept.

A model subclasses :class:`~distaff.series.model.SeriesModel` and implements four methods:
:meth:`~SeriesContract._fit_encoder`, :meth:`~SeriesContract.encode`, :meth:`~SeriesContract.parts` and
:meth:`~SeriesContract.put_parts`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from distaff.model.base import Model, Session
from distaff.model.config import Listed, ModelConfig
from distaff.series.blocks import blocks
from distaff.series.forecasting import Encoding
from distaff.series.heads.classify import Method, score_classes
from distaff.series.heads.forecast import Forecaster
from distaff.series.heads.sgd import Descent
from distaff_data.datasets.series import Scaler, Series
from distaff_data.datasets.windows import Windows, slide
from distaff_data.errors import InputError, UnsupportedError
from distaff_data.splits import SPLITS
from distaff_data.tables.series import load_series
from distaff_data.warehouse import Warehouse

_SEQ_LEN = 96


class SeriesConfig(ModelConfig):
    """Settings of every model of series.

    Attributes:
        seq_len: Rows of a window; when None 96, or the longest entity where each entity is one window.
        horizons: Rows ahead at which forecasts are measured.
        forecaster: How the linear head of forecasts is found: ``ridge`` in closed form, ``sgd`` by gradient descent.
        classifier: The linear head of classes; see :mod:`distaff.series.heads.classify`.
        head_lr: Learning rate of heads found by ``sgd``, as are the two that follow; see :mod:`distaff.series.heads.sgd`.
        head_epochs: Their passes over the training windows.
        head_dropout: Share of the features that they do without at each step.
        label_share: Part of the labelled training windows' entities, of each class in proportion, whose labels are used.
    """

    seq_len: Annotated[int | None, Field(ge=1)] = None
    horizons: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1), Listed] = (24,)
    forecaster: Forecaster = "ridge"
    classifier: Method = "logistic"
    head_lr: Annotated[float, Field(gt=0)] = 1e-3
    head_epochs: Annotated[int, Field(ge=1)] = 30
    head_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    label_share: Annotated[float, Field(gt=0, le=1)] = 1.0

    @property
    def descent(self) -> Descent:
        """How heads are found by ``sgd``."""
        return Descent(self.head_lr, self.head_epochs, self.head_dropout)


class SeriesContract(Model[Series]):
    """The contract, and what follows from the data.

    Attributes:
        classifies: Whether it can tell classes.
        forecasts: Whether it can forecast.
        any_length: Whether it encodes windows of other lengths than those it was fitted to.
    """

    kind = "series"
    headline = ("accuracy", "mse")
    shown = ("accuracy", "macro_f1", "mse", "mae")
    lower_is_better = frozenset({"mse", "mae"})
    classifies: ClassVar[bool] = True
    forecasts: ClassVar[bool] = True
    any_length: ClassVar[bool] = False
    Config: ClassVar[type[ModelConfig]] = SeriesConfig
    config: SeriesConfig

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.scaler: Scaler | None = None
        self.device = torch.device("cpu")
        self._chosen: Tensor | None = None

    # ------------------------------------------------------------------------------------------ what a model implements

    @abstractmethod
    def _fit_encoder(self, data: Series, session: Session) -> None:
        """Fit the encoder to the training windows of ``data``; :attr:`scaler` is fitted before."""

    @abstractmethod
    def encode(self, values: Tensor, mask: Tensor) -> Encoding:
        """Encode windows, without gradients.

        Args:
            values: Scaled, 0 where missing, float32 ``(b, T, C)``.
            mask: bool ``(b, T, C)``.
        """

    @abstractmethod
    def parts(self) -> dict[str, Tensor]:
        """Everything a fitted encoder needs, by name."""

    @abstractmethod
    def put_parts(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back what :meth:`parts` gave."""

    def features(self, values: Tensor, mask: Tensor) -> Tensor:
        """What the classifier reads of windows, ``(b, F)``; the instance vectors of all groups here."""
        return self.encode(values, mask).instances.flatten(1)

    def reconstruct(self, values: Tensor, mask: Tensor) -> Tensor:
        """Windows as the model would have them, scaled, ``(b, T, C)``.

        Raises:
            UnsupportedError: The model has no such thing.
        """
        raise UnsupportedError(
            f"{self.name} does not reconstruct windows; it can be surprised by what follows: --by forecast"
        )

    # ---------------------------------------------------------------------------------------------- how series are handled

    @property
    def length(self) -> int:
        """Rows of a window."""
        return self.length_for(self.data)

    @property
    def least_length(self) -> int:
        """Rows that a window has at least, where the model takes any length."""
        return 1

    def length_for(self, data: Series) -> int:
        """Rows of a window of some data."""
        return self.config.seq_len or (int(data.lengths.max()) if data.whole else _SEQ_LEN)

    def take(self, windows: Windows, index: Tensor) -> tuple[Tensor, Tensor]:
        """Scaled values and mask of some windows, on the model's device."""
        assert self.scaler is not None
        values, mask = windows.take(index)
        return self.scaler.to(values.device).apply(values, mask), mask

    def labelled(self, data: Series, split: str) -> tuple[Windows, Tensor]:
        """Windows of a split that have labels, and their codes ``(n,)``; in training, those whose labels count."""
        windows = slide(data, self.length_for(data), split=split, device=self.device)
        kept = data.labels[windows.entities] >= 0
        if split == "train" and self._chosen is not None:
            kept &= self._chosen[windows.entities]
        windows = windows.where(kept)
        return windows, data.labels[windows.entities]

    @classmethod
    def read(cls, warehouse: Warehouse, dataset: str) -> Series:
        """Load a dataset of series."""
        return load_series(warehouse, dataset)

    @classmethod
    def chance(cls, data: Series, split: str) -> dict[str, float]:
        """What the commonest training class, or the training mean, would score."""
        rows = data.rows_of(split)
        if not bool(rows.any()):
            raise InputError(f"dataset {data.name!r} has no {split} rows to compare on")
        if not data.classes:
            scaled = Scaler.of(data).apply(data.values[rows], data.mask[rows])
            count = data.mask[rows].sum().clamp(min=1)
            return {"mse": float(scaled.square().sum() / count), "mae": float(scaled.abs().sum() / count)}
        first = data.splits[data.offsets[:-1]]
        train = data.labels[(first == SPLITS.index("train")) & (data.labels >= 0)]
        own = data.labels[(first == SPLITS.index(split)) & (data.labels >= 0)]
        return score_classes(own, train.mode().values.expand_as(own)) if own.numel() and train.numel() else {}

    def write_data(self, folder: Path) -> tuple[str, ...]:
        """Write the series."""
        return self.data.write(folder)

    def read_data(self, folder: Path, name: str, generation: str) -> Series:
        """Read them back."""
        return Series.read(folder, name, generation)

    def notes(self) -> tuple[str, ...]:
        """What a reader of the metrics should know."""
        return ()

    def _features(self, windows: Windows) -> Tensor:
        return torch.cat([self.features(*self.take(windows, block)).cpu() for block in blocks(windows)])

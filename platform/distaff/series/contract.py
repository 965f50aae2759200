"""The settings that all models of series share, and what the functions of this room ask of a model.

Models subclass :class:`~distaff.series.model.SeriesModel`. The functions that fit heads, measure, score rows and test back
know no more of one than :class:`WindowModel`.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Protocol

import torch
from pydantic import Field
from torch import Tensor

from distaff.model.config import Listed, ModelConfig
from distaff.series.forecasting import Encoding
from distaff.series.heads.classify import Method
from distaff.series.heads.forecast import Forecaster
from distaff.series.heads.sgd import SGDSettings
from distaff_data.datasets.series import Scaler, Series
from distaff_data.datasets.windows import Windows


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
    def sgd(self) -> SGDSettings:
        """The settings of heads that are trained by ``sgd``."""
        return SGDSettings(self.head_lr, self.head_epochs, self.head_dropout)


class WindowModel(Protocol):
    """A model of windows as the functions of this room see it; every :class:`~distaff.series.model.SeriesModel` is one.

    Attributes:
        name: Registry name.
        classifies: Whether it can tell classes.
        forecasts: Whether it can forecast.
        scaler: Fitted to the training rows; None before the fit.
        any_length: Whether it encodes windows of other lengths than those it was fitted to.
        reads_ahead: Whether its forecasts read the times and the covariates of the rows after a window.
        device: Where it computes.
    """

    name: ClassVar[str]
    classifies: ClassVar[bool]
    forecasts: ClassVar[bool]
    any_length: ClassVar[bool]
    reads_ahead: ClassVar[bool]
    scaler: Scaler | None
    device: torch.device

    @property
    def config(self) -> SeriesConfig:
        """The settings."""

    @property
    def data(self) -> Series:
        """The series that it was fitted to."""

    @property
    def length(self) -> int:
        """Rows of a window."""

    @property
    def least_length(self) -> int:
        """Rows that a window has at least, where the model takes any length."""

    @property
    def reconstructs(self) -> bool:
        """True where it has :meth:`reconstruct`."""

    def length_for(self, data: Series) -> int:
        """Return the rows of a window of some data."""

    def scaler_for(self, data: Series, entities: Tensor, *, of: Literal["rows", "windows"]) -> Scaler:
        """Return the scaler of rows or windows of some entities of any data, ``(n,)``."""

    def take(self, windows: Windows, index: Tensor) -> tuple[Tensor, Tensor]:
        """Return scaled values and mask of some windows, on the model's device."""

    def encode(self, values: Tensor, mask: Tensor) -> Encoding:
        """Return the vectors of windows, without gradients."""

    def features(self, values: Tensor, mask: Tensor) -> Tensor:
        """Return the features that the classifier reads of windows, ``(b, F)``."""

    def reconstruct(self, values: Tensor, mask: Tensor) -> Tensor:
        """Return windows as the model would have them, scaled, ``(b, T, C)``."""

    def forecast_after(self, windows: Windows, index: Tensor, values: Tensor, mask: Tensor, horizon: int) -> Tensor:
        """Return forecasts of the rows after windows whose place is known, scaled, ``(b, H, C)``."""

    def forecast_windows(self, values: Tensor, mask: Tensor, horizon: int) -> Tensor:
        """Return forecasts of the rows after windows, scaled, ``(b, H, C)``."""

    def prepare_forecasts(self, horizon: int) -> None:
        """Make ready to forecast as many rows ahead."""

    def labelled(self, data: Series, split: str) -> tuple[Windows, Tensor]:
        """Return the windows of a split that have labels, and their codes ``(n,)``."""

    def notes(self) -> tuple[str, ...]:
        """Return what a reader of the metrics should know."""

"""The class of the nearest training window, by Euclidean distance of scaled values."""

from __future__ import annotations

from typing import ClassVar

from distaff.model.config import ModelConfig
from distaff.series.contract import SeriesConfig
from distaff.series.heads.classify import Method
from distaff_timeseries.controls.raw_ridge import RawRidge


class OneNNConfig(SeriesConfig):
    """Settings of the nearest neighbour."""

    classifier: Method = "nearest"


class OneNN(RawRidge):
    """The raw window under the head that asks the nearest training window."""

    name: ClassVar[str] = "one_nn"
    forecasts: ClassVar[bool] = False
    Config: ClassVar[type[ModelConfig]] = OneNNConfig

"""The model of series: what people call, and what a model implements.

A model subclasses :class:`SeriesModel` and implements :meth:`~SeriesModel._fit_encoder`, :meth:`~SeriesModel.encode`,
:meth:`~SeriesModel.encoder_state` and :meth:`~SeriesModel.load_encoder_state`. Everything else follows: it holds its heads
(:mod:`distaff.series.fitted_heads`), is measured by :mod:`distaff.series.measures`, and answers by
:mod:`distaff.series.answers` and :mod:`distaff.series.anomalies`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import pyarrow as pa
import torch
from torch import Tensor

from distaff.model.base import Epoch, Measurement, Model, Session
from distaff.model.config import ModelConfig
from distaff.series.anomalies import anomaly_table
from distaff.series.answers import (
    coverage_table,
    future_table,
    given_or_own,
    known_entities,
    vector_tables,
    window_classes,
)
from distaff.series.contract import SeriesConfig
from distaff.series.fitted_heads import Heads, with_prefix, without_prefix
from distaff.series.forecasting import Encoding
from distaff.series.heads.classify import draw_labels
from distaff.series.intervals import LEVELS, Intervals
from distaff.series.measures import can_validate, chance_metrics, measure_split
from distaff_data.datasets.series import Scaler, Series
from distaff_data.datasets.windows import Windows, slide, usual_room
from distaff_data.errors import UnsupportedError
from distaff_data.frames import Kind, as_kind, frame_kind, to_polars
from distaff_data.ingest.frames import series_of
from distaff_data.splits.series import with_room
from distaff_data.tables.series import load_series
from distaff_data.warehouse import Warehouse

_SEQ_LEN = 96


class SeriesModel(Model[Series]):
    """A model of windows of series, measured by frozen encodings under linear heads.

    Attributes:
        classifies: Whether it can tell classes.
        forecasts: Whether it can forecast.
        any_length: Whether it encodes windows of other lengths than those it was fitted to.
        reads_ahead: Whether its forecasts read the times and the covariates of the rows after a window.
        scaler: Fitted to the training rows; None before the fit.
        heads: Linear heads over the encoder, fitted when they are needed.
    """

    kind = "series"
    headline = ("accuracy", "mse")
    shown = ("accuracy", "macro_f1", "mse", "mae", "mase", "crps", "covered@90")
    lower_is_better = frozenset({"mse", "mae", "mase", "crps", "width"})
    classifies: ClassVar[bool] = True
    forecasts: ClassVar[bool] = True
    any_length: ClassVar[bool] = False
    reads_ahead: ClassVar[bool] = False
    Config: ClassVar[type[ModelConfig]] = SeriesConfig
    config: SeriesConfig
    _kind: Kind = "polars"  # of the frames that answers are given as

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.scaler: Scaler | None = None
        self.device = torch.device("cpu")
        self.heads = Heads()
        self._chosen: Tensor | None = None
        self._other: tuple[Series, Scaler] | None = None  # the data that were scaled last, besides the model's own

    # ------------------------------------------------------------------------------------------ what a model implements

    @abstractmethod
    def _fit_encoder(self, data: Series, session: Session) -> None:
        """Fit the encoder to the training windows of ``data``; :attr:`scaler` is fitted before."""

    @abstractmethod
    def encode(self, values: Tensor, mask: Tensor) -> Encoding:
        """Return the vectors of windows, without gradients.

        Args:
            values: Scaled, 0 where missing, float32 ``(b, T, C)``.
            mask: bool ``(b, T, C)``.
        """

    @abstractmethod
    def encoder_state(self) -> dict[str, Tensor]:
        """Return everything a fitted encoder needs, by name."""

    @abstractmethod
    def load_encoder_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back what :meth:`encoder_state` gave."""

    def features(self, values: Tensor, mask: Tensor) -> Tensor:
        """Return the features that the classifier reads of windows, ``(b, F)``; all instance vectors here."""
        return self.encode(values, mask).instances.flatten(1)

    def reconstruct(self, values: Tensor, mask: Tensor) -> Tensor:
        """Return windows as the model would have them, scaled, ``(b, T, C)``.

        Raises:
            UnsupportedError: The model has no such thing.
        """
        raise UnsupportedError(
            f"{self.name} does not reconstruct windows; it can be surprised by what follows: --by forecast"
        )

    def forecast_after(self, windows: Windows, index: Tensor, values: Tensor, mask: Tensor, horizon: int) -> Tensor:
        """Return forecasts of the rows after windows whose place is known, scaled, ``(b, H, C)``; of any windows here.

        Args:
            windows: Among which they are; their entities, and the times of their rows, may be read.
            index: Which of them, ``(b,)``.
            values: As in :meth:`forecast_windows`, as are all that follow.
            mask: Likewise.
            horizon: Likewise.
        """
        return self.forecast_windows(values, mask, horizon)

    def forecast_windows(self, values: Tensor, mask: Tensor, horizon: int) -> Tensor:
        """Return forecasts of the rows after windows, scaled, ``(b, H, C)``; by the linear head here.

        Args:
            values: Scaled, 0 where missing, float32 ``(b, T, C)``.
            mask: bool ``(b, T, C)``.
            horizon: H, which :meth:`prepare_forecasts` was called with.
        """
        return self.heads.forecast(self, values, mask, horizon)

    def prepare_forecasts(self, horizon: int) -> None:
        """Fit the head of forecasts that many rows ahead, once."""
        self.heads.fit_forecaster(self, horizon)

    def notes(self) -> tuple[str, ...]:
        """Return what a reader of the metrics should know."""
        return ()

    @property
    def reconstructs(self) -> bool:
        """True where it has :meth:`reconstruct`."""
        return type(self).reconstruct is not SeriesModel.reconstruct

    @property
    def least_length(self) -> int:
        """Rows that a window has at least, where the model takes any length."""
        return 1

    # ---------------------------------------------------------------------------------------------------- what people call

    def fit(
        self,
        series: object,
        labels: Sequence[object] | None = None,
        *,
        split: str | None = None,
        seed: int = 0,
        device: str = "auto",
        report: Callable[[Epoch], None] = lambda _: None,
    ) -> Self:
        """Fit to series, and return the model.

        Args:
            series: :class:`~distaff_data.datasets.series.Series`, whose own split is kept unless ``split`` is given;
                an array of one series ``(R, C)`` or of windows ``(n, T, C)``; or a frame, see
                :func:`distaff_data.ingest.frames.from_frame`.
            labels: Classes of the windows of an array.
            split: See :mod:`distaff_data.splits.series`; what fits the data when None.
            seed: Seed of every random draw.
            device: ``auto``, ``cpu`` or ``cuda``.
            report: Called after each epoch of a model trained by gradient.
        """
        from distaff.model.fitting import fit

        data = series_of(series, labels, split=split, seed=seed)
        fit(self, data, seed=seed, device=device, report=report)
        self._kind = frame_kind(series)
        return self

    def transform(
        self,
        series: object | None = None,
        *,
        level: str = "instance",
        step: int | None = None,
        length: int | None = None,
    ) -> Any:
        """Return vectors of windows.

        Args:
            series: New data with the same channels; the model's own when None.
            level: ``instance``, one vector a window, or ``timestamp``, one a patch.
            step: Rows between windows' starts; a window's length when None.
            length: Rows of a window; the length that the model was fitted to when None.

        Returns:
            ``level, entity, channel, start, patch, values`` in a frame, as are all answers, of the kind that ``fit`` was
            given: polars, unless that was pandas or Arrow.

        Raises:
            InputError: Another level, a step below 1, or no window.
            UnsupportedError: The model has no vectors of that level, or knows one length only.
        """
        return self._answer(pa.concat_tables(vector_tables(self, given_or_own(self, series), length, step, level)))

    def forecast(
        self,
        horizon: int | None = None,
        *,
        series: object | None = None,
        future: object | None = None,
        coverage: float = 0.9,
    ) -> Any:
        """Return forecasts of the rows after the last ones of each entity, in the channels' own units.

        Args:
            horizon: Rows ahead; the longest of ``horizons`` when None.
            series: New histories with the same channels; the model's own series when None.
            future: Frame of the covariates that are known ahead, with the entity where there are several and the time;
                None where there are none, or the series have rows of them after the last measured ones.
            coverage: Of the intervals; see :mod:`distaff.series.intervals`.

        Returns:
            ``entity, channel, step, time, value, low, high``.
        """
        return self._answer(future_table(self, self.heads, given_or_own(self, series), horizon, coverage, future))

    def predict(self, series: object | None = None, *, length: int | None = None) -> Any:
        """Return the classes of windows.

        Args:
            series: New windows with the same channels; the model's own data when None.
            length: Rows of a window; the length that the model was fitted to when None.

        Returns:
            ``entity, split, label, predicted, probability``.

        Raises:
            UnsupportedError: The model was fitted to data without labels, or knows one length only.
        """
        return self._answer(window_classes(self, self.heads, given_or_own(self, series), length))

    def anomalies(self, series: object | None = None, *, by: str | None = None) -> Any:
        """Return the score of each row, or of each window where an entity is one; see :mod:`distaff.series.anomalies`.

        Args:
            series: New data with the same channels; the model's own when None.
            by: ``reconstruction``, how far rows are from what the model makes of their windows; ``forecast``, from what
                it expects after the rows before; ``level``, from where the series usually is; ``stillness``, how little it
                moves. When None the largest of error, level and stillness, the error by what the model can,
                reconstruction first.

        Returns:
            ``entity, time, score, p_value``.

        Raises:
            InputError: No row can be scored, or there are no validation rows to compare with.
            UnsupportedError: The model cannot do what ``by`` asks for.
        """
        return self._answer(anomaly_table(self, given_or_own(self, series), by))

    def coverage(self, horizon: int | None = None, *, levels: Sequence[float] = LEVELS) -> Any:
        """Return how the intervals held on test windows, each as it was known at the time.

        Args:
            horizon: Rows ahead; the longest of ``horizons`` when None.
            levels: Coverages of the intervals.

        Returns:
            ``entity, channel, coverage, held, width, n``: of n values within the horizon, the share ``held`` lay inside
            intervals of mean ``width``.
        """
        return self._answer(coverage_table(self, self.heads, horizon, levels))

    def intervals(self, horizon: int) -> Intervals:
        """Return the intervals of forecasts that many rows ahead, calibrated once."""
        return self.heads.intervals(self, horizon)

    # ---------------------------------------------------------------------------------------------- how series are handled

    @property
    def length(self) -> int:
        """Rows of a window."""
        return self.length_for(self.data)

    def length_for(self, data: Series) -> int:
        """Return the rows of a window of some data: as set, or 96, or as many as leave room for the longest horizon."""
        if self.config.seq_len is not None:
            return self.config.seq_len
        if data.whole:
            return int(data.lengths.max())
        return _SEQ_LEN if data.classes else min(_SEQ_LEN, usual_room(data, max(self.config.horizons)))

    def take(self, windows: Windows, index: Tensor) -> tuple[Tensor, Tensor]:
        """Return scaled values and mask of some windows, on the model's device."""
        values, mask = windows.take(index)
        scaler = self.scaler_for(windows.data, windows.entities[index], of="windows")
        return scaler.to(values.device).apply(values, mask), mask

    def scaler_for(self, data: Series, entities: Tensor, *, of: Literal["rows", "windows"]) -> Scaler:
        """Return the scaler of rows or windows of some entities of any data, ``(n,)``.

        A panel's entities have scalers of their own; one that the model does not know is scaled by all of its rows.
        """
        assert self.scaler is not None
        scaler = self.scaler
        if scaler.of_each and data is not self._data:
            if self._other is None or self._other[0] is not data:
                known = known_entities(self.data, data)
                own, place, strange = (
                    Scaler.by_entity(data, torch.ones(len(data.values), dtype=torch.bool)),
                    known.clamp(min=0),
                    known < 0,
                )
                self._other = (
                    data,
                    Scaler(
                        torch.where(strange.unsqueeze(1), own.mean, scaler.mean[place]),
                        torch.where(strange.unsqueeze(1), own.std, scaler.std[place]),
                    ),
                )
            scaler = self._other[1]
        return scaler.of_rows(entities) if of == "rows" else scaler.of_windows(entities)

    def labelled(self, data: Series, split: str) -> tuple[Windows, Tensor]:
        """Return the windows of a split that have labels, and their codes ``(n,)``; in training, those that count."""
        windows = slide(data, self.length_for(data), split=split, device=self.device)
        kept = data.labels[windows.entities] >= 0
        if split == "train" and self._chosen is not None:
            kept &= self._chosen[windows.entities]
        windows = windows.where(kept)
        return windows, data.labels[windows.entities]

    def forget_heads(self) -> None:
        """Fit heads anew when they are needed next, because the encoder has changed."""
        self.heads = Heads()

    def _answer(self, table: pa.Table) -> Any:
        """Return a table as the kind of frame that the model was fitted to."""
        return as_kind(to_polars(table), self._kind)

    # ------------------------------------------------------------------------------------ what every kind of model has

    def _fit(self, data: Series, session: Session) -> None:
        """Fit the scaler to the training rows, and the encoder to the training windows."""
        self.scaler, self.device = Scaler.fitting(data), session.device
        self.bind(data)
        self.forget_heads()
        share = self.config.label_share
        self._chosen = draw_labels(data, share, session.seed) if share < 1 else None
        self._fit_encoder(data, session)

    def state(self) -> dict[str, Tensor]:
        """Return the tensors of the scaler, the encoder, and the heads that were fitted."""
        assert self.scaler is not None
        tensors = {"scaler.mean": self.scaler.mean, "scaler.std": self.scaler.std}
        tensors |= with_prefix("encoder.", self.encoder_state()) | self.heads.state()
        return tensors if self._chosen is None else tensors | {"labelled": self._chosen}

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back what :meth:`state` gave."""
        # A file's tensors lie anywhere in memory, on which the last bit of a product depends: each gets memory of its own.
        tensors = {name: tensor.clone() for name, tensor in tensors.items()}
        self.scaler = Scaler(tensors["scaler.mean"], tensors["scaler.std"])
        self.heads.load_state(tensors)
        self._chosen = tensors.get("labelled")
        self.load_encoder_state(without_prefix("encoder.", tensors))

    def arranged(self, data: Series) -> Series:
        """Return the series with room for the longest horizon among the validation rows."""
        return with_room(data, max(self.config.horizons))

    def validator(self, data: Series) -> Callable[[], Mapping[str, float]] | None:
        """Return a function that measures the validation windows, heads included; None where there is nothing to measure.

        Raises:
            InputError: The model cannot be fitted to ``data``.
        """
        if not can_validate(self, data):
            return None

        def validate() -> Mapping[str, float]:
            measurement = measure_split(self, self.heads, "valid")
            return {} if measurement is None else measurement.metrics

        return validate

    def measure(self) -> list[Measurement]:
        """Return classification metrics where the dataset has labels, else those of forecasts; valid and test windows."""
        measured = (measure_split(self, self.heads, split) for split in ("valid", "test"))
        return [measurement for measurement in measured if measurement is not None]

    @classmethod
    def chance(cls, data: Series, split: str) -> dict[str, float]:
        """Return the metrics of the commonest training class, or of the training mean."""
        return chance_metrics(data, split)

    @classmethod
    def read(cls, warehouse: Warehouse, dataset: str) -> Series:
        """Load a dataset of series."""
        return load_series(warehouse, dataset)

    def write_data(self, folder: Path) -> tuple[str, ...]:
        """Write the series, and return the files' names."""
        return self.data.write(folder)

    def read_data(self, folder: Path, name: str, generation: str) -> Series:
        """Return the series that :meth:`write_data` wrote."""
        return Series.read(folder, name, generation)

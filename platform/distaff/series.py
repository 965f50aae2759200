"""What a model of series is: the contract that models implement and the estimator that people use.

A model subclasses :class:`SeriesModel` and implements four methods: :meth:`~SeriesModel.learn_encoder`,
:meth:`~SeriesModel.encode`, :meth:`~SeriesModel.parts` and :meth:`~SeriesModel.put_parts`. Scaling, windows, heads and
measures are the same for all, so that models differ by nothing but their encodings. One that only forecasts overrides
:meth:`~SeriesModel.predict` instead of encoding.

A dataset with labels is measured by classification, one without by forecasting, always with the encoder frozen.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

import pyarrow as pa
import torch
from pydantic import BeforeValidator, Field
from torch import Tensor

from distaff import forecasting
from distaff.classification import Classifier, fit_classifier, restored, score_classes
from distaff.config import ModelConfig
from distaff.forecasting import Encoding, Head, blocks, conformal_radius, fit_head
from distaff.model import Epoch, Measurement, Model, Session
from distaff.series_results import class_table, forecast_table, vector_table, window_ids
from distaff_data.errors import InputError, UnsupportedError
from distaff_data.frames import series_of
from distaff_data.interactions import SPLITS
from distaff_data.series import Scaler, Series
from distaff_data.series_tables import load_series
from distaff_data.warehouse import Warehouse
from distaff_data.windows import Windows, latest, slide

__all__ = ["Encoding", "SeriesConfig", "SeriesModel"]

_SEQ_LEN = 96


def _numbers(value: object) -> object:
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


class SeriesConfig(ModelConfig):
    """Settings of every model of series.

    Attributes:
        seq_len: Rows of a window; when None 96, or the longest entity where each entity is one window.
        horizons: Rows ahead at which forecasts are measured.
    """

    seq_len: Annotated[int | None, Field(ge=1)] = None
    horizons: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1), BeforeValidator(_numbers)] = (24,)


class SeriesModel(Model[Series]):
    """A model of windows of series, measured by frozen encodings under linear heads."""

    kind = "series"
    headline = ("accuracy", "mse")
    shown = ("accuracy", "macro_f1", "mse", "mae")
    lower_is_better = frozenset({"mse", "mae"})
    classifies: ClassVar[bool] = True
    Config: ClassVar[type[ModelConfig]] = SeriesConfig
    config: SeriesConfig

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.scaler: Scaler | None = None
        self.device = torch.device("cpu")
        self._head: Head | None = None
        self._classifier: Classifier | None = None
        self._radii: dict[tuple[int, float], Tensor] = {}

    # ------------------------------------------------------------------------------------------ what a model implements

    @abstractmethod
    def learn_encoder(self, data: Series, session: Session) -> None:
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

    def predict(self, values: Tensor, mask: Tensor, horizon: int) -> Tensor:
        """Forecast the rows after windows, scaled, ``(b, H, C)``; by the ridge head here.

        Args:
            values: Scaled, 0 where missing, float32 ``(b, T, C)``.
            mask: bool ``(b, T, C)``.
            horizon: H, at most what :meth:`prepare_forecasts` was called with.
        """
        head = self._head
        assert head is not None
        encoding = self.encode(values, mask)
        outputs = encoding.rows() @ head.weights.to(values.device)
        return encoding.futures(outputs, head.n_steps)[:, :horizon]

    def prepare_forecasts(self, horizon: int) -> None:
        """Fit the head, once for the longest horizon asked for."""
        if self._head is None or self._head.n_steps < horizon:
            horizons = (*self.config.horizons, horizon)
            self._radii = {}
            self._head = fit_head(self.data, self.length, horizons, self.encode, self.take, self.device)

    def radius(self, horizon: int, coverage: float) -> Tensor:
        """Half widths of the intervals, ``(H, C)``; see :func:`distaff.forecasting.conformal_radius`. Computed once."""
        self.prepare_forecasts(horizon)
        if (horizon, coverage) not in self._radii:
            found = conformal_radius(self.data, self.length, horizon, coverage, self.predict, self.take, self.device)
            self._radii[horizon, coverage] = found
        return self._radii[horizon, coverage]

    # ---------------------------------------------------------------------------------------------- how series are handled

    @property
    def length(self) -> int:
        """Rows of a window."""
        return self.length_for(self.data)

    def length_for(self, data: Series) -> int:
        """Rows of a window of some data."""
        return self.config.seq_len or (int(data.lengths.max()) if data.whole else _SEQ_LEN)

    def take(self, windows: Windows, index: Tensor) -> tuple[Tensor, Tensor]:
        """Scaled values and mask of some windows, on the model's device."""
        assert self.scaler is not None
        values, mask = windows.take(index)
        return self.scaler.to(values.device).apply(values, mask), mask

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

    def validator(self, data: Series) -> Callable[[], Mapping[str, float]] | None:
        """The measures of the validation windows, heads included; None where there is nothing to measure."""
        if data.classes and not self.classifies:
            raise InputError(f"{self.name} forecasts; it cannot tell the classes of dataset {data.name!r}")
        if not len(slide(data, self.length_for(data), split="train")):
            raise InputError(
                f"dataset {data.name!r} has no training window of {self.length_for(data)} rows; set seq_len lower"
            )
        horizon = 0 if data.classes else max(self.config.horizons)
        windows = slide(data, self.length_for(data), horizon=horizon, split="valid")
        if not len(windows) or (data.whole and not data.classes):
            return None

        def validate() -> Mapping[str, float]:
            found = self._measured("valid")
            return {} if found is None else found.metrics

        return validate

    def learn(self, data: Series, session: Session) -> None:
        """Fit the scaler to the training rows, and the encoder to the training windows."""
        self.scaler, self.device = Scaler.of(data), session.device
        self._head, self._classifier, self._radii = None, None, {}
        self.learn_encoder(data, session)

    def measure(self) -> list[Measurement]:
        """Classification where the dataset has labels, otherwise forecasting; on validation and test windows."""
        return [found for split in ("valid", "test") if (found := self._measured(split)) is not None]

    def notes(self) -> tuple[str, ...]:
        """What a reader of the metrics should know."""
        return ()

    def tensors(self) -> dict[str, Tensor]:
        """Scaler, encoder, and the heads that were fitted."""
        assert self.scaler is not None
        found = {"scaler.mean": self.scaler.mean, "scaler.std": self.scaler.std}
        found |= {f"encoder.{name}": tensor for name, tensor in self.parts().items()}
        if self._head is not None:
            found |= {"head.weights": self._head.weights, "head.steps": torch.tensor(self._head.n_steps)}
        if self._classifier is not None:
            found |= {f"classifier.{name}": tensor for name, tensor in self._classifier.tensors().items()}
        return found

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take them back."""
        self.scaler = Scaler(tensors["scaler.mean"], tensors["scaler.std"])
        if "head.steps" in tensors:
            self._head = Head(tensors["head.weights"], int(tensors["head.steps"]))
        if classifier := _under(tensors, "classifier."):
            self._classifier = restored(classifier)
        self.put_parts(_under(tensors, "encoder."))

    def write_data(self, folder: Path) -> tuple[str, ...]:
        """Write the series."""
        return self.data.write(folder)

    def read_data(self, folder: Path, name: str, generation: str) -> Series:
        """Read them back."""
        return Series.read(folder, name, generation)

    # ---------------------------------------------------------------------------------------------- what people call

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
        """Fit to series.

        Args:
            series: :class:`~distaff_data.series.Series`, whose own split is kept unless ``split`` is given; an array of one
                series ``(R, C)`` or of windows ``(n, T, C)``; or a frame, see :func:`distaff_data.frames.from_frame`.
            labels: Classes of the windows of an array.
            split: See :mod:`distaff_data.series_splits`; what fits the data when None.
            seed: Seed of every random draw.
            device: ``auto``, ``cpu`` or ``cuda``.
            report: Called after each epoch of a model trained by gradient.
        """
        from distaff.fitting import fit

        fit(self, series_of(series, labels, split=split, seed=seed), seed=seed, device=device, report=report)
        return self

    def embed(self, series: object | None = None, *, level: str = "instance", step: int | None = None) -> pa.Table:
        """Vectors of windows.

        Args:
            series: New data with the same channels; the model's own when None.
            level: ``instance``, one vector a window, or ``timestamp``, one a patch.
            step: Rows between windows' starts; a window's length when None.

        Returns:
            Arrow table ``level, entity, channel, start, patch, values``.

        Raises:
            UnsupportedError: The model has no vectors of that level.
        """
        return pa.concat_tables(self.embed_blocks(series, level=level, step=step))

    transform = embed

    def embed_blocks(
        self, series: object | None = None, *, level: str = "instance", step: int | None = None
    ) -> Iterator[pa.Table]:
        """The tables that :meth:`embed` gives as one, some windows at a time: together they may not fit into memory."""
        if level not in ("instance", "timestamp"):
            raise InputError("the level is instance or timestamp", column="level", value=level)
        if step is not None and step < 1:
            raise InputError("windows begin 1 row apart or more", column="step", value=step)
        data = self._own(series)
        windows = slide(data, self.length, step=step or self.length, device=self.device)
        if not len(windows):
            raise InputError(f"no entity has a window of {self.length} rows")
        for block in blocks(windows):
            yield self._vectors(data, windows, block, level)

    def forecast(self, series: object | None = None, *, horizon: int | None = None, coverage: float = 0.9) -> pa.Table:
        """Forecast the rows after the last ones of each entity, in the channels' own units.

        Args:
            series: New histories with the same channels; the model's own series when None.
            horizon: Rows ahead; the longest of ``horizons`` when None.
            coverage: Of the intervals; see :func:`distaff.forecasting.conformal_radius`.

        Returns:
            Arrow table ``entity, channel, step, time, value, low, high``.
        """
        steps = max(self.config.horizons) if horizon is None else horizon
        if steps < 1:
            raise InputError("the horizon is 1 or more", column="horizon", value=steps)
        data, scaler = self._own(series), self.scaler
        assert scaler is not None
        if self.data.whole:
            raise UnsupportedError("each entity of this dataset is one window; there is nothing after it to forecast")
        radius = self.radius(steps, coverage)
        windows = latest(data, self.length, self.device)
        if not len(windows):
            raise InputError(f"no entity has the {self.length} rows that {self.name} looks back on")
        parts = []
        for block in blocks(windows):
            values, mask = self.take(windows, block)
            parts.append(self.predict(values, mask, steps).cpu())
        scaled = torch.cat(parts)
        values, low, high = map(scaler.invert, (scaled, scaled - radius, scaled + radius))
        return forecast_table(data, windows, values, low, high)

    def classify(self, series: object | None = None) -> pa.Table:
        """Classes of windows.

        Args:
            series: New windows with the same channels; the model's own data when None.

        Returns:
            Arrow table ``entity, split, label, predicted, probability``.

        Raises:
            UnsupportedError: The model was fitted to data without labels.
        """
        data = self._own(series)
        windows = slide(data, self.length, device=self.device)
        best, codes = self._probabilities(windows).max(1)
        return class_table(data, windows, self.data.classes, codes, best)

    # ---------------------------------------------------------------------------------------------------------- inside

    def _vectors(self, data: Series, windows: Windows, block: Tensor, level: str) -> pa.Table:
        encoding = self.encode(*self.take(windows, block))
        vectors = encoding.instances.unsqueeze(2) if level == "instance" else encoding.timestamps
        if vectors is None:
            raise UnsupportedError(f"{self.name} has no vectors of time stamps; ask for level instance")
        return vector_table(data, windows.where(block), vectors.float().cpu(), level)

    def _own(self, series: object | None) -> Series:
        """New data as series; refuses other channels than the model's."""
        if series is None:
            return self.data
        data = series if isinstance(series, Series) else series_of(series, None, split=None, seed=0)
        if len(data.channels) != len(self.data.channels):
            raise InputError(f"the model knows {len(self.data.channels)} channels, and there are {len(data.channels)}")
        return data

    def _features(self, windows: Windows) -> Tensor:
        found = [self.encode(*self.take(windows, block)).instances.flatten(1).cpu() for block in blocks(windows)]
        return torch.cat(found)

    def _labelled(self, split: str) -> tuple[Windows, Tensor]:
        windows = slide(self.data, self.length, split=split, device=self.device)
        windows = windows.where(self.data.labels[windows.entities] >= 0)
        return windows, self.data.labels[windows.entities]

    def _probabilities(self, windows: Windows) -> Tensor:
        if not self.data.classes:
            raise UnsupportedError(
                f"dataset {self.data.name!r} has no labels to learn classes from; ingest it with --label COLUMN"
            )
        if self._classifier is None:
            parts = [self._labelled(split) for split in ("train", "valid")]
            train, valid = ((self._features(w) if len(w) else torch.zeros(0, 1), codes) for w, codes in parts)
            self._classifier = fit_classifier(train, valid, len(self.data.classes))
        return self._classifier.probabilities(self._features(windows))

    def _measured(self, split: str) -> Measurement | None:
        if self.data.classes:
            return self._measure_classes(split)
        return None if self.data.whole else self._measure_forecasts(split)

    def _measure_classes(self, split: str) -> Measurement | None:
        windows, codes = self._labelled(split)
        if not len(windows):
            return None
        predicted = self._probabilities(windows).argmax(1)
        right = {"accuracy": (predicted == codes).float()}
        return Measurement(split, score_classes(codes, predicted), window_ids(self.data, windows), right, self.notes())

    def _measure_forecasts(self, split: str) -> Measurement | None:
        self.prepare_forecasts(max(self.config.horizons))
        errors = forecasting.measure(
            self.data, split, self.length, self.config.horizons, self.predict, self.take, self.device
        )
        if errors is None:
            return None
        ids, per_window = window_ids(self.data, errors.windows), {"mse": errors.per_window["mse"]}
        return Measurement(split, errors.metrics, ids, per_window, self.notes())


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}

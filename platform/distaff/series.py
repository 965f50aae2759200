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
from pydantic import Field
from torch import Tensor

from distaff import forecasting
from distaff.anomalies import row_scores, surprising
from distaff.classification import Classifier, Method, draw_labels, fit_classifier, restored, score_classes
from distaff.config import Listed, ModelConfig
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


class SeriesConfig(ModelConfig):
    """Settings of every model of series.

    Attributes:
        seq_len: Rows of a window; when None 96, or the longest entity where each entity is one window.
        horizons: Rows ahead at which forecasts are measured.
        classifier: The linear head of classes; see :mod:`distaff.classification`.
        label_share: Part of the labelled training windows' entities, of each class in proportion, whose labels are used.
    """

    seq_len: Annotated[int | None, Field(ge=1)] = None
    horizons: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1), Listed] = (24,)
    classifier: Method = "logistic"
    label_share: Annotated[float, Field(gt=0, le=1)] = 1.0


class SeriesModel(Model[Series]):
    """A model of windows of series, measured by frozen encodings under linear heads.

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
        self._head: Head | None = None
        self._classifier: Classifier | None = None
        self._chosen: Tensor | None = None
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

    def validator(self, data: Series) -> Callable[[], Mapping[str, float]] | None:
        """The measures of the validation windows, heads included; None where there is nothing to measure."""
        if data.classes and not self.classifies:
            raise InputError(f"{self.name} forecasts; it cannot tell the classes of dataset {data.name!r}")
        if not data.classes and not self.forecasts:
            raise InputError(f"{self.name} tells classes, and dataset {data.name!r} has none")
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
        self.forget_heads()
        share = self.config.label_share
        self._chosen = draw_labels(data, share, session.seed) if share < 1 else None
        self.learn_encoder(data, session)

    def forget_heads(self) -> None:
        """Fit heads anew when they are needed next, because the encoder has changed."""
        self._head, self._classifier, self._radii = None, None, {}

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
        if self._chosen is not None:
            found["labelled"] = self._chosen
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
        self._chosen = tensors.get("labelled")
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

    def embed(
        self,
        series: object | None = None,
        *,
        level: str = "instance",
        step: int | None = None,
        length: int | None = None,
    ) -> pa.Table:
        """Vectors of windows.

        Args:
            series: New data with the same channels; the model's own when None.
            level: ``instance``, one vector a window, or ``timestamp``, one a patch.
            step: Rows between windows' starts; a window's length when None.
            length: Rows of a window; the length that the model was fitted to when None.

        Returns:
            Arrow table ``level, entity, channel, start, patch, values``.

        Raises:
            UnsupportedError: The model has no vectors of that level, or knows one length only.
        """
        return pa.concat_tables(self.embed_blocks(series, level=level, step=step, length=length))

    transform = embed

    def embed_blocks(
        self,
        series: object | None = None,
        *,
        level: str = "instance",
        step: int | None = None,
        length: int | None = None,
    ) -> Iterator[pa.Table]:
        """The tables that :meth:`embed` gives as one, some windows at a time: together they may not fit into memory."""
        if level not in ("instance", "timestamp"):
            raise InputError("the level is instance or timestamp", column="level", value=level)
        if step is not None and step < 1:
            raise InputError("windows begin 1 row apart or more", column="step", value=step)
        data = self._own(series)
        rows = self._rows(length)
        windows = slide(data, rows, step=step or rows, device=self.device)
        if not len(windows):
            raise InputError(f"no entity has a window of {rows} rows")
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

    def classify(self, series: object | None = None, *, length: int | None = None) -> pa.Table:
        """Classes of windows.

        Args:
            series: New windows with the same channels; the model's own data when None.
            length: Rows of a window; the length that the model was fitted to when None.

        Returns:
            Arrow table ``entity, split, label, predicted, probability``.

        Raises:
            UnsupportedError: The model was fitted to data without labels, or knows one length only.
        """
        data = self._own(series)
        windows = slide(data, self._rows(length), device=self.device)
        best, codes = self._probabilities(windows).max(1)
        return class_table(data, windows, self.data.classes, codes, best)

    def anomalies(self, series: object | None = None, *, by: str | None = None) -> pa.Table:
        """How surprising each row is, or each window where an entity is one; see :mod:`distaff.anomalies`.

        Args:
            series: New data with the same channels; the model's own when None.
            by: ``reconstruction``, how far rows are from what the model makes of their windows, or ``forecast``, from what
                it expects after the rows before; what the model can when None, reconstruction first.

        Returns:
            Arrow table ``entity, time, score, p_value``.

        Raises:
            InputError: No row can be scored, or there are no validation rows to compare with.
            UnsupportedError: The model cannot do what ``by`` asks for.
        """
        if by not in (None, "reconstruction", "forecast"):
            raise InputError("scores are by reconstruction or by forecast", column="by", value=by)
        if by is None:
            by = "forecast" if type(self).reconstruct is SeriesModel.reconstruct else "reconstruction"
        if by == "forecast" and self.data.whole:
            raise UnsupportedError("each entity of this dataset is one window; there is nothing after it to expect")
        if by == "forecast":
            self.prepare_forecasts(1)
        own, data = (row_scores(self, given, by) for given in (self.data, self._own(series)))
        return surprising(data, own)

    # ---------------------------------------------------------------------------------------------------------- inside

    def _rows(self, length: int | None) -> int:
        """Rows of a window, where people may ask for another length."""
        if length is None or length == self.length:
            return self.length
        if not self.any_length:
            raise UnsupportedError(f"this {self.name} knows windows of {self.length} rows, and none of {length}")
        if length < self.least_length:
            raise InputError(f"a window has at least {self.least_length} rows", column="length", value=length)
        return length

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
        return torch.cat([self.features(*self.take(windows, block)).cpu() for block in blocks(windows)])

    def _probabilities(self, windows: Windows) -> Tensor:
        if not self.data.classes:
            raise UnsupportedError(
                f"dataset {self.data.name!r} has no labels to learn classes from; ingest it with --label COLUMN"
            )
        if self._classifier is None:
            parts = [self.labelled(self.data, split) for split in ("train", "valid")]
            train, valid = ((self._features(w) if len(w) else torch.zeros(0, 1), codes) for w, codes in parts)
            self._classifier = fit_classifier(train, valid, len(self.data.classes), self.config.classifier)
        return self._classifier.probabilities(self._features(windows))

    def _measured(self, split: str) -> Measurement | None:
        if self.data.classes:
            return self._measure_classes(split)
        return None if self.data.whole else self._measure_forecasts(split)

    def _measure_classes(self, split: str) -> Measurement | None:
        windows, codes = self.labelled(self.data, split)
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

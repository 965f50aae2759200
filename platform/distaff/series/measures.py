"""How models of series are measured: frozen encodings under heads that are the same for all.

A dataset with labels is measured by classification, one without by forecasting. Models differ by nothing but their
encodings; one that only forecasts overrides :meth:`~MeasuredSeries.predict` instead of encoding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from distaff.model.base import Measurement, Session
from distaff.series import forecasting
from distaff.series.contract import SeriesContract
from distaff.series.forecasting import Head, conformal_radius
from distaff.series.heads.classify import Classifier, draw_labels, fit_classifier, restored, score_classes
from distaff.series.heads.forecast import descend_head, fit_head
from distaff.series.tables import window_ids
from distaff_data.datasets.series import Scaler, Series
from distaff_data.datasets.windows import Windows, slide
from distaff_data.errors import InputError, UnsupportedError


class MeasuredSeries(SeriesContract):
    """Heads over an encoder: fitted when they are needed, saved with it, and measured on validation and test windows."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._head: Head | None = None
        self._classifier: Classifier | None = None
        self._radii: dict[tuple[int, float], Tensor] = {}

    def predict(self, values: Tensor, mask: Tensor, horizon: int) -> Tensor:
        """Forecast the rows after windows, scaled, ``(b, H, C)``; by the linear head here.

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
            parts = (self.data, self.length, horizons, self.encode, self.take, self.device)
            by_descent = self.config.forecaster == "sgd"
            self._head = descend_head(*parts, self.config.descent) if by_descent else fit_head(*parts)

    def radius(self, horizon: int, coverage: float) -> Tensor:
        """Return half widths of the intervals, ``(H, C)``, computed once; see :func:`.forecasting.conformal_radius`."""
        self.prepare_forecasts(horizon)
        if (horizon, coverage) not in self._radii:
            found = conformal_radius(self.data, self.length, horizon, coverage, self.predict, self.take, self.device)
            self._radii[horizon, coverage] = found
        return self._radii[horizon, coverage]

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

    def _fit(self, data: Series, session: Session) -> None:
        """Fit the scaler to the training rows, and the encoder to the training windows."""
        self.scaler, self.device = Scaler.of(data), session.device
        self.forget_heads()
        share = self.config.label_share
        self._chosen = draw_labels(data, share, session.seed) if share < 1 else None
        self._fit_encoder(data, session)

    def forget_heads(self) -> None:
        """Fit heads anew when they are needed next, because the encoder has changed."""
        self._head, self._classifier, self._radii = None, None, {}

    def measure(self) -> list[Measurement]:
        """Classification where the dataset has labels, otherwise forecasting; on validation and test windows."""
        return [found for split in ("valid", "test") if (found := self._measured(split)) is not None]

    def state(self) -> dict[str, Tensor]:
        """Scaler, encoder, and the heads that were fitted."""
        assert self.scaler is not None
        found = {"scaler.mean": self.scaler.mean, "scaler.std": self.scaler.std}
        found |= {f"encoder.{name}": tensor for name, tensor in self.parts().items()}
        if self._head is not None:
            found |= {"head.weights": self._head.weights, "head.steps": torch.tensor(self._head.n_steps)}
        if self._chosen is not None:
            found["labelled"] = self._chosen
        if self._classifier is not None:
            found |= {f"classifier.{name}": tensor for name, tensor in self._classifier.state().items()}
        return found

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Take them back."""
        self.scaler = Scaler(tensors["scaler.mean"], tensors["scaler.std"])
        if "head.steps" in tensors:
            self._head = Head(tensors["head.weights"], int(tensors["head.steps"]))
        if classifier := _under(tensors, "classifier."):
            self._classifier = restored(classifier)
        self._chosen = tensors.get("labelled")
        self.put_parts(_under(tensors, "encoder."))

    def _probabilities(self, windows: Windows) -> Tensor:
        if not self.data.classes:
            raise UnsupportedError(
                f"dataset {self.data.name!r} has no labels to learn classes from; ingest it with --label COLUMN"
            )
        if self._classifier is None:
            parts = [self.labelled(self.data, split) for split in ("train", "valid")]
            train, valid = ((self._features(w) if len(w) else torch.zeros(0, 1), codes) for w, codes in parts)
            self._classifier = fit_classifier(
                train, valid, len(self.data.classes), self.config.classifier, self.config.descent
            )
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

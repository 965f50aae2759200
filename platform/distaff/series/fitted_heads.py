"""The heads over one encoder: fitted when they are needed first, and saved beside it."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from distaff.series.blocks import blocks
from distaff.series.contract import WindowModel
from distaff.series.forecasting import Head, conformal_radius
from distaff.series.heads.classify import Classifier, fit_classifier, restored
from distaff.series.heads.forecast import fit_head, fit_head_by_sgd
from distaff_data.datasets.windows import Windows
from distaff_data.errors import UnsupportedError


class Heads:
    """A head of forecasts with the widths of its intervals, and a classifier; a model of series holds one.

    Attributes:
        forecaster: Linear, for the longest horizon asked for so far; None until a forecast was asked for.
        classifier: None until classes were asked for.
    """

    def __init__(self) -> None:
        self.forecaster: Head | None = None
        self.classifier: Classifier | None = None
        self._radii: dict[tuple[int, float], Tensor] = {}

    def fit_forecaster(self, model: WindowModel, horizon: int) -> None:
        """Fit the head of forecasts, once for the longest horizon asked for."""
        if self.forecaster is not None and self.forecaster.n_steps >= horizon:
            return
        self._radii = {}
        arguments = (
            model.data,
            model.length,
            (*model.config.horizons, horizon),
            model.encode,
            model.take,
            model.device,
        )
        if model.config.forecaster == "sgd":
            self.forecaster = fit_head_by_sgd(*arguments, model.config.sgd)
        else:
            self.forecaster = fit_head(*arguments)

    def forecast(self, model: WindowModel, values: Tensor, mask: Tensor, horizon: int) -> Tensor:
        """Return forecasts of the rows after windows, scaled, ``(b, H, C)``."""
        head = self.forecaster
        assert head is not None
        encoding = model.encode(values, mask)
        outputs = encoding.rows() @ head.weights.to(values.device)
        return encoding.futures(outputs, head.n_steps)[:, :horizon]

    def radius(self, model: WindowModel, horizon: int, coverage: float) -> Tensor:
        """Return half widths of the intervals, ``(H, C)``, computed once; see :func:`.forecasting.conformal_radius`."""
        model.prepare_forecasts(horizon)
        if (horizon, coverage) not in self._radii:
            self._radii[horizon, coverage] = conformal_radius(
                model.data, model.length, horizon, coverage, model.predict, model.take, model.device
            )
        return self._radii[horizon, coverage]

    def probabilities(self, model: WindowModel, windows: Windows) -> Tensor:
        """Return the probability of each class for some windows, ``(n, K)``.

        Raises:
            UnsupportedError: The model's data has no labels.
        """
        data = model.data
        if not data.classes:
            raise UnsupportedError(
                f"dataset {data.name!r} has no labels to learn classes from; ingest it with --label COLUMN"
            )
        if self.classifier is None:
            train, valid = (_labelled_features(model, split) for split in ("train", "valid"))
            config = model.config
            self.classifier = fit_classifier(train, valid, len(data.classes), config.classifier, config.sgd)
        return self.classifier.probabilities(_features(model, windows))

    def state(self) -> dict[str, Tensor]:
        """Return the tensors of the heads that were fitted, by name."""
        tensors: dict[str, Tensor] = {}
        if self.forecaster is not None:
            tensors |= {"head.weights": self.forecaster.weights, "head.steps": torch.tensor(self.forecaster.n_steps)}
        if self.classifier is not None:
            tensors |= with_prefix("classifier.", self.classifier.state())
        return tensors

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back what :meth:`state` gave, which may stand among other tensors."""
        if "head.steps" in tensors:
            self.forecaster = Head(tensors["head.weights"], int(tensors["head.steps"]))
        if classifier := without_prefix("classifier.", tensors):
            self.classifier = restored(classifier)


def with_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors under names that begin with ``prefix``."""
    return {prefix + name: tensor for name, tensor in tensors.items()}


def without_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors whose names begin with ``prefix``, without it."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _labelled_features(model: WindowModel, split: str) -> tuple[Tensor, Tensor]:
    windows, codes = model.labelled(model.data, split)
    return (_features(model, windows) if len(windows) else torch.zeros(0, 1)), codes


def _features(model: WindowModel, windows: Windows) -> Tensor:
    return torch.cat([model.features(*model.take(windows, block)).cpu() for block in blocks(windows)])

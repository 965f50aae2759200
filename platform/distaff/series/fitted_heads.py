"""The heads over one encoder: fitted when they are needed first, and saved beside it."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from distaff.series.blocks import blocks
from distaff.series.contract import WindowModel
from distaff.series.forecasting import Head
from distaff.series.heads.classify import Classifier, fit_classifier, restored
from distaff.series.heads.forecast import fit_head, fit_head_by_sgd
from distaff.series.intervals import Intervals, calibrate
from distaff_data.datasets.windows import Windows
from distaff_data.errors import UnsupportedError


class Heads:
    """A head of forecasts with the widths of its intervals, and a classifier; a model of series holds one.

    Attributes:
        forecasters: Linear heads by their longest horizon: one for all horizons that the model is measured at, and one for
            each longer horizon that was asked for, so that an answer does not depend on what was asked before.
        classifier: None until classes were asked for.
    """

    def __init__(self) -> None:
        self.forecasters: dict[int, Head] = {}
        self.classifier: Classifier | None = None
        self._intervals: dict[int, Intervals] = {}

    def fit_forecaster(self, model: WindowModel, horizon: int) -> None:
        """Fit the head of forecasts that many rows ahead, once."""
        steps = max(*model.config.horizons, horizon)
        if steps in self.forecasters:
            return
        arguments = (
            model.data,
            model.length,
            (*model.config.horizons, steps),
            model.encode,
            model.take,
            model.device,
        )
        if model.config.forecaster == "sgd":
            self.forecasters[steps] = fit_head_by_sgd(*arguments, model.config.sgd)
        else:
            self.forecasters[steps] = fit_head(*arguments)

    def forecast(self, model: WindowModel, values: Tensor, mask: Tensor, horizon: int) -> Tensor:
        """Return forecasts of the rows after windows, scaled, ``(b, H, C)``."""
        head = self.forecasters[max(*model.config.horizons, horizon)]
        encoding = model.encode(values, mask)
        outputs = encoding.rows() @ head.weights.to(values.device)
        return encoding.futures(outputs, head.n_steps)[:, :horizon]

    def intervals(self, model: WindowModel, horizon: int) -> Intervals:
        """Return the intervals of forecasts that many rows ahead, calibrated once."""
        if horizon not in self._intervals:
            model.prepare_forecasts(horizon)
            self._intervals[horizon] = calibrate(model, horizon)
        return self._intervals[horizon]

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
        tensors |= {f"head.{steps}": head.weights for steps, head in self.forecasters.items()}
        if self.classifier is not None:
            tensors |= with_prefix("classifier.", self.classifier.state())
        return tensors

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back what :meth:`state` gave, which may stand among other tensors."""
        heads = without_prefix("head.", tensors)
        if "steps" in heads:  # saved by 0.1, which kept the one for the longest horizon
            heads = {str(int(heads["steps"])): heads["weights"]}
        for steps, weights in heads.items():
            self.forecasters[int(steps)] = Head(weights, int(steps))
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

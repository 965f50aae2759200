"""The plan of a sweep: fixed when its study begins, and read by every process that works on it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import optuna

from distaff.model.base import Model
from distaff.model.config import ModelConfig
from distaff.model.registry import model_class
from distaff.recommenders.base import Recommender
from distaff.sweeps import PRUNERS
from distaff.sweeps import space as spaces
from distaff_data.errors import InputError, UnknownNameError
from distaff_data.workspace import Workspace

INDEPENDENCE = "independence"
_ROWS = 250  # distance correlation is quadratic in them, times the square of the factors


@dataclass(frozen=True)
class Plan:
    """A study's question.

    Attributes:
        model: Registry name.
        dataset: Its name.
        generation: Which write of the dataset; a replaced one needs another study.
        metrics: Objectives, measured on validation data; the first chooses among the best.
        space: What is changed, in the form of :func:`distaff.sweeps.space.to_json`.
        fixed: Settings that all trials share.
        pruner: What ends poor trials early.
        seed: Of every trial, and of the proposals.
        device: Where to compute.
        sampler: What proposes configurations, with the library's version: another proposes others.
    """

    model: str
    dataset: str
    generation: str
    metrics: tuple[str, ...]
    space: Mapping[str, Any]
    fixed: Mapping[str, Any]
    pruner: str
    seed: int
    device: str
    sampler: str = f"TPE of Optuna {optuna.__version__}"

    @classmethod
    def make(
        cls,
        workspace: Workspace,
        model: str,
        dataset: str,
        *,
        metrics: tuple[str, ...] = (),
        settings: Mapping[str, Any] | None = None,
        space: Path | None = None,
        pruner: str | None = None,
        seed: int = 0,
        device: str = "auto",
    ) -> Plan:
        """Check everything that can be checked before the first trial.

        Args:
            workspace: Where the dataset is.
            model: Registry name.
            dataset: Its name.
            metrics: Objectives; the model's headline metric when empty. ``independence`` stands for 1 less the mean
                squared distance correlation between the users' shares of intents.
            settings: Fixed settings.
            space: A file that changes the search space; see :func:`distaff.sweeps.space.search_space`.
            pruner: One of :data:`PRUNERS`; ``median`` when None and there is one metric.
            seed: Of every trial, and of the proposals.
            device: ``auto``, ``cpu`` or ``cuda``.

        Raises:
            InputError: A name or value is wrong, nothing is left to change, or the dataset has no validation split.
        """
        estimator = model_class(model)
        changed, fixed = spaces.search_space(estimator.Config, space)
        fixed |= dict(settings or {})
        fixed = estimator.Config.parse(fixed).model_dump(mode="json", include=set(fixed))
        changed = {name: what for name, what in changed.items() if name not in fixed}
        if not changed:
            raise InputError(f"a sweep has nothing to change in {model}; name settings in a file: --space FILE.toml")
        if pruner not in (None, *PRUNERS):
            raise UnknownNameError("pruner", pruner, PRUNERS)
        if len(metrics) > 1 and pruner not in (None, "none"):
            raise InputError("a trial with several objectives cannot be pruned; use --pruner none", value=pruner)
        data = estimator.read(workspace.warehouse, dataset)
        if estimator().validator(data) is None:
            raise InputError(f"dataset {dataset!r} has no validation split to select on")
        measured = [*estimator.chance(data, "valid"), *([INDEPENDENCE] if issubclass(estimator, Recommender) else [])]
        metrics = metrics or tuple(name for name in estimator.headline if name in measured)[:1]
        for metric in metrics:
            if metric not in measured:
                raise UnknownNameError("metric", metric, measured)
        pruner = pruner or ("median" if len(metrics) == 1 else "none")
        return cls(model, dataset, data.generation, metrics, spaces.to_json(changed), fixed, pruner, seed, device)

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """Read back what :meth:`to_json` gave."""
        values = json.loads(text)
        return cls(**values | {"metrics": tuple(values["metrics"])})

    def to_json(self) -> str:
        """Return a form for the study's attributes."""
        return json.dumps(asdict(self), sort_keys=True)

    @property
    def config(self) -> type[ModelConfig]:
        """The model's configuration."""
        config: type[ModelConfig] = model_class(self.model).Config
        return config

    def search_space(self) -> spaces.Space:
        """Return what is changed, and within which bounds."""
        return {name: spaces.from_json(name, choice) for name, choice in self.space.items()}

    def lower_is_better(self) -> list[bool]:
        """For each metric, whether less is better."""
        return [model_class(self.model).less_is_better(metric) for metric in self.metrics]

    def measure(self) -> Callable[[Model[Any]], dict[str, float]]:
        """Return the function that measures a fitted model: the objectives, and all else that its validation gives."""

        def measured(model: Model[Any]) -> dict[str, float]:
            validate = model.validator(model.data)
            assert validate is not None  # the plan was checked
            scores = dict(validate())
            if INDEPENDENCE in self.metrics and isinstance(model, Recommender):
                scores[INDEPENDENCE] = _independence(model)
            for metric in self.metrics:
                if metric not in scores:
                    raise UnknownNameError("metric measured in a fit", metric, scores)
            return scores

        return measured


def _independence(model: Recommender) -> float:
    from distaff.disentanglement import distance_correlation

    shares = model.factors().users.double().cpu().numpy()
    if shares.shape[1] < 2:
        raise InputError(f"{INDEPENDENCE} is measured between two intents or more", value=shares.shape[1])
    rows = shares[:: max(1, len(shares) // _ROWS)][:_ROWS]
    return 1.0 - distance_correlation([column[:, None] for column in rows.T]).value

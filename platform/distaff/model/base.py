"""The contract of every model, whatever it models: a configuration, a fit, tensors, and a measure of how good it is.

Each kind of data has one subclass that people and model writers use: :class:`~distaff.recommenders.base.Recommender` for
interactions. It says how the data is read from the warehouse, kept beside a saved model, and measured. Runs, the board,
files and the command line know models only by what stands here.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar

import pyarrow as pa
import torch
from torch import Tensor

from distaff.model import registry, saving
from distaff.model.config import ModelConfig
from distaff.model.copying import copied
from distaff.model.distributed import ALONE, World
from distaff_data.errors import InputError, UnsupportedError
from distaff_data.warehouse import Warehouse


class Dataset(Protocol):
    """Data in memory that a model is fitted to."""

    @property
    def name(self) -> str:
        """The dataset's name."""

    @property
    def generation(self) -> str:
        """The write of the dataset that it is."""


D = TypeVar("D", bound=Dataset)


@dataclass(frozen=True)
class Epoch:
    """A fit's report after an epoch: the mean of every loss, and validation metrics when they were measured."""

    epoch: int
    losses: Mapping[str, float]
    valid: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Session:
    """The circumstances of one fit, given to :meth:`Model._fit`.

    Attributes:
        seed: Seed of every random draw.
        device: Where to compute.
        validate: Scores the model as it stands on the validation split; None when the dataset has none.
        report: Called after each epoch.
        folder: Where a fit that can be resumed keeps its checkpoint; None to keep none.
        resume: Continue from the checkpoint in ``folder``.
        world: The processes that share the work of this fit.
        epochs: Train so many, chosen before; as the settings and validation say when None.
    """

    seed: int
    device: torch.device
    validate: Callable[[], Mapping[str, float]] | None = None
    report: Callable[[Epoch], None] = lambda _: None
    folder: Path | None = None
    resume: bool = False
    world: World = ALONE
    epochs: int | None = None

    def generator(self, stream: int = 0) -> torch.Generator:
        """Return a CPU generator of its own for each ``stream``, such as an epoch; the same for the same seed."""
        return torch.Generator().manual_seed((self.seed * 1_000_003 + stream) % (1 << 63))


@dataclass(frozen=True)
class Measurement:
    """A fitted model's metrics on one split.

    Attributes:
        split: valid or test.
        metrics: By name, over all units.
        units: Own ids of the units that were measured: users, windows or cases.
        per_unit: Values of the headline metrics of each unit, float ``(n_units,)``, for paired tests.
        notes: What a reader of the metrics should know.
    """

    split: str
    metrics: Mapping[str, float]
    units: pa.StringArray
    per_unit: Mapping[str, Tensor]
    notes: tuple[str, ...] = ()


class Model(ABC, Generic[D]):
    """A model of one kind of data.

    Args:
        settings: Fields of the model's ``Config``; what is left out keeps its default.

    Attributes:
        name: Registry name.
        control: Whether it is a cheap model that others are shown beside.
        kind: The kind of its datasets: interactions, series or incidents.
        headline: Metrics kept for each unit; the board ranks by the first that was measured.
        shown: Metrics that tables on a terminal show.
        lower_is_better: The metrics of which less is better, at any length after an @.
        seeded: Whether a fit depends on its seed; one that does not has no error of its own beside that of the units.
        divisible: Whether several processes can share a fit; see :mod:`distaff.model.distributed`.
        ablations: Models that are this one without what it claims; a board that shows it needs them, where installed.

    Raises:
        InputError: A setting that is unknown or out of range.
    """

    name: ClassVar[str]
    control: ClassVar[bool] = False
    kind: ClassVar[str]
    headline: ClassVar[tuple[str, ...]]
    shown: ClassVar[tuple[str, ...]]
    lower_is_better: ClassVar[frozenset[str]] = frozenset()
    seeded: ClassVar[bool] = True
    divisible: ClassVar[bool] = False
    ablations: ClassVar[tuple[str, ...]] = ()
    Config: ClassVar[type[ModelConfig]] = ModelConfig
    __signature__: ClassVar[inspect.Signature]

    def __init__(self, **settings: Any) -> None:
        self.config = self.Config.parse(settings)
        self._data: D | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.__signature__ = cls.Config.signature()

    @classmethod
    def suits(cls, warehouse: Warehouse, dataset: str) -> bool:
        """Return whether the dataset has what the model needs beside its kind; one that needs words overrides this."""
        return True

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.config.changed().items())
        return f"{type(self).__name__}({shown})"

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return copied(self, memo)

    def __sklearn_clone__(self) -> Self:
        return type(self)(**self.get_params())

    # ------------------------------------------------------------------------------------------ what a model implements

    @abstractmethod
    def _fit(self, data: D, session: Session) -> None:
        """Fit to the training part of ``data``."""

    @abstractmethod
    def state(self) -> dict[str, Tensor]:
        """Return everything a fitted model needs, by name."""

    @abstractmethod
    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back what :meth:`state` gave; :attr:`data` is bound before."""

    # ------------------------------------------------------------------------------------------- what a kind implements

    @classmethod
    @abstractmethod
    def read(cls, warehouse: Warehouse, dataset: str) -> D:
        """Load a dataset of this kind.

        Raises:
            InputError: There is no such dataset, or it is of another kind.
        """

    @classmethod
    @abstractmethod
    def chance(cls, data: D, split: str) -> dict[str, float]:
        """Return the noise floor: what the metrics of :meth:`measure` are worth when a model knows nothing.

        Raises:
            InputError: ``data`` has nothing to measure in ``split``.
        """

    @abstractmethod
    def validator(self, data: D) -> Callable[[], Mapping[str, float]] | None:
        """Return a function that scores the model as it stands on the validation split; None when there is none.

        Raises:
            InputError: ``data`` cannot be fitted at all.
        """

    @abstractmethod
    def measure(self) -> list[Measurement]:
        """Score the fitted model on every split of :attr:`data` that has something to measure."""

    def arranged(self, data: D) -> D:
        """Return the data as the model is fitted to them; as they are by default."""
        return data

    @abstractmethod
    def write_data(self, folder: Path) -> tuple[str, ...]:
        """Write what a saved model keeps of its data into ``folder``; returns the files' names."""

    @abstractmethod
    def read_data(self, folder: Path, name: str, generation: str) -> D:
        """Read what :meth:`write_data` wrote for the dataset ``name``."""

    def verify(self) -> None:
        """Check that what was loaded can be used with the data; nothing by default.

        Raises:
            ValueError: It cannot.
        """

    @property
    def remarks(self) -> tuple[str, ...]:
        """The things that a reader of the fit should know, such as what the model chose by itself; nothing by default."""
        return ()

    @property
    def n_tried(self) -> int:
        """The number of configurations that the fit itself judged on validation; 0 where it chose nothing."""
        return 0

    @property
    def chosen(self) -> Mapping[str, Any]:
        """The settings that give what the fit itself chose, without a choice; nothing where it chose nothing."""
        return {}

    def publish_results(self, warehouse: Warehouse, run: str) -> None:
        """Publish what a run gives out beside its metrics, in tables of its kind; nothing by default."""

    def numbers_per_user(self) -> int | None:
        """Return the length of the vector that stands for a user where items are scored; None of models without users."""
        return None

    def load_results(self, warehouse: Warehouse, run: str) -> None:
        """Take back, before a saved model is measured again, what its folder does not hold; nothing by default.

        Raises:
            InputError: It is no longer there, or belongs to other data.
        """

    # ---------------------------------------------------------------------------------------------- what people call

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return every setting by name, as scikit-learn's estimators do; ``deep`` changes nothing: no setting is a model."""
        return {name: getattr(self.config, name) for name in type(self.config).model_fields}

    def set_params(self, **settings: Any) -> Self:
        """Change settings, and forget what was fitted with the old ones.

        Raises:
            InputError: A setting that is unknown or out of range; nothing is changed.
        """
        changed = type(self)(**(self.get_params() | settings))
        self.__dict__ = changed.__dict__
        return self

    @property
    def data(self) -> D:
        """The data that the model was fitted to.

        Raises:
            UnsupportedError: It has not been fitted.
        """
        if self._data is None:
            raise UnsupportedError(f"this {self.name} has not been fitted yet; call fit or load first")
        return self._data

    @classmethod
    def less_is_better(cls, metric: str) -> bool:
        """Tell whether less of a metric is better, such as of ``mse`` and of ``mse@24``."""
        return metric.partition("@")[0] in cls.lower_is_better

    @classmethod
    def named(cls, name: str) -> type[Self]:
        """Return the registered model of that name.

        Raises:
            InputError: There is none, or it is of another kind than this class.
        """
        model: type[Self] = registry.model_class(name)
        if not issubclass(model, cls):
            raise InputError(f"{name} is a model of {model.kind}, not of {cls.kind}")
        return model

    def bind(self, data: D) -> None:
        """Attach the dataset whose positions the model's tensors use."""
        self._data = data

    def save(self, folder: str | Path) -> None:
        """Write configuration, data and tensors into a folder, whole or not at all."""
        saving.save(self, Path(folder))

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read a saved model of this class or a subclass.

        Raises:
            InputError: The folder holds no model, another kind of model, or a file that was changed since it was saved.
        """
        model = saving.load(Path(folder))
        if not isinstance(model, cls):
            raise InputError(f"the saved model is a {model.name}, which works on {model.kind}", path=folder)
        return model

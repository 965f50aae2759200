"""The blend of linear components that chooses itself: Plait without intents, and so its control."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self

import torch
from pydantic import Field, field_validator, model_validator
from torch import Tensor

from distaff.model.base import Session
from distaff.model.config import Listed, ModelConfig
from distaff_data.datasets.csr import Csr
from distaff_data.datasets.interactions import Interactions
from distaff_data.errors import InputError
from distaff_graph.controls.linear import LinearRecommender
from distaff_graph.plait.choosing import Choice, choose, trial_of
from distaff_graph.plait.components import FALLBACK, FAMILIES, component, fitted
from distaff_graph.plait.pool import unit


class BlendConfig(ModelConfig):
    """Settings of Blend.

    Attributes:
        components: Components with their settings, such as ``ease:penalty=50,als:embedding_dim=32``; chosen on validation
            when left out.
        weights: A weight for each of them, in any unit; chosen on validation when left out. With weights nothing is chosen.
        max_gb: Memory that an item-item matrix may take; components that need more are left out.
    """

    components: Annotated[tuple[str, ...] | None, Listed] = None
    weights: Annotated[tuple[float, ...] | None, Listed] = None
    max_gb: Annotated[float, Field(gt=0)] = 2.0

    @field_validator("components", "weights", mode="before")
    @classmethod
    def _filled(cls, value: Any) -> Any:
        return [component for component in value if component != ""] if isinstance(value, list) else value

    @model_validator(mode="after")
    def _paired(self) -> Self:
        names = self.components or ()
        if len(set(names)) < len(names):
            raise ValueError("name each component once")
        if self.weights is not None:
            if len(names) != len(self.weights):
                raise ValueError("give a weight for each component, and name the components")
            if min(self.weights, default=0.0) < 0 or (self.weights and sum(self.weights) <= 0):
                raise ValueError("weights are not negative, and one is above 0")
        return self


class Blend(LinearRecommender):
    """Scores are the weighted sum of components' scores, each over its length; which, and at what weights, validation says.

    Without settings the best member of each family of components, and weights that are not negative, are chosen on the
    validation part, or on interactions that are held out where there is none; then all is fitted to the training part.

    Attributes:
        blend: The weight of each component.
        n_tried: Configurations that were judged on validation.
        remarks: What was chosen, and what was left out and why.
    """

    name: ClassVar[str] = "blend"
    compound: ClassVar[bool] = True
    Config: ClassVar[type[ModelConfig]] = BlendConfig
    config: BlendConfig
    _models: list[LinearRecommender]

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for spec in self.config.components or ():
            component(spec)

    @property
    def blend(self) -> dict[str, float]:
        """The weight of each component; they sum to 1."""
        return dict(zip(self._choice.specs, self._weights(), strict=True))

    @property
    def chosen(self) -> dict[str, Any]:
        """The settings that give this blend without a choice."""
        return {"components": self._choice.specs, "weights": self._choice.weights}

    @property
    def n_tried(self) -> int:
        """The number of configurations that were judged on validation."""
        return self._choice.n_tried

    @property
    def remarks(self) -> tuple[str, ...]:
        """The weights, and what was found while they were chosen."""
        parts = ", ".join(f"{weight:.3f} {spec}" for spec, weight in self.blend.items())
        looks = (f"{self.n_tried} configurations tried on validation",) if self.n_tried else ()
        return (f"{self.name}: {parts}", *self._choice.notes, *looks)

    def _fit(self, data: Interactions, session: Session) -> None:
        """Choose where there is something to choose, then fit to all training interactions."""
        self._adopt(self._chosen(data, session), data, session)

    def weigh(self, history: Csr, shares: Tensor | None = None) -> Tensor:
        """Return the weighted sum, each component over its length when every interaction counts whole."""
        total = torch.zeros(history.n_rows, history.n_cols)
        for weight, model in zip(self._weights(), self._models, strict=True):
            whole = model.weigh(history)
            total += weight * unit(whole if shares is None else model.weigh(history, shares), whole)
        return total

    def numbers_per_user(self) -> int:
        """Return the longest of the components'."""
        return max(model.numbers_per_user() for model in self._models)

    def state(self) -> dict[str, Tensor]:
        """Return the choice as text, and the components' tensors, each behind its component's number."""
        choice = self._choice
        written = {
            "specs": choice.specs,
            "weights": choice.weights,
            "share": choice.share,
            "n_intents": choice.n_intents,
            "notes": choice.notes,
            "n_tried": choice.n_tried,
        }
        text = torch.tensor(list(json.dumps(written).encode()), dtype=torch.uint8)
        tensors = {
            f"{i}.{name}": tensor for i, model in enumerate(self._models) for name, tensor in model.state().items()
        }
        return {"choice": text, **tensors}

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore the choice and the components."""
        choice = json.loads(bytes(tensors["choice"].tolist()))
        self._choice = Choice(**(choice | {"specs": tuple(choice["specs"]), "weights": tuple(choice["weights"])}))
        self._models = [component(spec) for spec in self._choice.specs]
        for i, model in enumerate(self._models):
            head = f"{i}."
            model.bind(self.data)
            model.load_state({n.removeprefix(head): t for n, t in tensors.items() if n.startswith(head)})

    def _weights(self) -> list[float]:
        """Return the components' weights in the score."""
        return [(1.0 - self._choice.share) * weight for weight in self._choice.weights]

    def _families(self) -> tuple[tuple[str, ...], ...]:
        """Return the alternatives of each component: all families, or each one that was named."""
        c = self.config
        return FAMILIES if c.components is None else tuple((spec,) for spec in c.components)

    def _mixtures(self) -> tuple[int, ...]:
        """Return the numbers of intents to choose among; none here."""
        return ()

    def _share(self) -> float | None:
        """Return the mixture's share, where it is given."""
        return 0.0

    def _given(self) -> Choice | None:
        """Return the blend of the settings, where weights say that there is nothing to choose."""
        c = self.config
        if c.weights is None or c.components is None:
            return None
        total = sum(c.weights) or 1.0
        return Choice(c.components, tuple(weight / total for weight in c.weights))

    def _default(self) -> Choice:
        """Return the blend of data with too little to choose on."""
        specs = FALLBACK if self.config.components is None else self.config.components
        even = tuple(1.0 / len(specs) for _ in specs)
        return Choice(specs, even, notes=["too few interactions to choose on: equal weights"])

    def _chosen(self, data: Interactions, session: Session) -> Choice:
        """Return the choice; models that are fitted to all training interactions already come with it."""
        if self.config.components == () and not self._mixtures():
            raise InputError(f"{self.name} needs at least one component", value=self.config.components)
        given = self._given()
        if given is not None:
            return given
        trial = trial_of(data, session)
        if trial is None:
            return self._default()
        choice = choose(trial, session, self._families(), self._mixtures(), self._share(), self.config.max_gb)
        if trial is not data:
            choice.models, choice.parts = {}, {}
            choice.notes.append(
                f"no validation part: chosen on {trial.valid.nnz} interactions held out of training, then fitted to all"
            )
        return choice

    def _adopt(self, choice: Choice, data: Interactions, session: Session) -> None:
        """Take a choice over, and fit what it has not fitted."""
        self._choice = choice
        self._models = [
            choice.models.get(spec) or fitted(spec, data, session, self.config.max_gb) for spec in choice.specs
        ]
        choice.models = {}

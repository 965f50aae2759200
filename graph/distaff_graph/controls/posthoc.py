"""Factors found after the fact in any model's embeddings, E ~ S A^T, so that tangled intents need not be the last word.

Users and items lie in one space, so one factorisation of both gives factors that mean the same for either: S holds how
much of each factor a user or an item has, A the direction of each. Three ways to choose them: semi-NMF, where S is not
negative; independent components; and the varimax rotation of the leading principal axes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from distaff.model.base import Session
from distaff.model.config import Choices, ModelConfig
from distaff.model.fitting import fit
from distaff.model.registry import names
from distaff.ranking.products import Products
from distaff.recommenders.base import Recommender
from distaff.recommenders.intents import Intents, as_shares
from distaff_data.datasets.interactions import Interactions
from distaff_data.errors import InputError, UnsupportedError
from distaff_graph.factorisation import Factorisation, independent_components, rotated_axes, semi_nmf

METHODS: Mapping[str, Callable[[Tensor, int, int], Factorisation]] = {
    "seminmf": semi_nmf,
    "ica": partial(independent_components, centred=False),
    "varimax": rotated_axes,
}


class PostHocConfig(ModelConfig):
    """Settings of PostHoc.

    Attributes:
        base: The model that has the embeddings: a name, which is fitted with its defaults and the run's seed, or the
            folder of a fitted one, such as ``workspace/runs/RUN/model``.
        method: The factorisation; on planted intents varimax recovers most from LightGCN and DCCF alike.
        n_intents: K; at most as many as there are embedding dimensions.
    """

    base: str = "lightgcn"
    method: Literal["varimax", "seminmf", "ica"] = "varimax"
    n_intents: Annotated[int, Field(ge=1), Choices(8, 16, 32)] = 16


class PostHoc(Recommender):
    """Scores are the base model's; intents are factors of its embeddings, of users and items together.

    Rows are brought to unit length first: who is active and what is popular should not decide what the factors are.
    Factor k adds S_uk (a_k . e_i) |e_u| to the score of u and i, where e_u = |e_u| sum_k S_uk a_k as far as K factors can
    tell; what they cannot belongs to none. A share counts the positive part of S: less than none of a factor is none.
    """

    name: ClassVar[str] = "posthoc"
    user_tensors: ClassVar[tuple[str, ...]] = ("users", "user_amounts")
    control: ClassVar[bool] = True
    Config: ClassVar[type[ModelConfig]] = PostHocConfig
    config: PostHocConfig

    def _fit(self, data: Interactions, session: Session) -> None:
        """Fit or read the base model, and factor its embeddings."""
        users, items = self._embeddings(data, session)
        rows = torch.cat([users, items])
        n_intents = min(self.config.n_intents, rows.shape[1])
        factorisation = METHODS[self.config.method](F.normalize(rows), n_intents, session.seed)
        amounts = factorisation.amounts * rows.norm(dim=1, keepdim=True)
        self._state = {
            "users": users,
            "items": items,
            "user_amounts": amounts[: len(users)].clone(),
            "item_amounts": amounts[len(users) :].clone(),
            "axes": factorisation.axes,
        }

    def predict(self, users: Tensor) -> Tensor:
        """Return the base model's scores."""
        return self.ranker()(users)

    def ranker(self) -> Products:
        """Return the base model's embeddings."""
        return Products(self._state["users"], self._state["items"])

    def intents(self) -> Intents:
        """Return shares of the positive amounts, each axis at the length that it has."""
        size = self._state["axes"].norm(dim=0)
        users, items = (self._state[f"{side}_amounts"].clamp(min=0) * size for side in ("user", "item"))
        return Intents.from_loadings(users, items)

    def user_mixes(self, users: Tensor) -> Tensor:
        """Return shares of users' positive amounts."""
        return as_shares(self._state["user_amounts"][users].clamp(min=0) * self._state["axes"].norm(dim=0))

    def intent_scores(self, users: Tensor, intent: int) -> Tensor:
        """Return the part that a factor of the user's embedding adds; see the class."""
        state = self._state
        return torch.outer(state["user_amounts"][users, intent], state["items"] @ state["axes"][:, intent])

    def all_intent_scores(self, users: Tensor) -> Tensor:
        """Return the parts of all factors."""
        state = self._state
        affinities: Tensor = state["items"] @ state["axes"]
        amounts: Tensor = state["user_amounts"][users]
        return amounts.unsqueeze(2) * affinities.T

    def state(self) -> dict[str, Tensor]:
        """Return embeddings (n, d) and amounts (n, K) of users and items, and the axes (d, K)."""
        return dict(self._state)

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore the embeddings, amounts and axes."""
        self._state = dict(tensors)

    def _embeddings(self, data: Interactions, session: Session) -> tuple[Tensor, Tensor]:
        base = self.config.base
        if base in names():
            model = Recommender.named(base)()
            device, report = session.device.type, session.report
            fit(model, data, seed=session.seed, device=device, report=report, epochs=session.epochs)
        elif Path(base).is_dir():
            model = Recommender.load(base)
            if not (model.data.user_ids.equals(data.user_ids) and model.data.item_ids.equals(data.item_ids)):
                raise InputError(f"the model was fitted to other users or items than {data.name!r}", value=base)
        else:
            raise InputError("base is neither a model's name nor the folder of a fitted one", value=base)
        table = model.ranker()
        if not isinstance(table, Products):
            raise UnsupportedError(f"{model.name} has no embeddings: its scores are not inner products")
        return table.users.detach().cpu(), table.items.detach().cpu()

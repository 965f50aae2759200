"""Factors found after the fact in any model's embeddings, E ~ S A^T, so that tangled intents need not be the last word.

Users and items lie in one space, so one factorisation of both gives factors that mean the same for either: S holds how
much of each factor a user or an item has, A the direction of each. Three ways to choose them: semi-NMF, where S is not
negative; independent components; and the varimax rotation of the leading principal axes.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from distaff.model.config import Choices, ModelConfig
from distaff.model.registry import names
from distaff.ranking.products import Products
from distaff.recommenders.base import Intents, Recommender, Session
from distaff_data.datasets.interactions import Interactions
from distaff_data.errors import InputError, UnsupportedError
from distaff_graph.controls.varimax import varimax

_TINY = 1e-12
_STEPS = 300  # of semi-NMF
# Steps of a user's weights; a fixed number, so that they do not depend on who else is in the block.
_UPDATES = 300


@dataclass(frozen=True)
class Factorisation:
    """E ~ S A^T.

    Attributes:
        amounts: S, ``(n, K)``.
        axes: A, ``(d, K)``.
    """

    amounts: Tensor
    axes: Tensor


def semi_nmf(rows: Tensor, n_factors: int, seed: int) -> Factorisation:
    """Minimise |E - S A^T|^2 over S >= 0 (Ding, Li and Jordan, PAMI 2010, section 3).

    A is the least-squares solution given S, and S climbs by multiplicative updates; it starts from K-means, the memberships
    raised by 0.2 as its authors do.

    Args:
        rows: E, ``(n, d)``.
        n_factors: K.
        seed: Of K-means.
    """
    from sklearn.cluster import KMeans

    groups = KMeans(n_factors, n_init=4, random_state=seed).fit(rows.numpy()).labels_
    e = rows.double()
    amounts = F.one_hot(torch.from_numpy(groups).long(), n_factors).double() + 0.2
    for _ in range(_STEPS):
        axes = _axes(e, amounts)
        amounts = _multiplied(amounts, e @ axes, axes.T @ axes)
    axes = _axes(e, amounts)
    size = axes.norm(dim=0).clamp(min=_TINY)
    return Factorisation((amounts * size).float(), (axes / size).float())


def non_negative_weights(targets: Tensor, gram: Tensor) -> Tensor:
    """S >= 0 that minimises |E - S A^T|^2 for fixed A, from E A ``(n, K)`` and A^T A ``(K, K)``; float32 ``(n, K)``."""
    pull, inner = targets.double(), gram.double()
    scale = pull.abs().amax(1, keepdim=True).clamp(min=_TINY) / inner.diagonal().mean().clamp(min=_TINY)
    weights = scale.expand_as(pull)
    for _ in range(_UPDATES):
        weights = _multiplied(weights, pull, inner)
    return torch.where(targets.abs().amax(1, keepdim=True) > 0, weights, 0.0).float()


def independent_components(rows: Tensor, n_factors: int, seed: int, *, centred: bool = True) -> Factorisation:
    """FastICA of ``rows``, the columns of S turned so that their third moment is positive.

    Args:
        rows: E, ``(n, d)``.
        n_factors: K.
        seed: Of the start.
        centred: Take the mean away to find the axes. Rows of unit length that belong to one of K groups each then lie in
            K - 1 dimensions, and one axis is noise; without centring, every row is given with its negative.
    """
    from sklearn.decomposition import FastICA
    from sklearn.exceptions import ConvergenceWarning

    fit = FastICA(n_factors, whiten="unit-variance", random_state=seed, max_iter=500)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # where it stands then is still a rotation
        fit.fit((rows if centred else torch.cat([rows, -rows])).double().numpy())
    axes, unmixing = torch.from_numpy(fit.mixing_).float(), torch.from_numpy(fit.components_).float()
    amounts = rows @ unmixing.T
    sign = torch.where(amounts.pow(3).sum(0) < 0, -1.0, 1.0)
    return Factorisation(amounts * sign, axes * sign)


def rotated_axes(rows: Tensor, n_factors: int, seed: int) -> Factorisation:
    """The leading right singular vectors of ``rows`` ``(n, d)``, turned by varimax so that a row has few of them."""
    _, _, vt = torch.linalg.svd(rows.double(), full_matrices=False)
    axes = vt[:n_factors].T
    axes = axes @ varimax(rows.double() @ axes)
    amounts = rows.double() @ axes
    sign = torch.where(amounts.pow(3).sum(0) < 0, -1.0, 1.0)
    return Factorisation((amounts * sign).float(), (axes * sign).float())


METHODS: Mapping[str, Callable[[Tensor, int, int], Factorisation]] = {
    "seminmf": semi_nmf,
    "ica": partial(independent_components, centred=False),
    "varimax": rotated_axes,
}


class PostHocConfig(ModelConfig):
    """Settings of PostHoc.

    Attributes:
        base: What has the embeddings: the name of a model, which is fitted with its defaults and the run's seed, or the
            folder of a fitted one, such as ``workspace/runs/RUN/model``.
        method: How they are factored; on planted intents varimax recovers most from LightGCN and DCCF alike.
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
        found = METHODS[self.config.method](F.normalize(rows), n_intents, session.seed)
        amounts = found.amounts * rows.norm(dim=1, keepdim=True)
        self._state = {
            "users": users,
            "items": items,
            "user_amounts": amounts[: len(users)].clone(),
            "item_amounts": amounts[len(users) :].clone(),
            "axes": found.axes,
        }

    def predict(self, users: Tensor) -> Tensor:
        """The base model's scores."""
        return self.ranker()(users)

    def ranker(self) -> Products:
        """The base model's embeddings."""
        return Products(self._state["users"], self._state["items"])

    def intents(self) -> Intents:
        """Shares of the positive amounts, each axis at the length that it has."""
        size = self._state["axes"].norm(dim=0)
        users, items = (self._state[f"{side}_amounts"].clamp(min=0) * size for side in ("user", "item"))
        return Intents.from_loadings(users, items)

    def intent_scores(self, users: Tensor, intent: int) -> Tensor:
        """What a factor of the user's embedding adds; see the class."""
        state = self._state
        return torch.outer(state["user_amounts"][users, intent], state["items"] @ state["axes"][:, intent])

    def state(self) -> dict[str, Tensor]:
        """Embeddings (n, d) and amounts (n, K) of users and items, and the axes (d, K)."""
        return dict(self._state)

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Take them back."""
        self._state = dict(tensors)

    def _embeddings(self, data: Interactions, session: Session) -> tuple[Tensor, Tensor]:
        base = self.config.base
        if base in names():
            model = Recommender.named(base)()
            model.fit(data, seed=session.seed, device=session.device.type, report=session.report)
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


def _axes(e: Tensor, amounts: Tensor) -> Tensor:
    """A = E^T S (S^T S)^-1, by the pseudo-inverse, since two columns may fall together."""
    inverse: Tensor = torch.linalg.pinv(amounts.T @ amounts, hermitian=True)
    return e.T @ amounts @ inverse


def _multiplied(amounts: Tensor, pull: Tensor, gram: Tensor) -> Tensor:
    """One update of S from E A and A^T A, each split into positive and negative parts; the squared error cannot grow."""
    up = pull.clamp(min=0) + amounts @ (-gram).clamp(min=0)
    down = (-pull).clamp(min=0) + amounts @ gram.clamp(min=0)
    return amounts * (up / down.clamp(min=_TINY)).sqrt()

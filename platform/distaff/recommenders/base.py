"""What a recommender is: the contract that models implement and the estimator that people use.

A model subclasses :class:`Recommender` and implements five methods over positions and tensors:
:meth:`~Recommender._fit`, :meth:`~Recommender.predict`, :meth:`~Recommender.fold_in`, :meth:`~Recommender.state` and
:meth:`~Recommender.load_state`. One with intents adds :meth:`~Recommender.intents` and :meth:`~Recommender.intent_scores`.
Everything people call (``fit``, ``score``, ``factors``, ``save``, ``load``) is the same for all and speaks their own ids.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, Self

import pyarrow as pa
import torch
from torch import Tensor

from distaff.model.base import Epoch, Measurement, Model, Session
from distaff.ranking.metrics import Evaluation, best_items, chance, evaluate, exclusion, top_k
from distaff_data.datasets.csr import Csr
from distaff_data.datasets.interactions import Interactions
from distaff_data.errors import InputError, UnsupportedError
from distaff_data.splits import SPLITS
from distaff_data.tables.interactions import load_interactions
from distaff_data.warehouse import Warehouse

__all__ = ["SCORE_SCHEMA", "Epoch", "Intents", "Recommender", "Session", "Unlearned", "top_k_of"]

Unlearned = Literal["downdate", "refit", "rows"]
"""How people were taken out: the first two give what training without them gives, the third leaves that to a new fit."""

_VALID_KS = (10, 20)

SCORE_SCHEMA = pa.schema(
    [("user_id", pa.string()), ("rank", pa.int64()), ("item_id", pa.string()), ("score", pa.float32())]
)


@dataclass(frozen=True)
class Intents:
    """Non-negative shares of K intents; every row sums to 1.

    Attributes:
        users: A user's mix, float32 ``(n_users, K)``.
        items: An item's mix, float32 ``(n_items, K)``.
    """

    users: Tensor
    items: Tensor

    @classmethod
    def from_loadings(cls, users: Tensor, items: Tensor) -> Intents:
        """Normalise non-negative loadings by row; an all-zero row becomes uniform."""
        return cls(_row_shares(users), _row_shares(items))


class Recommender(Model[Interactions]):
    """A recommender over users and items, trained from interactions; measured by full ranking."""

    kind = "interactions"
    headline = ("recall@20", "ndcg@20")
    shown = ("recall@20", "ndcg@20", "coverage@20")
    user_tensors: ClassVar[tuple[str, ...]] = ()
    """Those of :meth:`~distaff.model.base.Model.state` that have a row for each user."""

    # ------------------------------------------------------------------------------------------ what a model implements

    @abstractmethod
    def predict(self, users: Tensor) -> Tensor:
        """Scores of all items, higher is better.

        Args:
            users: Positions, int64 ``(b,)``.

        Returns:
            float32 ``(b, n_items)`` in memory of its own, which the caller may overwrite.
        """

    def ranker(self) -> Callable[[Tensor], Tensor]:
        """What :func:`distaff.ranking.metrics.evaluate` ranks by.

        A model whose scores are inner products gives :class:`~distaff.ranking.products.Products`, which are ranked faster.
        """
        return self.predict

    def fold_in(self, history: Csr) -> Tensor:
        """Scores of all items for users not seen in training, from their interactions alone.

        Args:
            history: ``(b, n_items)``.

        Returns:
            float32 ``(b, n_items)`` in memory of its own.

        Raises:
            UnsupportedError: The model has parameters of each user that only training can find.
        """
        raise UnsupportedError(f"{self.name} cannot score users it was not trained on; train it again with them")

    def intents(self) -> Intents:
        """The model's intents.

        Raises:
            UnsupportedError: The model has none.
        """
        raise UnsupportedError(f"{self.name} has no intents; post-hoc controls such as nmf do")

    def intent_scores(self, users: Tensor, intent: int) -> Tensor:
        """The exact part of :meth:`predict` that one intent adds, float32 ``(b, n_items)``.

        The parts of all intents sum to the score where the model is additive; otherwise what is left over belongs to none.
        """
        raise UnsupportedError(f"{self.name} has no intents")

    def intent_posterior(self) -> tuple[Tensor, Tensor] | None:
        """Means and variances of each user's posterior over the intents, ``(n_users, K)`` or ``(n_users, K, d)``.

        For variational models with a prior of variance 1, which tell by it which intents are passive; None for all others.
        """
        return None

    def unlearn(self, users: Tensor, seed: int) -> Unlearned:
        """Take users out of the fitted model and of its data.

        A model whose fit can be undone, or is cheap enough to be repeated, overrides this and is afterwards what training
        without them gives. Here their rows of :attr:`user_tensors` go, and whatever else was learned from them stays.

        Args:
            users: Positions, int64 ``(b,)``.
            seed: Seed of the fit.

        Returns:
            How it was done.
        """
        rows = torch.ones(self.data.n_users, dtype=torch.bool)
        rows[users] = False
        kept = {n: v[rows.to(v.device)] if n in self.user_tensors else v for n, v in self.state().items()}
        self.bind(self.data.without(users))
        self.load_state(kept)
        return "rows"

    def relearn(self, users: Tensor, seed: int) -> Unlearned:
        """An :meth:`unlearn` for models whose fit is cheap: it is repeated without the users."""
        data = self.data.without(users)
        torch.manual_seed(seed)
        self._fit(data, Session(seed, torch.device("cpu")))
        self.bind(data)
        return "refit"

    # ------------------------------------------------------------------------------------- how interactions are handled

    @classmethod
    def read(cls, warehouse: Warehouse, dataset: str) -> Interactions:
        """Load a dataset of interactions."""
        return load_interactions(warehouse, dataset)

    @classmethod
    def chance(cls, data: Interactions, split: str) -> dict[str, float]:
        """What lists drawn at random would score."""
        if data.split(split).nnz == 0:
            raise InputError(f"dataset {data.name!r} has no {split} interactions to compare on")
        return chance(data, split)

    def validator(self, data: Interactions) -> Callable[[], Mapping[str, float]] | None:
        """Full ranking of the validation interactions, at the cut-offs that a fit looks at."""
        if data.train.nnz == 0:
            raise InputError(f"dataset {data.name!r} has no training interactions")
        if data.valid.nnz == 0:
            return None
        return lambda: evaluate(self.ranker(), data, "valid", ks=_VALID_KS).metrics

    def measure(self) -> list[Measurement]:
        """Full ranking of the validation and the test interactions."""
        found = (evaluate(self.ranker(), self.data, s) for s in ("valid", "test") if self.data.split(s).nnz)
        return [
            Measurement(
                e.split,
                e.metrics,
                self.data.user_ids.take(pa.array(e.users.numpy())),
                {name: e.per_user[name] for name in self.headline},
                _cold(e),
            )
            for e in found
        ]

    def write_data(self, folder: Path) -> tuple[str, ...]:
        """Write ids and interactions."""
        return self.data.write(folder)

    def read_data(self, folder: Path, name: str, generation: str) -> Interactions:
        """Read them back."""
        return Interactions.read(folder, name, generation)

    # ---------------------------------------------------------------------------------------------- what people call

    def fit(
        self,
        interactions: object,
        *,
        seed: int = 0,
        device: str = "auto",
        report: Callable[[Epoch], None] = lambda _: None,
    ) -> Self:
        """Fit to interactions.

        Args:
            interactions: :class:`~distaff_data.datasets.interactions.Interactions`, a frame with columns ``user_id`` and
                ``item_id``, or an array ``(n, 2)``.
            seed: Seed of every random draw.
            device: ``auto``, ``cpu`` or ``cuda``.
            report: Called after each epoch of a model trained by gradient.
        """
        from distaff.model.fitting import fit

        data = interactions if isinstance(interactions, Interactions) else Interactions.from_frame(interactions)
        fit(self, data, seed=seed, device=device, report=report)
        return self

    def score(
        self, users: Iterable[object] | None = None, *, top_k: int = 20, exclude: Iterable[str] = SPLITS
    ) -> pa.Table:
        """Top-k lists, best first.

        Args:
            users: Their ids; all users when None.
            top_k: List length; a user with fewer items left gets a shorter list.
            exclude: Splits whose interactions are left out of the lists.

        Returns:
            Arrow table ``user_id, rank, item_id, score``.

        Raises:
            InputError: An id that is not in the data.
        """
        positions = torch.arange(self.data.n_users) if users is None else self.positions_of(users)
        seen = exclusion(self.data, tuple(exclude))
        return self.lists(positions, seen.take(positions), top_k)

    def score_new(self, histories: Mapping[str, Iterable[object]], *, top_k: int = 20) -> pa.Table:
        """Top-k lists for people the model was not trained on, from the items they took; see :meth:`fold_in`.

        Args:
            histories: Items by person; unknown items are ignored.
            top_k: List length.

        Raises:
            InputError: Nothing known is left of a history.
            UnsupportedError: The model cannot fold in.
        """
        people = list(histories)
        history = self.data.histories(histories.values())
        for person, n_known in zip(people, history.counts().tolist(), strict=True):
            if not n_known:
                raise InputError(f"no known item in the history of {person!r}", value=person)
        best, scores = top_k_of(self.fold_in(history), history, top_k)
        return lists_of(pa.array(people, pa.string()), self.data.item_ids, best, scores)

    def factors(self) -> Intents:
        """The model's intents, rows in the order of ``data.user_ids`` and ``data.item_ids``."""
        return self.intents()

    def lists(self, users: Tensor, seen: Csr, k: int, ranker: Callable[[Tensor], Tensor] | None = None) -> pa.Table:
        """Lists of users by their own ids.

        Args:
            users: Positions, int64 ``(n,)``.
            seen: ``(n, n_items)`` items not to list.
            k: List length, cut to the catalogue.
            ranker: What :meth:`ranker` gave, for whoever calls this again and again.

        Raises:
            InputError: ``k`` is not positive.
        """
        _check_length(k)
        items, scores = best_items(ranker or self.ranker(), users, seen, min(k, self.data.n_items))
        return lists_of(self.data.user_ids.take(pa.array(users.numpy())), self.data.item_ids, items, scores)

    def positions_of(self, users: Iterable[object]) -> Tensor:
        """Positions of users by their own ids, int64.

        Raises:
            InputError: One is not in the data.
        """
        ids = list(users)
        positions = self.data.user_positions([str(i) for i in ids])
        if bool((positions < 0).any()):
            unknown = ids[int((positions < 0).nonzero()[0])]
            raise InputError("this user is not in the data; score new users with score_new", value=unknown)
        return positions


def top_k_of(scores: Tensor, seen: Csr, k: int) -> tuple[Tensor, Tensor]:
    """:func:`distaff.ranking.metrics.top_k` with ``k`` cut to the catalogue.

    Raises:
        InputError: ``k`` is not positive.
    """
    _check_length(k)
    return top_k(scores, seen, min(k, seen.n_cols))


def _check_length(k: int) -> None:
    if k < 1:
        raise InputError(f"top_k must be at least 1, not {k}")


def _cold(found: Evaluation) -> tuple[str, ...]:
    if not (found.cold_users or found.cold_items):
        return ()
    return (f"{found.cold_users} users and {found.cold_items} items never occur in training",)


def lists_of(user_ids: pa.StringArray, item_ids: pa.StringArray, items: Tensor, scores: Tensor) -> pa.Table:
    """Lists by own ids, from items ``(b, k)``, -1 where a list ends, and their scores; ``SCORE_SCHEMA``."""
    rows, ranks = torch.nonzero(items >= 0, as_tuple=True)
    picked = items[rows, ranks]
    columns = [
        user_ids.take(pa.array(rows.numpy())),
        pa.array((ranks + 1).numpy()),
        item_ids.take(pa.array(picked.numpy())),
        pa.array(scores[rows, ranks].float().numpy()),
    ]
    return pa.table(columns, schema=SCORE_SCHEMA)


def _row_shares(loadings: Tensor) -> Tensor:
    total = loadings.sum(1, keepdim=True)
    uniform = torch.full_like(loadings, 1.0 / max(loadings.shape[1], 1))
    return torch.where(total > 0, loadings / total.clamp(min=torch.finfo(loadings.dtype).tiny), uniform)

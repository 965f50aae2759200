"""Recommenders: the contract that models implement and the estimator that people use.

A model subclasses :class:`Recommender` and implements five methods over positions and tensors:
:meth:`~Recommender._fit`, :meth:`~Recommender.predict`, :meth:`~Recommender.fold_in`, :meth:`~Recommender.state` and
:meth:`~Recommender.load_state`. One with intents adds :meth:`~Recommender.intents` and :meth:`~Recommender.intent_scores`.
Everything people call (``fit``, ``recommend``, ``recommend_new``, ``similar_items``, ``factors``, ``save``, ``load``) is the
same for all, takes and gives people's own ids, and answers in the kind of frame that ``fit`` was given: polars, unless that
was pandas or Arrow.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import ClassVar, Literal, Self
from warnings import warn

import polars as pl
import pyarrow as pa
import torch
from torch import Tensor

from distaff.model.base import Epoch, Measurement, Model, Session
from distaff.ranking.metrics import Evaluation, best_items, chance, evaluate, exclusion
from distaff.ranking.neighbours import nearest_by_columns, nearest_by_vectors
from distaff.ranking.products import Products
from distaff.recommenders.intents import Factors, Intents
from distaff.recommenders.lists import check_length, lists_of, positions_among, top_k_of
from distaff.recommenders.words import Words
from distaff_data.datasets.csr import Csr
from distaff_data.datasets.interactions import Interactions, id_texts
from distaff_data.errors import InputError, UnsupportedError
from distaff_data.frames import Kind, as_kind, frame_kind
from distaff_data.splits import SPLITS
from distaff_data.tables.interactions import load_interactions
from distaff_data.warehouse import Warehouse

Unlearned = Literal["downdate", "refit", "rows"]
"""The way people were taken out: the first two give what training without them gives, the third leaves that to a new fit."""

_VALID_KS = (10, 20)


class Recommender(Model[Interactions]):
    """A recommender over users and items, trained from interactions; measured by full ranking."""

    kind = "interactions"
    headline = ("recall@20", "ndcg@20")
    shown = ("recall@20", "ndcg@20", "coverage@20")
    user_tensors: ClassVar[tuple[str, ...]] = ()
    """The tensors of :meth:`~distaff.model.base.Model.state` that have a row for each user."""
    _kind: Kind = "polars"  # of the frames that answers are given as

    # ------------------------------------------------------------------------------------------ what a model implements

    @abstractmethod
    def predict(self, users: Tensor) -> Tensor:
        """Return the scores of all items, higher is better.

        Args:
            users: Positions, int64 ``(b,)``.

        Returns:
            float32 ``(b, n_items)`` in memory of its own, which the caller may overwrite.
        """

    def ranker(self) -> Callable[[Tensor], Tensor]:
        """Return the function of users that :func:`distaff.ranking.metrics.evaluate` ranks by.

        A model whose scores are inner products gives :class:`~distaff.ranking.products.Products`, which are ranked faster.
        """
        return self.predict

    def fold_in(self, history: Csr) -> Tensor:
        """Return the scores of all items for users not seen in training, from their interactions alone.

        Args:
            history: ``(b, n_items)``.

        Returns:
            float32 ``(b, n_items)`` in memory of its own.

        Raises:
            UnsupportedError: The model has parameters of each user that only training can find.
        """
        raise UnsupportedError(f"{self.name} cannot score users it was not trained on; train it again with them")

    def numbers_per_user(self) -> int:
        """Return the length of the vector that stands for a user where items are scored: what a model can know of one.

        Two models whose lengths differ are no equal comparison. It is the number of items where a user is their history,
        as in models of item-item weights. Models whose ``users`` are no rows of :meth:`state` override this.
        """
        users = self.state().get("users")
        return self.data.n_items if users is None else int(users.shape[1])

    def intents(self) -> Intents:
        """Return the model's intents.

        Raises:
            UnsupportedError: The model has none.
        """
        raise UnsupportedError(f"{self.name} has no intents; post-hoc controls such as nmf do")

    def intent_scores(self, users: Tensor, intent: int) -> Tensor:
        """Return the exact part of :meth:`predict` that one intent adds, float32 ``(b, n_items)``.

        The parts of all intents sum to the score where the model is additive; otherwise what is left over belongs to none.
        """
        raise UnsupportedError(f"{self.name} has no intents")

    def user_mixes(self, users: Tensor) -> Tensor:
        """Return the rows of :meth:`intents` that are these users', float32 ``(b, K)``.

        A model that need not look at everybody for them overrides this.

        Raises:
            UnsupportedError: The model has no intents.
        """
        return self.intents().users[users]

    def all_intent_scores(self, users: Tensor) -> Tensor:
        """Return :meth:`intent_scores` of every intent, float32 ``(b, K, n_items)``: for few users at a time.

        A model that shares work among its intents overrides this.

        Raises:
            UnsupportedError: The model has no intents.
        """
        n_intents = self.user_mixes(users).shape[1]
        return torch.stack([self.intent_scores(users, intent) for intent in range(n_intents)], 1)

    def reassigned_intent_scores(self, user: Tensor, items: Tensor, orders: Tensor) -> Tensor | None:
        """Return what :meth:`all_intent_scores` gives where items exchange what they are to the intents.

        The control of an attribution, of models that split scores by each intent's responsibility for an interaction: the
        parts of what is so split sum to the same whatever the responsibilities.
        None for all others, whose scores are made of intents.

        Args:
            user: Position, int64 ``(1,)``.
            items: Positions of the items, int64 ``(m,)``.
            orders: The item whose place each item takes, once an exchange, int64 ``(n, n_items)``.

        Returns:
            float32 ``(n, K, m)``.
        """
        return None

    @property
    def words(self) -> Words | None:
        """The words that the model's factors speak in; None where it knows none."""
        return None

    def intent_posterior(self) -> tuple[Tensor, Tensor] | None:
        """Return means and variances of each user's posterior over the intents, ``(n_users, K)`` or ``(n_users, K, d)``.

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
        remaining = torch.ones(self.data.n_users, dtype=torch.bool)
        remaining[users] = False
        tensors = {n: v[remaining.to(v.device)] if n in self.user_tensors else v for n, v in self.state().items()}
        self.bind(self.data.without(users))
        self.load_state(tensors)
        return "rows"

    def relearn(self, users: Tensor, seed: int) -> Unlearned:
        """Fit anew without users: an :meth:`unlearn` for models whose fit is cheap."""
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
        """Return the expected metrics of lists drawn at random."""
        if data.split(split).nnz == 0:
            raise InputError(f"dataset {data.name!r} has no {split} interactions to compare on")
        return chance(data, split)

    def validator(self, data: Interactions) -> Callable[[], Mapping[str, float]] | None:
        """Return the full ranking of the validation interactions, at the cut-offs that a fit looks at."""
        if data.train.nnz == 0:
            raise InputError(f"dataset {data.name!r} has no training interactions")
        if data.valid.nnz == 0:
            return None
        return lambda: evaluate(self.ranker(), data, "valid", ks=_VALID_KS).metrics

    def measure(self) -> list[Measurement]:
        """Measure by full ranking of the validation and the test interactions."""
        results = (evaluate(self.ranker(), self.data, s) for s in ("valid", "test") if self.data.split(s).nnz)
        return [
            Measurement(
                e.split,
                e.metrics,
                self.data.user_ids.take(pa.array(e.users.numpy())),
                {name: e.per_user[name] for name in self.headline},
                _cold(e),
            )
            for e in results
        ]

    def write_data(self, folder: Path) -> tuple[str, ...]:
        """Write ids and interactions."""
        return self.data.write(folder)

    def read_data(self, folder: Path, name: str, generation: str) -> Interactions:
        """Read ids and interactions."""
        return Interactions.read(folder, name, generation)

    def shapes(self) -> Mapping[str, tuple[int | None, ...]]:
        """Return the shapes that tensors of :meth:`state` have for these data, None for any size; by default of none."""
        return {}

    def verify(self) -> None:
        """Check that the first and the last user have a finite score for every item, and tables their rows.

        Raises:
            ValueError: They have not.
        """
        for name, shape in self.shapes().items():
            found = tuple(self.state()[name].shape)
            if len(found) != len(shape) or any(size not in (None, at) for at, size in zip(found, shape, strict=True)):
                raise ValueError(f"{name!r} has the shape {found}")
        if not self.data.n_users:
            return
        scores = self.predict(torch.tensor([0, self.data.n_users - 1]))
        if tuple(scores.shape) != (2, self.data.n_items) or not scores.is_floating_point():
            raise ValueError(f"scores of two users are {scores.dtype} {tuple(scores.shape)}")
        if not bool(torch.isfinite(scores).all()):
            raise ValueError("a score is not finite")

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
            interactions: A polars, pandas or Arrow frame with columns ``user_id`` and ``item_id``; an array ``(n, 2)``; a
                SciPy sparse matrix of users by items, whose positions are their ids (see
                :meth:`Interactions.from_sparse <distaff_data.datasets.interactions.Interactions.from_sparse>`); or the
                :class:`~distaff_data.datasets.interactions.Interactions` of a workspace.
            seed: Seed of every random draw.
            device: ``auto``, ``cpu`` or ``cuda``.
            report: Called after each epoch of a model trained by gradient.

        Raises:
            InputError: Not interactions, none of them, or a setting or device that does not go with them.
        """
        from distaff.model.fitting import fit

        data = interactions if isinstance(interactions, Interactions) else Interactions.from_frame(interactions)
        fit(self, data, seed=seed, device=device, report=report)
        self._kind = frame_kind(interactions)
        return self

    def recommend(
        self, users: Iterable[object] | None = None, k: int = 10, *, exclude: Iterable[str] = SPLITS
    ) -> pl.DataFrame:
        """Return lists of the best items of users, best first.

        Args:
            users: Their ids; all users when None.
            k: Length of the lists; a user with fewer items left gets a shorter one.
            exclude: Splits whose interactions are left out of the lists.

        Returns:
            ``user_id, rank, item_id, score``: a polars frame, or the kind of frame that :meth:`fit` was given.

        Raises:
            InputError: An id that is not in the data, an unknown split, or a ``k`` below 1.
        """
        return self._answer(self._recommend(users, k, exclude))

    def recommend_new(self, histories: Mapping[str, Iterable[object]], k: int = 10) -> pl.DataFrame:
        """Return lists for people whom the model was not trained on, from the items they took; see :meth:`fold_in`.

        Args:
            histories: Items by person; unknown items are ignored, and known ones are not listed.
            k: Length of the lists.

        Returns:
            ``user_id, rank, item_id, score``: a polars frame, or the kind of frame that :meth:`fit` was given.

        Raises:
            InputError: A history without any known item, or a ``k`` below 1.
            UnsupportedError: The model cannot fold in.
        """
        return self._answer(self._recommend_new(histories, k))

    def similar_items(self, items: Iterable[object] | None = None, k: int = 10) -> pl.DataFrame:
        """Return the items most similar to each of some items, best first.

        Similarity is a cosine: of the items' vectors where the model's scores are inner products (``dccf``, ``lightgcn``,
        ``als``, ``puresvd``, ...), and for all other models of the items' columns of the training matrix, which is the
        number of users who took both over the geometric mean of the numbers who took either. Items without anything in
        common, by the latter, are not listed.

        Args:
            items: Their ids; all items when None.
            k: Length of the lists.

        Returns:
            ``item_id, rank, similar_item_id, score``: a polars frame, or the kind of frame that :meth:`fit` was given.

        Raises:
            InputError: An id that is not in the data, or a ``k`` below 1.
        """
        data, ranker = self.data, self.ranker()
        positions = torch.arange(data.n_items) if items is None else self._item_positions(items)
        vectors = ranker.items if isinstance(ranker, Products) else None
        return self._similar("item", data.item_ids, positions, vectors, data.train, k)

    def similar_users(self, users: Iterable[object] | None = None, k: int = 10) -> pl.DataFrame:
        """Return the users most similar to each of some users, best first; as for :meth:`similar_items`.

        Args:
            users: Their ids; all users when None.
            k: Length of the lists.

        Returns:
            ``user_id, rank, similar_user_id, score``: a polars frame, or the kind of frame that :meth:`fit` was given.

        Raises:
            InputError: An id that is not in the data, or a ``k`` below 1.
        """
        data, ranker = self.data, self.ranker()
        positions = torch.arange(data.n_users) if users is None else self.positions_of(users)
        vectors = ranker.users if isinstance(ranker, Products) else None
        return self._similar("user", data.user_ids, positions, vectors, data.train.transpose(), k)

    def factors(self) -> Factors:
        """Return the model's intents with the ids of their rows, in the order of ``data.user_ids`` and ``data.item_ids``.

        Raises:
            UnsupportedError: The model has none.
        """
        data, intents = self.data, self.intents()
        return Factors(intents.users, intents.items, data.user_ids, data.item_ids, self._kind)

    def score(
        self, users: Iterable[object] | None = None, *, top_k: int = 20, exclude: Iterable[str] = SPLITS
    ) -> pa.Table:
        """Return :meth:`recommend` as an Arrow table; the name of 0.1, which goes after 0.2."""
        warn("score is recommend since 0.2, and goes after it", DeprecationWarning, stacklevel=2)
        return self._recommend(users, top_k, exclude)

    def score_new(self, histories: Mapping[str, Iterable[object]], *, top_k: int = 20) -> pa.Table:
        """Return :meth:`recommend_new` as an Arrow table; the name of 0.1, which goes after 0.2."""
        warn("score_new is recommend_new since 0.2, and goes after it", DeprecationWarning, stacklevel=2)
        return self._recommend_new(histories, top_k)

    # ------------------------------------------------------------------------------------------------ by positions

    def lists(self, users: Tensor, seen: Csr, k: int, ranker: Callable[[Tensor], Tensor] | None = None) -> pa.Table:
        """Return lists of users by their own ids, as an Arrow table ``user_id, rank, item_id, score``.

        Args:
            users: Positions, int64 ``(n,)``.
            seen: ``(n, n_items)`` items not to list.
            k: List length, cut to the catalogue.
            ranker: What :meth:`ranker` gave, for whoever calls this again and again.

        Raises:
            InputError: ``k`` is not positive.
        """
        check_length(k)
        items, scores = best_items(ranker or self.ranker(), users, seen, min(k, self.data.n_items))
        return lists_of(self.data.user_ids.take(pa.array(users.numpy())), self.data.item_ids, items, scores)

    def positions_of(self, users: Iterable[object]) -> Tensor:
        """Return the positions of users by their own ids, int64.

        Raises:
            InputError: One is not in the data.
        """
        hint = "this user is not in the data; in Python, recommend_new scores people the model was not trained on"
        return positions_among(users, self.data.user_positions, "users", hint)

    def _item_positions(self, items: Iterable[object]) -> Tensor:
        return positions_among(items, self.data.item_positions, "items", "this item is not in the data")

    def _recommend(self, users: Iterable[object] | None, k: int, exclude: Iterable[str]) -> pa.Table:
        positions = torch.arange(self.data.n_users) if users is None else self.positions_of(users)
        seen = exclusion(self.data, tuple(exclude))
        return self.lists(positions, seen.take(positions), k)

    def _recommend_new(self, histories: Mapping[str, Iterable[object]], k: int) -> pa.Table:
        if not isinstance(histories, Mapping):
            raise InputError("give histories by person: a mapping of an id to a list of items")
        people = id_texts(list(histories), "people").to_pylist()
        history = self.data.histories(histories.values())
        for person, n_known in zip(people, history.counts().tolist(), strict=True):
            if not n_known:
                raise InputError(f"no known item in the history of {person!r}", value=person)
        best, scores = top_k_of(self.fold_in(history), history, k)
        return lists_of(pa.array(people, pa.string()), self.data.item_ids, best, scores)

    def _similar(
        self, entity: str, ids: pa.StringArray, positions: Tensor, vectors: Tensor | None, matrix: Csr, k: int
    ) -> pl.DataFrame:
        check_length(k)
        if vectors is None:
            neighbours, scores = nearest_by_columns(matrix, positions, min(k, len(ids)))
        else:
            neighbours, scores = nearest_by_vectors(vectors, positions, min(k, len(ids)))
        table = lists_of(ids.take(pa.array(positions.numpy())), ids, neighbours, scores)
        return self._answer(table.rename_columns([f"{entity}_id", "rank", f"similar_{entity}_id", "score"]))

    def _answer(self, table: pa.Table) -> pl.DataFrame:
        """Return a table as the kind of frame that the model was given."""
        frame: pl.DataFrame = as_kind(pl.DataFrame(table), self._kind)
        return frame


def _cold(result: Evaluation) -> tuple[str, ...]:
    if not (result.cold_users or result.cold_items):
        return ()
    return (f"{result.cold_users} users and {result.cold_items} items never occur in training",)

"""What every recommender must do: a class of tests that a model's package, ours or a third party's, subclasses.

A subclass overrides the fixture ``make``, which gives a function that builds a fresh model quick to train on a few dozen
users::

    class TestMine(RecommenderSuite):
        @pytest.fixture(scope="class")
        @classmethod
        def make(cls) -> Callable[[], Recommender]:
            return lambda: MyModel(n_intents=2)
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
import torch
from gradient_checks import own_blocks
from torch import Tensor
from worded_data import worded_checkerboard

from distaff.model import saving
from distaff.model.config import Choices
from distaff.model.registry import model_class
from distaff.recommenders.base import SCORE_SCHEMA, Recommender
from distaff_data.datasets.csr import Csr
from distaff_data.datasets.interactions import Interactions
from distaff_data.errors import InputError, UnsupportedError

Make = Callable[[], Recommender]


class RecommenderSuite:
    """The contract of :class:`distaff.recommenders.base.Recommender`, tested on a checkerboard of two blocks."""

    @pytest.fixture(scope="class")
    @classmethod
    def make(cls) -> Make:
        raise NotImplementedError("override the fixture make")

    @pytest.fixture
    def personal(self) -> bool:
        """Whether scores depend on the user at all; popularity's do not, and cannot tell the blocks apart."""
        return True

    @pytest.fixture(scope="class")
    @classmethod
    def data(cls) -> Interactions:
        return worded_checkerboard()

    @pytest.fixture(scope="class")
    @classmethod
    def fitted(cls, make: Make, data: Interactions) -> Recommender:
        return make().fit(data, seed=1, device="cpu")

    def test_it_is_registered_under_its_name(self, make: Make) -> None:
        assert model_class(make().name) is type(make())

    def test_settings_that_do_not_exist_are_refused(self, make: Make) -> None:
        with pytest.raises(InputError, match="no_such_setting"):
            type(make())(no_such_setting=1)

    def test_its_search_space_holds_only_settings_it_accepts(self, make: Make) -> None:
        model = type(make())
        for name, space in model.Config.search_space().items():
            values = space.values if isinstance(space, Choices) else (space.low, space.high)
            for value in values:
                whole = model.Config.model_fields[name].annotation is int
                assert getattr(model(**{name: int(value) if whole else value}).config, name) == value

    def test_an_unfitted_model_says_so(self, make: Make) -> None:
        with pytest.raises(UnsupportedError, match="not been fitted"):
            make().recommend()

    def test_scores_are_finite_floats_of_all_items(self, fitted: Recommender, data: Interactions) -> None:
        scores = fitted.predict(torch.tensor([3, 0, 3]))
        assert scores.shape == (3, data.n_items)
        assert scores.dtype == torch.float32
        assert bool(scores.isfinite().all())
        assert not scores.requires_grad
        torch.testing.assert_close(scores[0], scores[2])  # rows of one product may be rounded each in its own way
        assert fitted.predict(torch.tensor([], dtype=torch.long)).shape == (0, data.n_items)

    def test_scores_do_not_depend_on_who_else_is_in_the_block(self, fitted: Recommender, data: Interactions) -> None:
        together = fitted.predict(torch.arange(data.n_users))
        alone = torch.cat([fitted.predict(torch.tensor([user])) for user in range(data.n_users)])
        torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-5)

    def test_scores_are_in_memory_of_their_own(self, fitted: Recommender, data: Interactions) -> None:
        users = torch.arange(data.n_users)
        before = fitted.predict(users).clone()
        fitted.predict(users).fill_(torch.nan)
        assert torch.equal(fitted.predict(users), before)

    def test_what_it_is_ranked_by_gives_its_scores(self, fitted: Recommender, data: Interactions) -> None:
        users = torch.tensor([7, 1])
        torch.testing.assert_close(fitted.ranker()(users), fitted.predict(users), rtol=1e-5, atol=1e-5)

    def test_items_of_the_own_block_come_first(self, fitted: Recommender, data: Interactions, personal: bool) -> None:
        if not personal:
            pytest.skip("scores everyone alike")
        own_blocks(fitted.predict(torch.arange(data.n_users)), data)

    def test_lists_hold_unseen_items_by_their_own_ids_best_first(self, fitted: Recommender, data: Interactions) -> None:
        table = fitted.recommend(k=4, exclude=("train",)).to_arrow().cast(SCORE_SCHEMA)
        assert table.schema.names == SCORE_SCHEMA.names
        assert table["rank"].to_pylist() == [1, 2, 3, 4] * data.n_users
        assert table["user_id"].to_pylist() == [user for user in data.user_ids.to_pylist() for _ in range(4)]
        users, items = data.user_positions(table["user_id"]), data.item_positions(table["item_id"])
        assert bool((items >= 0).all())
        assert not bool(data.train.dense()[users, items].any())
        listed = torch.tensor(table["score"].to_pylist()).reshape(data.n_users, 4)
        assert bool((listed.diff(dim=1) <= 0).all())
        expected = fitted.predict(torch.arange(data.n_users))[users, items].reshape(data.n_users, 4)
        torch.testing.assert_close(listed, expected, rtol=1e-5, atol=1e-5)

    def test_saving_and_loading_keeps_every_bit(self, fitted: Recommender, data: Interactions, tmp_path: Path) -> None:
        fitted.save(tmp_path / "model")
        loaded = Recommender.load(tmp_path / "model")
        assert type(loaded) is type(fitted)
        assert loaded.config == fitted.config
        users = torch.arange(data.n_users)
        assert torch.equal(loaded.predict(users), fitted.predict(users))
        for name, value in fitted.state().items():
            assert torch.equal(loaded.state()[name], value), name
        folded = _folded(fitted, data.train)
        if folded is not None:
            assert torch.equal(loaded.fold_in(data.train), folded)
        with pytest.raises(InputError, match="no saved model"):
            saving.load(tmp_path / "nowhere")

    def test_the_same_seed_gives_the_same_scores(self, make: Make, fitted: Recommender, data: Interactions) -> None:
        torch.rand(7)  # whatever else draws from the global generator must not matter
        again = make().fit(data, seed=1, device="cpu")
        users = torch.arange(data.n_users)
        assert torch.equal(again.predict(users), fitted.predict(users))

    def test_a_known_history_folds_in_to_the_own_block(
        self, fitted: Recommender, data: Interactions, personal: bool
    ) -> None:
        folded = _folded(fitted, data.train)
        if folded is None:
            pytest.skip("cannot score new users, and says so")
        assert folded.shape == (data.n_users, data.n_items)
        assert folded.dtype == torch.float32
        if personal:
            own_blocks(folded, data)

    def test_histories_fold_in_one_by_one_as_together(self, fitted: Recommender, data: Interactions) -> None:
        together = _folded(fitted, data.train)
        if together is None:
            pytest.skip("cannot score new users, and says so")
        alone = torch.cat([fitted.fold_in(data.train.take(torch.tensor([user]))) for user in range(data.n_users)])
        torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-5)

    def test_an_empty_history_folds_in_to_finite_scores(self, fitted: Recommender, data: Interactions) -> None:
        nobody = Csr(torch.zeros(3, dtype=torch.long), torch.empty(0, dtype=torch.int32), data.n_items)
        folded = _folded(fitted, nobody)
        if folded is None:
            pytest.skip("cannot score new users, and says so")
        assert folded.shape == (2, data.n_items)
        assert bool(folded.isfinite().all())

    def test_people_can_be_taken_out(self, make: Make, fitted: Recommender, data: Interactions, tmp_path: Path) -> None:
        fitted.save(tmp_path / "model")
        model, users = Recommender.load(tmp_path / "model"), torch.tensor([11, 4])
        rest = data.without(users)
        method = model.unlearn(users, 1)
        model.save(tmp_path / "model")
        model = Recommender.load(tmp_path / "model")
        assert model.data.user_ids.equals(rest.user_ids)
        assert bool((model.data.user_positions(data.user_ids.take(pa.array([4, 11]))) < 0).all())
        everyone = torch.arange(rest.n_users)
        scores = model.predict(everyone)
        assert scores.shape == (rest.n_users, data.n_items)
        assert bool(scores.isfinite().all())
        if method == "rows":  # everybody else is scored as before
            kept = [user for user in range(data.n_users) if user not in (4, 11)]
            torch.testing.assert_close(scores, fitted.predict(torch.tensor(kept)), rtol=1e-5, atol=1e-5)
        else:
            anew = make().fit(rest, seed=1, device="cpu")
            torch.testing.assert_close(scores, anew.predict(everyone), rtol=1e-4, atol=1e-4)

    def test_intents_are_shares(self, fitted: Recommender, data: Interactions) -> None:
        intents = _intents(fitted)
        assert intents[0].shape[0] == data.n_users
        assert intents[1].shape[0] == data.n_items
        assert intents[0].shape[1] == intents[1].shape[1]
        for table in intents:
            assert table.dtype == torch.float32
            assert bool((table >= 0).all())
            torch.testing.assert_close(table.sum(1), torch.ones(len(table)), rtol=0, atol=1e-5)

    def test_each_intents_part_of_the_score_is_finite_and_a_table_of_scores(
        self, fitted: Recommender, data: Interactions
    ) -> None:
        n_intents = _intents(fitted)[0].shape[1]
        users = torch.tensor([5, 2])
        for intent in range(n_intents):
            part = fitted.intent_scores(users, intent)
            assert part.shape == (2, data.n_items)
            assert part.dtype == torch.float32
            assert bool(part.isfinite().all())


def _folded(model: Recommender, history: Csr) -> Tensor | None:
    """Fold in, or None where the model says that it cannot."""
    try:
        return model.fold_in(history)
    except UnsupportedError as error:
        said = str(error)
    assert model.name in said
    return None


def _intents(model: Recommender) -> tuple[Tensor, Tensor]:
    """Users' and items' shares; skips where the model says that it has no intents, for their parts as well."""
    try:
        found = model.intents()
        return found.users, found.items
    except UnsupportedError as error:
        said = str(error)
    assert model.name in said
    with pytest.raises(UnsupportedError, match=model.name):
        model.intent_scores(torch.tensor([0]), 0)
    pytest.skip("has no intents, and says so")

"""The suite that every recommender passes."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from torch import Tensor

from distaff.model import saving
from distaff.recommenders.base import Recommender
from distaff.series.model import SeriesModel
from distaff.testing.common import Make, SettingsSuite, answered_or_refused, fitted_or_refused, overwrite
from distaff.testing.data import interaction_pairs, own_block_share, waves, worded_checkerboard
from distaff_data.datasets.csr import Csr
from distaff_data.datasets.interactions import Interactions
from distaff_data.errors import InputError, UnsupportedError

_FEW = settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.differing_executors, HealthCheck.too_slow],
)


class RecommenderSuite(SettingsSuite):
    """The contract of :class:`distaff.recommenders.base.Recommender`, tested on a checkerboard of two blocks.

    Fixtures that a subclass may override: ``make`` (it has to), ``brief``, ``data``, and ``personal``, whether scores
    depend on the user at all.
    """

    @pytest.fixture(scope="class")
    @classmethod
    def brief(cls, make: Make) -> Make:
        """Makes a model that may learn little: for what holds of any fit, and is tried on many."""
        return make

    @pytest.fixture
    def personal(self) -> bool:
        """Tell whether scores depend on the user at all; popularity's do not, and cannot tell the blocks apart."""
        return True

    @pytest.fixture(scope="class")
    @classmethod
    def data(cls) -> Interactions:
        return worded_checkerboard()

    @pytest.fixture(scope="class")
    @classmethod
    def fitted(cls, make: Make, data: Interactions) -> Recommender:
        model: Recommender = make().fit(data, seed=1, device="cpu")
        return model

    # ------------------------------------------------------------------------------------------------- scores and lists

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
        assert own_block_share(fitted.predict(torch.arange(data.n_users)), data) > 0.95

    def test_lists_hold_unseen_items_by_their_own_ids_best_first(self, fitted: Recommender, data: Interactions) -> None:
        lists = fitted.recommend(k=4, exclude=("train",))
        assert isinstance(lists, pl.DataFrame)
        assert lists.columns == ["user_id", "rank", "item_id", "score"]
        assert lists["rank"].to_list() == [1, 2, 3, 4] * data.n_users
        assert lists["user_id"].to_list() == [user for user in data.user_ids.to_pylist() for _ in range(4)]
        users = data.user_positions(lists["user_id"].to_list())
        items = data.item_positions(lists["item_id"].to_list())
        assert bool((items >= 0).all())
        assert not bool(data.train.dense()[users, items].any())
        listed = torch.tensor(lists["score"].to_list()).reshape(data.n_users, 4)
        assert bool((listed.diff(dim=1) <= 0).all())
        expected = fitted.predict(torch.arange(data.n_users))[users, items].reshape(data.n_users, 4)
        torch.testing.assert_close(listed, expected, rtol=1e-5, atol=1e-5)

    def test_unknown_users_and_empty_lists_are_refused(self, fitted: Recommender) -> None:
        with pytest.raises(InputError, match="nobody"):
            fitted.recommend(["nobody"])
        with pytest.raises(InputError):
            fitted.recommend(k=0)

    def test_similar_items_are_other_items_best_first_or_refused(self, fitted: Recommender, data: Interactions) -> None:
        item = str(data.item_ids[4])
        similar = answered_or_refused(fitted, lambda: fitted.similar_items([item], k=3))
        if similar is None:
            return
        assert similar["item_id"].unique().to_list() == [item]
        assert item not in similar["similar_item_id"].to_list()
        assert similar["rank"].to_list() == list(range(1, len(similar) + 1))
        assert similar["score"].is_sorted(descending=True)

    # ------------------------------------------------------------------------------------------------ files and repetition

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
        with pytest.raises(InputError, match="interactions"):
            SeriesModel.load(tmp_path / "model")

    def test_a_copy_of_a_fitted_model_scores_alike_and_shares_nothing_with_it(
        self, fitted: Recommender, data: Interactions
    ) -> None:
        users = torch.arange(data.n_users)
        scores = fitted.predict(users)
        model = copy.deepcopy(fitted)
        assert type(model) is type(fitted)
        assert torch.equal(model.predict(users), scores)
        assert model.recommend(k=3).equals(fitted.recommend(k=3))
        overwrite(model.state())
        assert torch.equal(fitted.predict(users), scores)

    def test_the_same_seed_gives_the_same_scores(self, make: Make, fitted: Recommender, data: Interactions) -> None:
        torch.rand(7)  # whatever else draws from the global generator must not matter
        again = make().fit(data, seed=1, device="cpu")
        users = torch.arange(data.n_users)
        assert torch.equal(again.predict(users), fitted.predict(users))

    def test_measuring_gives_what_the_fit_was_validated_by(self, fitted: Recommender, data: Interactions) -> None:
        validate = fitted.validator(data)
        assert validate is not None
        reported, measured = validate(), {m.split: m for m in fitted.measure()}
        assert set(measured) == {"valid", "test"}
        for name in fitted.headline:  # of equal scores, which come first may depend on how many are listed
            assert measured["valid"].metrics[name] == pytest.approx(reported[name], abs=1e-6)
        for measurement in measured.values():
            assert set(fitted.headline) <= set(measurement.per_unit)
            for name, values in measurement.per_unit.items():
                assert float(values.mean()) == pytest.approx(measurement.metrics[name], abs=1e-6)

    # ------------------------------------------------------------------------------------------------------------ any data

    def test_frames_of_any_kind_and_order_give_the_same_lists(self, brief: Make, data: Interactions) -> None:
        rows, cols = data.train.row_index(), data.train.indices.long()
        pairs = pl.DataFrame(
            {
                "user_id": data.user_ids.take(pa.array(rows.numpy())).to_pylist(),
                "item_id": data.item_ids.take(pa.array(cols.numpy())).to_pylist(),
            }
        )
        shuffled = pairs.sample(fraction=1.0, shuffle=True, seed=3).select("item_id", "user_id")
        model = fitted_or_refused(lambda: brief().fit(pairs, seed=2, device="cpu"))
        if model is None:  # needs more than interactions, and says what
            return
        first = model.recommend(k=3)
        for frame in (shuffled, shuffled.to_arrow(), np.asarray(pairs.rows(), dtype=object)):
            lists = brief().fit(frame, seed=2, device="cpu").recommend(k=3)
            assert pl.DataFrame(lists).equals(first), type(frame)

    @_FEW
    @given(pairs=interaction_pairs())
    def test_tiny_data_and_ids_of_any_text_are_fitted_or_refused(
        self, brief: Make, pairs: tuple[list[str], list[str], list[str]]
    ) -> None:
        data = Interactions.from_arrays(*pairs)
        model: Any = fitted_or_refused(lambda: brief().fit(data, seed=0, device="cpu"))
        if model is None:
            return
        lists = model.recommend(k=3)
        assert set(lists["user_id"].to_list()) <= set(pairs[0])
        assert set(lists["item_id"].to_list()) <= set(pairs[1])
        assert lists["score"].is_finite().all()
        taken = set(zip(pairs[0], pairs[1], strict=True))
        assert not taken & set(zip(lists["user_id"].to_list(), lists["item_id"].to_list(), strict=True))

    def test_data_of_another_kind_is_refused(self, make: Make) -> None:
        with pytest.raises(InputError):
            make().fit(waves(50))

    def test_no_interactions_at_all_are_refused(self, make: Make) -> None:
        with pytest.raises(InputError, match="no "):
            make().fit(
                pl.DataFrame({"user_id": [], "item_id": []}, schema={"user_id": pl.String, "item_id": pl.String})
            )

    # ------------------------------------------------------------------------------------------------------------ new people

    def test_a_known_history_folds_in_to_the_own_block(
        self, fitted: Recommender, data: Interactions, personal: bool
    ) -> None:
        folded = _folded(fitted, data.train)
        if folded is None:
            pytest.skip("cannot score new users, and says so")
        assert folded.shape == (data.n_users, data.n_items)
        assert folded.dtype == torch.float32
        if personal:
            assert own_block_share(folded, data) > 0.95

    def test_new_people_get_lists_of_items_they_did_not_take(self, fitted: Recommender, data: Interactions) -> None:
        history = data.item_ids.take(pa.array([0, 2])).to_pylist()
        lists = answered_or_refused(
            fitted, lambda: fitted.recommend_new({"a visitor": [*history, "no item at all"]}, k=5)
        )
        if lists is None:
            return
        assert lists["user_id"].unique().to_list() == ["a visitor"]
        assert not set(lists["item_id"].to_list()) & set(history)
        with pytest.raises(InputError, match="no known item"):
            fitted.recommend_new({"a visitor": ["no item at all"]})

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

    # --------------------------------------------------------------------------------------------------------------- intents

    def test_intents_are_shares(self, fitted: Recommender, data: Interactions) -> None:
        users, items = _intents(fitted)
        assert users.shape[0] == data.n_users
        assert items.shape[0] == data.n_items
        assert users.shape[1] == items.shape[1]
        for shares in (users, items):
            assert shares.dtype == torch.float32
            assert bool((shares >= 0).all())
            torch.testing.assert_close(shares.sum(1), torch.ones(len(shares)), rtol=0, atol=1e-5)

    def test_each_intents_share_of_the_score_is_finite_and_a_table_of_scores(
        self, fitted: Recommender, data: Interactions
    ) -> None:
        n_intents = _intents(fitted)[0].shape[1]
        users = torch.tensor([5, 2])
        for intent in range(n_intents):
            scores = fitted.intent_scores(users, intent)
            assert scores.shape == (2, data.n_items)
            assert scores.dtype == torch.float32
            assert bool(scores.isfinite().all())

    def test_mixes_and_scores_of_some_users_are_those_of_all_users_and_of_each_intent(
        self, fitted: Recommender, data: Interactions
    ) -> None:
        mixes, _ = _intents(fitted)
        users = torch.tensor([5, 2, 9])
        torch.testing.assert_close(fitted.user_mixes(users), mixes[users], rtol=1e-4, atol=1e-5)
        scores = torch.stack([fitted.intent_scores(users, intent) for intent in range(mixes.shape[1])], 1)
        size = float(scores.abs().max())
        torch.testing.assert_close(fitted.all_intent_scores(users), scores, rtol=1e-3, atol=1e-5 * size)


def _folded(model: Recommender, history: Csr) -> Tensor | None:
    """Fold in, or None where the model says that it cannot."""
    scores: Tensor | None = answered_or_refused(model, lambda: model.fold_in(history))
    return scores


def _intents(model: Recommender) -> tuple[Tensor, Tensor]:
    """Return users' and items' shares; skips where the model says that it has no intents, for their scores as well."""
    intents = answered_or_refused(model, model.intents)
    if intents is None:
        with pytest.raises(UnsupportedError, match=model.name):
            model.intent_scores(torch.tensor([0]), 0)
        pytest.skip("has no intents, and says so")
    return intents.users, intents.items

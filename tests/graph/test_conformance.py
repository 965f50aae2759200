from __future__ import annotations

from typing import Any

import pytest

from distaff.model.registry import model_class, names
from distaff.recommenders.base import Recommender
from distaff.testing import RecommenderSuite
from distaff.testing.common import Make

# Small enough for a checkerboard of 40 by 30; a model that is not named here must do with its defaults.
TRAINED = {"embedding_dim": 8, "batch_size": 64, "lr": 0.02, "max_epochs": 15}
# All but a few items are recalled at 20 here, so validation can only look once, at the end.
# Six epochs of 15 steps are enough; a look at validation costs more than an epoch.
ENCODED = {"embedding_dim": 8, "batch_size": 128, "lr": 0.05, "max_epochs": 6, "eval_every": 6}
VARIATIONAL = {"embedding_dim": 8, "batch_size": 8, "lr": 0.02, "max_epochs": 20, "eval_every": 20}
SETTINGS: dict[str, dict[str, Any]] = {
    "als": {"embedding_dim": 4},
    "blend": {"components": "ease,als:embedding_dim=4"},
    "chebycf": {"embedding_dim": 4},
    "dccf": {**TRAINED, "n_intents": 4, "samples_per_epoch": 500},
    "dgvae": {**VARIATIONAL, "n_intents": 2, "min_df": 2, "max_df": 0.9},
    "gat": {**ENCODED, "heads": 2},
    "gfcf": {"embedding_dim": 4},
    "gin": ENCODED,
    "graphsage": ENCODED,
    "ica": {"n_intents": 2},
    "lda": {"n_intents": 2},
    "lightgcn": TRAINED,
    "lightgcn_pyg": {**ENCODED, "loss": "infonce"},
    "low_pass": {"embedding_dim": 4},
    "macridvae": {**VARIATIONAL, "n_intents": 2},
    "macridvae_graph": {**VARIATIONAL, "n_intents": 2, "min_df": 2, "max_df": 0.9},
    "multivae": {**VARIATIONAL, "n_hidden": 16},
    "nmf": {"n_intents": 2},
    "plait": {"components": "ease,als:embedding_dim=4", "n_intents": 2},
    "posthoc": {"base": "als", "n_intents": 2},
    "pyg": {**ENCODED, "encoder": "torch_geometric.nn.models.GIN", "loss": "softmax", "n_negatives": 4},
    "puresvd": {"n_intents": 2},
    "seminmf": {"n_intents": 2},
    "varimax": {"n_intents": 2},
    "vgae": ENCODED,
}


@pytest.mark.parametrize("name", [n for n in names() if issubclass(model_class(n), Recommender)], scope="class")
class TestEveryRecommender(RecommenderSuite):
    @pytest.fixture(scope="class")
    @classmethod
    def make(cls, name: str) -> Make:
        return lambda: Recommender.named(name)(**SETTINGS.get(name, {}))

    @pytest.fixture(scope="class")
    @classmethod
    def brief(cls, name: str) -> Make:
        settings = SETTINGS.get(name, {})
        fewer = {setting: 2 for setting in ("max_epochs", "eval_every") if setting in settings}
        return lambda: Recommender.named(name)(**settings | fewer)

    @pytest.fixture
    def personal(self, name: str) -> bool:
        return name != "popularity"

    def test_the_vector_of_a_user_has_the_length_of_its_settings(self, name: str, fitted: Recommender) -> None:
        lengths = {"als": 4, "dccf": 8, "lightgcn": 8, "nmf": 2, "varimax": 2, "multivae": 8, "macridvae": 16}
        lengths |= {"popularity": 0, "ease": 30, "item_knn": 30, "gfcf": 30}
        for blend in ("blend", "plait"):
            lengths[blend] = 30 if any("ease" in spec for spec in getattr(fitted, "blend", ())) else 4
        if name in lengths:
            assert fitted.numbers_per_user() == lengths[name]

"""Every series model of ours holds the contract of series."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from distaff.model.registry import model_class, names
from distaff.series.model import SeriesModel
from distaff.testing import SeriesSuite
from distaff.testing.common import Make
from distaff_timeseries.controls import hydra

WINDOWS: dict[str, Any] = {"seq_len": 16, "horizons": (3,)}
TRAINED: dict[str, Any] = {"max_epochs": 2, "batch_size": 32}
PATCHED: dict[str, Any] = {**TRAINED, "d_model": 8, "n_heads": 2, "n_layers": 1, "patch_len": 4, "stride": 4}
VARIATIONAL: dict[str, Any] = {**TRAINED, "hidden": 8, "latent_dim": 3}
SETTINGS: dict[str, dict[str, Any]] = {
    "beta_tcvae": VARIATIONAL,
    "beta_vae": VARIATIONAL,
    "dts": {**TRAINED, "hidden": 8},
    "minirocket": {"n_features": 84},
    "multirocket": {"n_features": 672},
    "pca": {"n_components": 3},
    "random_encoder": PATCHED,
    "series_ica": {"n_components": 2},
    "sparse_codes": {**TRAINED, "base": "pca", "n_codes": 6, "n_active": 2},
    "timedrl": PATCHED,
    "vae": VARIATIONAL,
}


@pytest.mark.parametrize("name", [n for n in names() if issubclass(model_class(n), SeriesModel)], scope="class")
class TestEverySeriesModel(SeriesSuite):
    @pytest.fixture(scope="class")
    @classmethod
    def make(cls, name: str) -> Make:
        return lambda: SeriesModel.named(name)(**(WINDOWS | SETTINGS.get(name, {})))

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _few_kernels(cls) -> Iterator[None]:
        """An eighth of Hydra's groups, whose number is no setting."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(hydra, "_GROUPS", 8)
            yield

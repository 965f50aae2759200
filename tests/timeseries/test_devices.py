"""Training steps of models of series on a device: no tensor made without saying where, and no waiting but what is known."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from device_audit import audited

from distaff.series.model import SeriesModel
from distaff.testing.data import waves

SMALL: dict[str, Any] = {"seq_len": 24, "horizons": (4,), "batch_size": 16}
PATCHED = {**SMALL, "patch_len": 6, "stride": 6, "d_model": 8, "n_heads": 2, "n_layers": 1}
# How far the training has come is asked twice, for the growth of the divergence and of the values' share.
MODELS: list[tuple[str, dict[str, Any], list[str]]] = [
    ("timedrl", PATCHED, []),
    ("vae", SMALL, ["_local_scalar_dense"] * 2),
    ("dts", {**SMALL, "hidden": 8}, ["_local_scalar_dense"] * 2),
]

pytestmark = pytest.mark.device


@pytest.mark.parametrize(("name", "settings", "known"), MODELS, ids=[name for name, *_ in MODELS])
def test_a_step_makes_no_tensor_anywhere_and_waits_for_nothing_else(
    name: str, settings: dict[str, Any], known: list[str]
) -> None:
    data = waves(200)
    model: Any = SeriesModel.named(name)(**settings, max_epochs=1).fit(data, device="cpu")
    model.network.train()
    batch = next(iter(model.batches(data, torch.Generator().manual_seed(1))))
    optimizer = model.optimizer()
    audited(lambda: model.losses(batch), optimizer)  # what is made once is not made in a step
    assert audited(lambda: model.losses(batch), optimizer) == known


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@pytest.mark.parametrize(("name", "settings", "known"), MODELS, ids=[name for name, *_ in MODELS])
def test_a_fit_on_cuda_forecasts(name: str, settings: dict[str, Any], known: list[str]) -> None:
    model: Any = SeriesModel.named(name)(**settings, max_epochs=2).fit(waves(400), device="cuda")
    assert model.forecast(4)["forecast"].is_finite().all()

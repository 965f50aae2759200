"""TimeDRL against its equations written out, and what its parts promise."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from timedrl_reference import timedrl as reference

from distaff.model.fitting import fit
from distaff.series.model import SeriesModel
from distaff_data.datasets.series import Series
from distaff_data.datasets.windows import slide
from distaff_data.errors import InputError
from distaff_data.planted.series import planted_series
from distaff_data.splits.series import divide
from distaff_timeseries.controls.random_encoder import RandomEncoder
from distaff_timeseries.controls.raw_ridge import RawRidge
from distaff_timeseries.patches import instance_norm, n_patches, patches
from distaff_timeseries.timedrl.config import TimeDRLConfig
from distaff_timeseries.timedrl.model import TimeDRL
from distaff_timeseries.timedrl.network import Geometry, TimeDRLNetwork

SMALL: dict[str, Any] = {"d_model": 8, "n_heads": 2, "n_layers": 2, "patch_len": 4, "stride": 3}


def network(n_channels: int, length: int, *, apart: bool, **settings: Any) -> tuple[TimeDRLNetwork, TimeDRLConfig]:
    config = TimeDRLConfig.parse({**SMALL, "dropout": 0.0, **settings})
    groups = n_channels if apart else 1
    torch.manual_seed(1)
    return TimeDRLNetwork(config, Geometry(n_channels, groups, length, config.patch_len, config.stride)), config


@pytest.mark.parametrize("apart", [True, False])
@pytest.mark.parametrize("embedding", ["linear", "conv"])
@pytest.mark.parametrize("target", ["normalized", "raw"])
def test_values_and_gradients_are_those_of_the_equations(apart: bool, embedding: str, target: str) -> None:
    net, config = network(3, 14, apart=apart, token_embedding=embedding, target=target, kernel=5)
    net.train()
    x = torch.randn(4, 14, 3, generator=torch.Generator().manual_seed(2)) * 2 + 1
    mask = torch.ones_like(x)
    seen = instance_norm(x, mask.bool())
    parts = [net.geometry.patches(part) for part in (seen.values, seen.values if target == "normalized" else x, mask)]
    predictive, contrastive = net.losses(*parts, stop_gradient=True)
    (predictive + 0.5 * contrastive).backward()
    own = {name: value.detach().clone().requires_grad_() for name, value in net.named_parameters()}
    expected = reference(own, x, patch_len=4, stride=3, apart=apart, n_heads=2, raw_target=target == "raw")
    (expected.predictive + 0.5 * expected.contrastive).backward()
    assert predictive.item() == pytest.approx(expected.predictive.item(), abs=1e-5)
    assert contrastive.item() == pytest.approx(expected.contrastive.item(), abs=1e-5)
    for name, value in net.named_parameters():
        assert value.grad is not None
        torch.testing.assert_close(value.grad, own[name].grad, rtol=1e-4, atol=1e-5, msg=name)
    encoded = net.eval()(parts[0])
    torch.testing.assert_close(encoded[:, 0], expected.instances, rtol=0, atol=1e-5)
    torch.testing.assert_close(encoded[:, 1:], expected.timestamps, rtol=0, atol=1e-5)
    assert config.contrastive_weight == 0.5


def test_stop_gradient_changes_gradients_and_not_values() -> None:
    net, _ = network(2, 10, apart=True)
    x = instance_norm(torch.randn(5, 10, 2), torch.ones(5, 10, 2, dtype=torch.bool)).values
    pieces = net.geometry.patches(x)
    found = []
    for stop in (True, False):
        net.zero_grad()
        _, contrastive = net.losses(pieces, pieces, torch.ones_like(pieces), stop_gradient=stop)
        contrastive.backward()
        assert net.cls.grad is not None
        found.append((contrastive.item(), net.cls.grad.clone()))
    assert found[0][0] == pytest.approx(found[1][0])
    assert not torch.allclose(found[0][1], found[1][1])


def test_predictive_loss_leaves_the_instance_slot_alone() -> None:
    net, _ = network(1, 10, apart=True)
    pieces = net.geometry.patches(torch.randn(3, 10, 1))
    encoded = net(pieces, views=2)
    encoded.retain_grad()
    net.reconstruct(encoded[:, 1:]).square().sum().backward()
    assert encoded.grad is not None
    assert bool((encoded.grad[:, 0] == 0).all())


@pytest.mark.parametrize(
    ("embedding", "touched"),
    [
        ("linear", [[0], [1], [2], [3], [4]]),
        ("conv", [[4, 0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 0]]),
        ("causal_conv", [[0], [0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 4]]),
    ],
)
def test_which_tokens_an_embedding_mixes(embedding: str, touched: list[list[int]]) -> None:
    net, _ = network(1, 12, apart=True, token_embedding=embedding)
    tokens = torch.randn(1, 5, 4)
    base = net.encoder.embed(tokens)
    for i in range(5):
        changed = net.encoder.embed(tokens + torch.nn.functional.one_hot(torch.tensor(i), 5)[None, :, None])
        seen = (changed != base)[0].any(1)
        assert seen.tolist() == [i in touched[at] for at in range(5)]


@pytest.mark.parametrize(("length", "patch_len", "stride"), [(512, 16, 16), (128, 8, 4), (14, 4, 3), (5, 5, 2)])
def test_patches_are_slices_of_the_window_with_its_end_repeated(length: int, patch_len: int, stride: int) -> None:
    x = torch.randn(2, length, 3)
    padded = torch.cat([x, x[:, -1:].repeat(1, stride, 1)], 1)
    found = patches(x, patch_len, stride, channel_independent=True)
    assert found.shape == (2, 3, n_patches(length, patch_len, stride), patch_len)
    for k in range(found.shape[2]):
        assert torch.equal(found[:, :, k], padded[:, k * stride : k * stride + patch_len].transpose(1, 2))
    mixed = patches(x, patch_len, stride, channel_independent=False)
    assert torch.equal(mixed[:, 0], found.transpose(1, 2).flatten(2))


def test_missing_values_change_no_statistic_and_no_loss() -> None:
    x = torch.randn(2, 12, 2)
    mask = torch.ones_like(x, dtype=torch.bool)
    mask[:, 4:7] = False
    seen = instance_norm(torch.where(mask, x, 0.0), mask)
    kept = torch.cat([x[:, :4], x[:, 7:]], 1)
    torch.testing.assert_close(seen.mean, kept.mean(1))
    torch.testing.assert_close(seen.std, (kept.var(1, correction=0) + 1e-5).sqrt())
    assert bool((seen.values[:, 4:7] == 0).all())
    net, _ = network(2, 12, apart=True)
    pieces, there = net.geometry.patches(seen.values), net.geometry.patches(mask.float())
    base = net.losses(pieces, pieces, there, stop_gradient=True)[0]
    other = net.losses(pieces, torch.where(there > 0, pieces, 99.0), there, stop_gradient=True)[0]
    assert base.item() == pytest.approx(other.item())


def windows(n: int = 300) -> Series:
    return planted_series(n_windows=n, n_steps=48, seed=1).series()


def test_instance_embeddings_collapse_without_stop_gradient_and_the_measurement_says_so() -> None:
    settings = {"patch_len": 8, "stride": 8, "d_model": 16, "n_layers": 1, "lr": 1e-2, "contrastive_weight": 50.0}
    spreads = []
    for stop in (True, False):
        model = TimeDRL(**settings, max_epochs=8, patience=9, stop_gradient=stop).fit(windows(600), device="cpu")
        spreads.append(model.spread(model.data))
        notes = [note for found in model.measure() for note in found.notes]
        assert any("collapsed" in note for note in notes) is not stop
    assert spreads[0] > 10 * spreads[1]


def test_training_lowers_both_losses_on_validation() -> None:
    epochs: list[Any] = []
    TimeDRL(**SMALL, max_epochs=4, lr=3e-3).fit(windows(), device="cpu", report=epochs.append)
    assert epochs[-1].losses["predictive"] < 0.8 * epochs[0].losses["predictive"]
    assert epochs[-1].valid["pretext"] < epochs[0].valid["pretext"]


def test_low_precision_changes_losses_by_little() -> None:
    found = []
    for precision in ("float32", "bfloat16"):
        net, _ = network(2, 16, apart=True, precision=precision)
        pieces = net.geometry.patches(torch.randn(6, 16, 2, generator=torch.Generator().manual_seed(0)))
        found.append(torch.stack(net.losses(pieces, pieces, torch.ones_like(pieces), stop_gradient=True)))
    assert found[1].dtype == torch.float32
    torch.testing.assert_close(found[0], found[1], rtol=0.05, atol=0.02)
    assert not torch.equal(found[0], found[1])


def test_a_fit_is_repeated_bit_by_bit_and_survives_saving(tmp_path: Path) -> None:
    data = windows(120)
    models = [TimeDRL(**SMALL, max_epochs=2).fit(data, seed=5, device="cpu") for _ in range(2)]
    vectors = [model.transform(level="timestamp") for model in models]
    assert vectors[0].equals(vectors[1])
    models[0].measure()
    models[0].save(tmp_path / "m")
    loaded = SeriesModel.load(tmp_path / "m")
    assert loaded.transform(level="timestamp").equals(vectors[0])
    assert loaded.predict().equals(models[0].predict())
    assert [m.metrics for m in loaded.measure()] == [m.metrics for m in models[0].measure()]


class _StoppedError(Exception):
    pass


def test_resumed_ends_like_one_that_never_stopped(tmp_path: Path) -> None:
    data = windows(120)

    def stop(epoch: Any) -> None:
        if epoch.epoch == 3:
            raise _StoppedError

    whole, resumed = (TimeDRL(**SMALL, max_epochs=4, lr_decay=0.5) for _ in range(2))
    fit(whole, data, seed=2, device="cpu")
    with pytest.raises(_StoppedError):
        fit(TimeDRL(**SMALL, max_epochs=4, lr_decay=0.5), data, seed=2, device="cpu", report=stop, folder=tmp_path)
    fit(resumed, data, seed=2, device="cpu", folder=tmp_path, resume=True)
    for name, value in whole.encoder_state().items():
        assert torch.equal(value, resumed.encoder_state()[name]), name


def test_a_learning_rate_that_decays_to_nothing_stands_still_after_the_first_epoch() -> None:
    data = replace(windows(60), classes=())
    settings = {**SMALL, "weight_decay": 0.0, "lr_decay": 1e-9}
    one, two = (TimeDRL(**settings, max_epochs=n).fit(data, seed=3, device="cpu") for n in (1, 2))
    for name, value in one.network.named_parameters():
        torch.testing.assert_close(two.network.get_parameter(name), value, rtol=0, atol=1e-8)


def test_a_model_that_was_saved_under_the_old_name_of_a_setting_loads(tmp_path: Path) -> None:
    rows = np.cumsum(np.random.default_rng(1).normal(size=(200, 2)), 0)
    model = RandomEncoder(**SMALL, seq_len=16, horizons=(4,), concat_window=True).fit(rows, device="cpu")
    expected = model.forecast()
    model.save(tmp_path / "m")
    manifest = tmp_path / "m" / "model.json"
    saved = json.loads(manifest.read_text())
    saved["config"]["beside_window"] = saved["config"].pop("concat_window")
    # A manifest of then had no digest of its own and named no shapes.
    saved = {key: value for key, value in saved.items() if key not in ("format", "digest", "tensors")}
    manifest.write_text(json.dumps(saved))
    loaded = SeriesModel.load(tmp_path / "m")
    assert loaded.config == model.config
    assert loaded.forecast().equals(expected)
    with pytest.raises(InputError, match="old name of concat_window"):
        TimeDRL(beside_window=True, concat_window=False)


@pytest.mark.parametrize("apart", [True, False])
def test_a_window_beside_the_embeddings_forecasts_like_it_alone_or_better_on_validation(apart: bool) -> None:
    rng = np.random.default_rng(1)
    rows = np.cumsum(rng.normal(size=(400, 2)), 0)
    data = divide(Series.from_rows(rows, [400]), "ratio:0.6,0.2,0.2")
    settings = {"seq_len": 16, "horizons": (4, 8), "channel_independent": apart}
    alone, beside = (
        RandomEncoder(**SMALL, **settings, concat_window=window).fit(data, device="cpu") for window in (False, True)
    )
    errors = [model.measure()[0].metrics["mse"] for model in (alone, beside)]
    assert errors[1] < errors[0]
    if apart:
        raw = RawRidge(seq_len=16, horizons=(4, 8)).fit(data, device="cpu").measure()[0].metrics
        for horizon in (4, 8):
            assert beside.measure()[0].metrics[f"mse@{horizon}"] <= raw[f"mse@{horizon}"] * (1 + 1e-5)


def test_channels_are_apart_for_forecasting_and_together_with_labels() -> None:
    rows = np.random.default_rng(0).normal(size=(200, 3))
    data = divide(Series.from_rows(rows, [200]), "ratio:0.6,0.2,0.2")
    model = TimeDRL(**SMALL, seq_len=16, horizons=(4,), max_epochs=1).fit(data, device="cpu")
    assert model.transform()["channel"].unique().sort().to_list() == ["c1", "c2", "c3"]
    labelled = TimeDRL(**SMALL, max_epochs=1).fit(windows(60), device="cpu")
    assert labelled.transform()["channel"].null_count() == labelled.data.n_entities


@pytest.mark.parametrize("architecture", ["tcn", "lstm", "resnet"])
def test_other_bodies_learn_too_and_survive_saving(architecture: str, tmp_path: Path) -> None:
    epochs: list[Any] = []
    model = TimeDRL(**SMALL, architecture=architecture, max_epochs=3, lr=3e-3)
    model.fit(windows(150), device="cpu", report=epochs.append)
    assert epochs[-1].losses["predictive"] < epochs[0].losses["predictive"]
    model.save(tmp_path / "m")
    assert SeriesModel.load(tmp_path / "m").transform().equals(model.transform())


@pytest.mark.parametrize("apart", [True, False])
def test_proportions_as_tokens_are_those_of_the_kernels(apart: bool, tmp_path: Path) -> None:
    settings = {**SMALL, "tokens": "proportions", "n_proportions": 168, "max_epochs": 1, "channel_independent": apart}
    read = ("instance", "mean", "std", "max", "proportions")
    data = windows(80)
    model = TimeDRL(**settings, features=read).fit(data, device="cpu")
    values, mask = model.take(slide(data, model.length), torch.arange(5))
    kernels, groups = model.network.kernels, model.network.geometry.n_groups
    assert kernels is not None
    assert groups == (len(data.channels) if apart else 1)
    seen = instance_norm(values, mask).values
    for g in range(groups):
        own = seen[:, :, [g]] if apart else seen
        expected = 2 * kernels.local_proportions(own, 4, 3) - 1
        torch.testing.assert_close(model.network.tokens(seen)[:, g], expected)
    encoding, features = model.encode(values, mask), model.features(values, mask)
    assert encoding.timestamps is not None
    assert features.shape == (5, groups * (4 * 8 + 168))
    torch.testing.assert_close(features[:, : groups * 8], encoding.instances.flatten(1))
    torch.testing.assert_close(features[:, groups * 8 : groups * 16], encoding.timestamps.mean(2).flatten(1))
    assert {"accuracy", "macro_f1"} <= model.measure()[1].metrics.keys()
    model.save(tmp_path / "m")
    assert torch.equal(TimeDRL.load(tmp_path / "m").features(values, mask), features)


def test_windows_of_another_length_are_encoded_without_being_cut() -> None:
    data = windows(60)
    for position in ("learnable", "fixed"):
        model = TimeDRL(**SMALL, max_epochs=1, position=position, window_step=48).fit(data, device="cpu")
        rows = data.values.numpy()[:200]
        other = model.transform(rows, length=67, level="timestamp", step=67)
        assert other.height == 2 * n_patches(67, 4, 3)
        assert model.transform(rows, length=48).equals(model.transform(rows))
        assert (
            model.predict(divide(Series.from_windows(rows[:198].reshape(2, 99, -1)), "random:1,0,0"), length=99).height
            == 2
        )
        with pytest.raises(InputError, match="at least 4 rows"):
            model.transform(rows, length=3)


@pytest.mark.parametrize("model_class", [TimeDRL, RandomEncoder])
@pytest.mark.parametrize("target", ["normalized", "raw"])
def test_reconstruction_is_the_predicted_patches_averaged_where_they_overlap(
    model_class: type[TimeDRL], target: str
) -> None:
    data = windows(60)
    model = model_class(**SMALL, max_epochs=1, target=target).fit(data, device="cpu")
    values, mask = model.take(slide(data, model.length), torch.arange(3))
    seen, net = instance_norm(values, mask), model.network
    pieces = net.reconstruct(model.vectors(values, mask)[:, 0, 1:]).unflatten(2, (-1, 4))
    sums, count = torch.zeros(3, 48 + 3, values.shape[2]), torch.zeros(48 + 3, 1)
    for k in range(pieces.shape[1]):
        sums[:, 3 * k : 3 * k + 4] += pieces[:, k].transpose(1, 2)
        count[3 * k : 3 * k + 4] += 1
    expected = (sums / count.clamp(min=1))[:, :48]
    if target == "normalized":
        expected = expected * seen.std.unsqueeze(1) + seen.mean.unsqueeze(1)
    torch.testing.assert_close(model.reconstruct(values, mask), expected, rtol=1e-4, atol=1e-5)


def test_labels_that_count_are_a_share_of_each_class_and_the_others_change_nothing(tmp_path: Path) -> None:
    data = windows(200)
    model = TimeDRL(**SMALL, max_epochs=1, label_share=0.25).fit(data, seed=4, device="cpu")
    _, codes = model.labelled(data, "train")
    everything = TimeDRL(**SMALL, max_epochs=1).fit(data, seed=4, device="cpu").labelled(data, "train")[1]
    for code in everything.unique():
        assert (codes == code).sum() == max(1, round(0.25 * int((everything == code).sum())))
    windows_used, _ = model.labelled(data, "train")
    other = data.labels.clone()
    spoiled = torch.ones(len(other), dtype=torch.bool)
    spoiled[windows_used.entities] = False
    spoiled &= data.rows_of("train")[data.offsets[:-1]]
    other[spoiled] = (other[spoiled] + 1) % len(data.classes)
    assert bool(spoiled.any())
    again = TimeDRL(**SMALL, max_epochs=1, label_share=0.25)
    again.fit(data, seed=4, device="cpu")
    again.bind(replace(data, labels=other))
    assert again.predict()["probability"].equals(model.predict()["probability"])
    model.save(tmp_path / "m")
    loaded = TimeDRL.load(tmp_path / "m")
    assert torch.equal(loaded.labelled(data, "train")[0].entities, windows_used.entities)


def test_finetuning_learns_classes_and_keeps_the_epoch_that_validation_likes_best() -> None:
    data = windows(300)
    reported: list[Any] = []
    settings = {**SMALL, "dropout": 0.0, "batch_size": 16, "max_epochs": 0, "patience": 20, "finetune_lr": 1e-2}
    model = TimeDRL(**settings, finetune_epochs=12).fit(data, seed=1, device="cpu", report=reported.append)
    losses = [epoch.valid["finetune"] for epoch in reported]
    best = losses.index(min(losses))
    assert min(losses) < 0.6 * losses[0]
    assert reported[-1].losses["classes"] < 0.6 * reported[0].losses["classes"]
    stopped = TimeDRL(**settings, finetune_epochs=best + 1).fit(data, seed=1, device="cpu")
    for name, value in stopped.encoder_state().items():
        assert torch.equal(value, model.encoder_state()[name]), name


def test_finetuning_comes_after_the_pretext_and_needs_labels() -> None:
    reported: list[Any] = []
    model = TimeDRL(**SMALL, max_epochs=2, finetune_epochs=1).fit(windows(60), device="cpu", report=reported.append)
    assert [(epoch.epoch, "classes" in epoch.losses) for epoch in reported] == [(1, False), (2, False), (3, True)]
    assert model.measure()
    with pytest.raises(InputError, match="no labels to learn from"):
        TimeDRL(**SMALL, seq_len=16, horizons=(2,), max_epochs=0, finetune_epochs=1).fit(
            np.random.default_rng(0).normal(size=(200, 2)), device="cpu"
        )


def test_random_encoder_is_the_same_network_untrained() -> None:
    data = windows(100)
    random = RandomEncoder(**SMALL).fit(data, seed=3, device="cpu")
    trained = TimeDRL(**SMALL, max_epochs=1, lr=1e-8).fit(data, seed=3, device="cpu")
    for name, value in random.encoder_state().items():
        if "running" not in name and "tracked" not in name:
            torch.testing.assert_close(value, trained.encoder_state()[name], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    "settings",
    [
        {"features": "proportions"},
        {"features": "middle"},
        {"n_heads": 3},
        {"kernel": 4},
        {"dropout": 1.0},
        {"horizons": "0"},
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        TimeDRL(**{"d_model": 8, **settings})


@pytest.mark.parametrize(("labelled", "target"), [(True, "raw"), (False, "normalized")])
def test_the_target_is_raw_where_there_are_labels(tmp_path: Path, labelled: bool, target: str) -> None:
    data = planted_series(n_windows=40, n_steps=16).series()
    if not labelled:
        data = replace(data, labels=torch.full_like(data.labels, -1), classes=())
    settings = {**SMALL, "max_epochs": 1}
    model = TimeDRL(**settings).fit(data, device="cpu")
    named = TimeDRL(**settings, target=target).fit(data, device="cpu")
    assert model.anomalies().equals(named.anomalies())
    other = {"raw": "normalized", "normalized": "raw"}[target]
    assert not model.anomalies().equals(TimeDRL(**settings, target=other).fit(data, device="cpu").anomalies())
    model.save(tmp_path / "m")
    scores = SeriesModel.load(tmp_path / "m").anomalies()["score"].to_numpy()
    assert scores == pytest.approx(model.anomalies()["score"].to_numpy())


def test_a_series_with_validation_rows_enough_for_intervals_is_measured() -> None:
    """Intervals then need no training window, and no window at all is what an encoder would be given."""
    rows = np.sin(np.arange(1_200)[:, None] / np.array([3.0, 7.0]))
    data = divide(Series.from_rows(rows.astype(np.float32), [1_200], name="long"), "rows:400,500,300")
    small = {"seq_len": 8, "horizons": (2,), "d_model": 8, "n_heads": 2, "n_layers": 1, "patch_len": 4, "stride": 4}
    model = RandomEncoder(**small).fit(data, device="cpu")
    assert {measured.split for measured in model.measure()} == {"valid", "test"}
    nothing = torch.zeros(0, 8, 2)
    assert model.encode(nothing, nothing.bool()).instances.shape == (0, 2, 8)

"""What is said of latents and embeddings: properties of windows, probes, effects, tables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from distaff.factors.latents.evidence import explain_series, explain_series_run, nats
from distaff.factors.latents.probes import Concept, probe
from distaff.factors.latents.properties import channel_properties, window_properties
from distaff.model.base import Session
from distaff.runs import training
from distaff.series.forecasting import Encoding
from distaff.series.latents import Codes, LatentRange
from distaff.series.model import SeriesModel
from distaff_data.datasets.series import Series
from distaff_data.planted.samples import sample_series
from distaff_data.splits.series import divide
from distaff_data.workspace import Workspace


class Known(SeriesModel):
    """Latents that are known: the level of each window, the size of its wave, and one that does nothing."""

    name = "known"

    def _fit_encoder(self, data: Series, session: Session) -> None:
        pass

    def encode(self, values: Tensor, mask: Tensor) -> Encoding:
        means = self.latents(values, mask).means
        b = len(values)
        return Encoding(
            means.unsqueeze(1), values.unsqueeze(1), values.new_zeros(b, values.shape[2]), values.new_ones(b, 1)
        )

    def latents(self, values: Tensor, mask: Tensor) -> Codes:
        found = channel_properties(values, mask)
        means = torch.stack([found["level"][:, 0], found["amplitude"][:, 0], torch.zeros(len(values))], 1)
        return Codes(means, torch.tensor([0.1, 0.1, 1.0]).expand_as(means))

    def decode(self, codes: Tensor) -> Tensor:
        t = torch.arange(self.length)
        return codes[:, :1, None] + codes[:, 1:2, None] * torch.cos(2 * torch.pi * (t - 15.5) / 8)[None, :, None]

    def noise_variance(self, codes: Tensor) -> Tensor:
        return codes.new_zeros(len(codes), 1)

    def segments(self) -> tuple[LatentRange, ...]:
        return (LatentRange("where", "free", 0, 1), LatentRange("rest", "free", 1, 3))

    def encoder_state(self) -> dict[str, Tensor]:
        return {}

    def load_encoder_state(self, tensors: Mapping[str, Tensor]) -> None:
        pass


def waves(n: int = 80) -> Series:
    rng = np.random.default_rng(0)
    t = np.arange(32)
    level, size = rng.normal(size=(n, 1)), rng.uniform(0.5, 2, (n, 1))
    return Series.from_windows((level + size * np.cos(2 * np.pi * (t - 15.5) / 8))[:, :, None], ["a", "b"] * (n // 2))


def test_properties_are_those_a_window_was_made_of() -> None:
    t = np.arange(48)
    made = [(2.0, 3.0, 1.5, 8), (-1.0, 0.0, 0.5, 16), (0.0, -2.0, 2.0, 2)]
    x = np.stack([a + b * (t / 47 - 0.5) + c * np.cos(2 * np.pi * t / p) for a, b, c, p in made])[:, :, None]
    values = torch.from_numpy(x)
    found = channel_properties(values, torch.ones_like(values, dtype=torch.bool))
    for i, (level, slope, amplitude, period) in enumerate(made):
        assert found["level"][i].item() == pytest.approx(level, abs=0.05)
        assert found["slope"][i].item() == pytest.approx(slope, abs=0.3)
        assert found["amplitude"][i].item() == pytest.approx(amplitude, rel=0.05)
        assert found["period"][i].item() == pytest.approx(period)
        assert found["variance"][i].item() == pytest.approx(0.0, abs=0.03)


def test_a_phase_is_that_of_the_middle_of_a_window() -> None:
    t, turns = np.arange(48), np.array([-0.4, 0.0, 0.2, 0.45])
    for period in (4, 8, 16):
        x = np.cos(2 * np.pi * ((t - 23.5) / period + turns[:, None]))
        values = torch.from_numpy(x[:, :, None])
        found = channel_properties(values, torch.ones_like(values, dtype=torch.bool))["phase"][:, 0]
        np.testing.assert_allclose(found, turns, atol=0.03)


def test_missing_values_change_no_property() -> None:
    values = torch.randn(3, 20, 2)
    mask = torch.rand(3, 20, 2) > 0.2
    first = window_properties(torch.where(mask, values, 0.0), mask, ("x", "y"))
    second = window_properties(torch.where(mask, values, 9.0), mask, ("x", "y"))
    apart = [f"{channel} {name}" for name in ("level", "slope", "phase") for channel in "xy"]
    assert list(first) == [*apart, "amplitude", "period", "variance"]
    for name, value in first.items():
        torch.testing.assert_close(second[name], value, rtol=1e-4, atol=1e-4)


def test_short_windows_have_no_waves() -> None:
    found = channel_properties(torch.randn(2, 3, 1), torch.ones(2, 3, 1, dtype=torch.bool))
    assert all(found[name].tolist() == [[0.0], [0.0]] for name in ("amplitude", "period", "phase"))


def test_probes_read_what_is_there_and_no_more_than_the_floor_of_what_is_not() -> None:
    rng = np.random.default_rng(0)
    codes, number = rng.integers(0, 3, 300), rng.normal(size=300)
    half = rng.permutation(300) % 2 == 0
    vectors = np.stack([codes == 1, codes == 2, number], 1) + 0.05 * rng.normal(size=(300, 3))
    known = probe("z", vectors, Concept("class", "instance", codes), half)
    assert known is not None
    assert known.measure == "accuracy"
    assert known.score > 0.95
    assert known.floor < 0.5
    assert known.chance == pytest.approx(np.bincount(codes).max() / 300, abs=0.05)
    exact = probe("z", vectors, Concept("number", "instance", number), half)
    assert exact is not None
    assert (exact.measure, exact.chance) == ("r2", 0.0)
    assert exact.score > 0.95
    noise = probe("noise", rng.normal(size=(300, 3)), Concept("number", "instance", number), half)
    assert noise is not None
    assert max(noise.score, exact.floor) < 0.1


def test_patches_are_probed_together_and_windows_patch_by_patch() -> None:
    rng = np.random.default_rng(1)
    patches = rng.normal(size=(100, 5, 4))
    half = np.arange(100) % 2 == 0
    value = Concept("value", "timestamp", patches[:, :, 0])
    own = probe("timestamp", patches, value, half)
    whole = probe("instance", patches.mean(1), value, half)
    assert own is not None
    assert whole is not None
    assert own.score > 0.95
    assert own.floor < 0.1
    assert whole.score < 0.5
    codes = Concept("class", "instance", (patches[:, :, 1].mean(1) > 0).astype(int))
    votes = probe("timestamp", patches, codes, half)
    assert votes is not None
    assert votes.score > votes.floor + 0.1


def test_too_few_windows_or_a_concept_that_never_varies_are_not_probed() -> None:
    half = np.arange(30) % 2 == 0
    assert probe("z", np.ones((10, 2)), Concept("class", "instance", np.arange(10)), half[:10]) is None
    assert probe("z", np.ones((30, 2)), Concept("class", "instance", np.zeros(30, int)), half) is None


def test_information_is_a_divergence_or_an_entropy() -> None:
    gaussian = Codes(torch.zeros(4, 2), torch.tensor([1.0, 0.25]).expand(4, 2))
    assert nats(gaussian) == pytest.approx([0.0, 0.5 * (0.25 - 1 - np.log(0.25))])
    turned = Codes(torch.tensor([[0.0, -3.0], [0.0, 3.0]]), torch.tensor([[1.0, 1e-4], [1.0, 1e-2]]), n_angles=1)
    entropies = 0.5 * np.log(2 * np.pi * np.e * np.array([1e-4, 1e-2]))
    assert nats(turned) == pytest.approx([0.0, np.log(2 * np.pi) - entropies.mean()])
    quantised = Codes(torch.tensor([[0.0, 1.0], [0.0, 2.0], [0.0, 1.0], [0.0, 2.0]]), torch.zeros(4, 2))
    assert nats(quantised) == pytest.approx([0.0, np.log(2)])


def test_known_latents_are_told_apart_named_and_seen_to_do_what_they_do() -> None:
    model = Known().fit(waves(), device="cpu")
    found = explain_series(model)
    level, size, nothing = found.report.factors
    assert (level.name, size.name, nothing.name) == ("level", "amplitude", "unnamed")
    assert [f.segment for f in found.report.factors] == ["where", "rest", "rest"]
    assert [f.state for f in found.report.factors] == ["active", "active", "passive"]
    assert found.report.active == 2
    assert nothing.effect == 0.0
    assert nothing.activity == pytest.approx(0.0, abs=1e-9)
    assert nothing.card is None
    assert any("passive" in warning for warning in nothing.warnings)
    assert size.card is not None
    assert size.card.headline is not None
    assert size.card.headline.effect > 1
    cells = {(p.representation, p.concept): p.score for p in found.report.leakage}
    assert cells["where", "level"] > 0.95
    assert cells["rest", "level"] < 0.2
    assert cells["rest", "amplitude"] > 0.95
    assert ("timestamp", "position") in cells
    assert ("instance", "position") not in cells
    assert found.interventions is not None
    moved = found.interventions.traversal(0)
    assert moved.windows.shape == (len(moved.ladder.levels), 32, 1)
    assert bool((moved.windows.mean((1, 2)).diff() > 0).all())


class Turning(Known):
    """One latent, the phase of each window's wave."""

    name = "turning"

    def latents(self, values: Tensor, mask: Tensor) -> Codes:
        means = 2 * torch.pi * channel_properties(values, mask)["phase"]
        return Codes(means, torch.full_like(means, 0.01), n_angles=1)

    def decode(self, codes: Tensor) -> Tensor:
        t = torch.arange(self.length)
        return torch.cos(2 * torch.pi * (t - 15.5) / 8 + codes[:, :1]).unsqueeze(2)

    def segments(self) -> tuple[LatentRange, ...]:
        return (LatentRange("turn", "free", 0, 1),)


def test_an_angle_is_named_after_the_phase_that_it_turns() -> None:
    phases = np.random.default_rng(0).uniform(-np.pi, np.pi, (80, 1))
    x = np.cos(2 * np.pi * (np.arange(32) - 15.5) / 8 + phases)
    model = Turning().fit(Series.from_windows(x[:, :, None], ["a", "b"] * 40), device="cpu")
    (turn,) = explain_series(model).report.factors
    assert turn.name == "phase"
    assert turn.card is not None
    assert turn.card.headline is not None
    # Nearly a whole turn, in units of the deviation of a phase of which nothing is known.
    assert turn.card.headline.effect == pytest.approx(0.97 * 12**0.5, rel=0.05)
    assert turn.card.headline.consistency == 1.0


def test_a_run_writes_every_table_and_other_seeds_count_whatever_their_sign(tmp_path: Path) -> None:
    workspace = Workspace.create(tmp_path / "ws")
    sample_series(workspace, "planted", False, {"n_windows": 160, "n_steps": 24, "n_channels": 2})
    settings = {"encoder": "wave", "decoder": "wave", "segments": "class:2,free:3", "max_epochs": 3, "batch_size": 32}
    made = [
        training.train(workspace, "dts", "planted", settings=settings, seed=seed, device="cpu").run for seed in (0, 1)
    ]
    report = explain_series_run(workspace, made[0])
    assert report.seeds_compared == 1
    tables = {
        "factors": 5,
        "factor_summaries": 1,
        "factor_stability": 5,
        "loadings": 160 * 0.3,
    }
    for table, rows in tables.items():
        assert _count(workspace, table, made[0]) == pytest.approx(rows, abs=2), table
    for table in ("factor_effects", "factor_ladders", "factor_histograms", "factor_examples", "factor_dependences"):
        assert _count(workspace, table, made[0]) > 0, table
    values = workspace.warehouse.rows('SELECT "values" FROM traversals WHERE run = ?', [made[0]])
    assert {len(row["values"]) for row in values} == {24}
    rebuilt = workspace.warehouse.rows(
        "SELECT id, channel, measured, noise FROM reconstructions WHERE run = ?", [made[0]]
    )
    assert {row["channel"] for row in rebuilt} == {"c1", "c2"}
    assert {len(row["measured"]) for row in rebuilt} == {24}
    assert all(row["noise"] > 0 for row in rebuilt)
    concepts = workspace.warehouse.rows("SELECT DISTINCT concept FROM leakage WHERE run = ?", [made[0]])
    assert {"class", "planted level", "value", "variance"} <= {row["concept"] for row in concepts}
    partners = workspace.warehouse.rows("SELECT partner FROM factor_stability WHERE run = ?", [made[0]])
    assert {row["partner"] for row in partners} <= set(range(5))
    explain_series_run(workspace, made[0])
    assert _count(workspace, "factors", made[0]) == 5  # replaced, not added


def test_a_model_without_latents_has_a_leak_matrix_alone(tmp_path: Path) -> None:
    workspace = Workspace.create(tmp_path / "ws")
    sample_series(workspace, "planted", False, {"n_windows": 160, "n_steps": 24, "n_channels": 2})
    run = training.train(
        workspace, "timedrl", "planted", settings={"max_epochs": 1, "d_model": 8}, seed=0, device="cpu"
    ).run
    report = explain_series_run(workspace, run)
    assert report.factors == []
    assert {p.representation for p in report.leakage} == {"instance", "timestamp"}
    assert _count(workspace, "leakage", run) == len(report.leakage)


def _count(workspace: Workspace, table: str, run: str) -> int:
    return int(workspace.warehouse.rows(f"SELECT count(*) AS n FROM {table} WHERE run = ?", [run])[0]["n"])


def test_windows_of_long_series_are_the_unseen_ones_and_halves_are_spans_of_time() -> None:
    rows = np.random.default_rng(0).normal(size=(3000, 1)).cumsum(0)
    data = divide(Series.from_rows(rows, [1500, 1500], groups=["g", "h"]), "ratio:0.4,0.2,0.4")
    model = Known(seq_len=32).fit(data, device="cpu")
    encoded = explain_series(model).encoded
    starts = encoded.windows.starts
    assert bool((data.splits[starts + 31] > 0).all())
    for entity in (0, 1):
        own = encoded.windows.entities == entity
        first, second = starts[own][encoded.first_half[own.numpy()]], starts[own][~encoded.first_half[own.numpy()]]
        assert int(first.max()) < int(second.min())
        assert abs(len(first) - len(second)) <= 1

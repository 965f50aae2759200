"""Effect cards on a toy decoder whose effects are known, and the control that must give none."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from distaff.factors.effects import Ladder, compare_effects, effect_card, effects_of, headline_of, on_ladder

Floats = NDArray[np.float64]

STEPS = np.linspace(-1.0, 1.0, 24)


def decode(codes: Floats) -> Floats:
    """Series ``(B, 24)``: factor 0 is the level, 1 the slope, 2 the amplitude of a wave; nothing else."""
    wave = np.sin(np.pi * 4 * STEPS)
    return codes[:, :1] + codes[:, 1:2] * STEPS + codes[:, 2:3] * wave


def properties(series: Floats) -> Mapping[str, Floats]:
    """Level, slope and wave by least squares, which tell the three apart exactly."""
    design = np.stack([np.ones_like(STEPS), STEPS, np.sin(np.pi * 4 * STEPS)], axis=1)
    found = np.linalg.lstsq(design, series.T, rcond=None)[0]
    return {"level": found[0], "slope": found[1], "wave": found[2]}


def test_a_factor_that_controls_only_the_slope_is_specific_to_it() -> None:
    codes = np.random.default_rng(0).normal(size=(100, 3))
    card = effect_card(codes, 1, Ladder.from_values(codes[:, 1]), decode, properties)
    assert card.headline is not None
    assert card.headline.property == "slope"
    assert card.headline.specificity is not None
    assert card.headline.specificity > 0.95
    assert card.headline.consistency == 1.0
    expected = np.quantile(codes[:, 1], 0.99) - np.quantile(codes[:, 1], 0.01)
    assert card.headline.effect == pytest.approx(expected)
    others = [effect for effect in card.effects if effect.property != "slope"]
    assert all(e.low <= 1e-9 and e.high >= -1e-9 and not e.holds for e in others)


def test_noise_in_the_decoder_gives_the_other_properties_no_effect() -> None:
    rng = np.random.default_rng(1)
    codes = rng.normal(size=(200, 3))

    def noisy(z: Floats) -> Floats:
        return decode(z) + 0.5 * rng.normal(size=(len(z), 24))

    card = effect_card(codes, 1, Ladder.from_values(codes[:, 1]), noisy, properties)
    assert [effect.property for effect in card.effects if effect.holds] == ["slope"]


def test_a_property_that_goes_around_is_followed_past_a_turn() -> None:
    codes = np.random.default_rng(3).normal(size=(100, 3))

    def turned(z: Floats) -> Mapping[str, Floats]:
        angle = z[:, 0] + 0.3 * z[:, 1]
        return {"angle": angle - np.round(angle), "other": z[:, 2]}

    card = effect_card(codes, 1, Ladder.from_values(codes[:, 1]), lambda z: z, turned, periods={"angle": 1.0})
    assert card.headline is not None
    assert card.headline.property == "angle"
    span = np.quantile(codes[:, 1], 0.99) - np.quantile(codes[:, 1], 0.01)
    assert card.headline.effect == pytest.approx(0.3 * span)
    assert card.headline.effect > 1.0
    assert card.means[0, 0] == 0.0


def test_a_permuted_factor_gives_no_card() -> None:
    rng = np.random.default_rng(2)
    codes = rng.normal(size=(100, 3))
    ladder = Ladder.from_values(codes[:, 1])
    rungs = []
    for level in ladder.levels:
        moved = codes.copy()
        moved[:, 1] = level
        rungs.append(np.stack(list(properties(decode(moved)).values()), axis=1))
    values = np.stack(rungs)
    cards = 0
    for trial in range(40):
        order = np.random.default_rng(trial).permuted(np.tile(np.arange(len(values))[:, None], (1, 100)), axis=0)
        permuted = values[order, np.arange(100)]
        cards += compare_effects(permuted, ("level", "slope", "wave"), ladder, seed=trial).headline is not None
    assert cards <= 6  # 5 % of 40 are expected; 7 or more happen once in 300 times


def test_effects_alone_are_those_of_the_card() -> None:
    codes = np.random.default_rng(4).normal(size=(50, 3))
    ladder = Ladder.from_values(codes[:, 1])
    values, names = on_ladder(codes, 1, ladder, decode, properties)
    card = effect_card(codes, 1, ladder, decode, properties, n_factors=3, seed=7)
    assert effects_of(values, names, ladder, n_factors=3, seed=7) == card.effects
    assert headline_of(card.effects) == card.headline
    assert card.headline is not None


def test_a_factor_that_does_nothing_gives_no_card() -> None:
    codes = np.random.default_rng(3).normal(size=(50, 4))
    assert effect_card(codes, 3, Ladder.from_values(codes[:, 3]), decode, properties).headline is None


def test_magnitudes_take_no_part_in_specificity() -> None:
    codes = np.random.default_rng(4).normal(size=(50, 3))

    def with_size(series: Floats) -> Mapping[str, Floats]:
        return {**properties(series), "size": np.abs(series).max(1) * 100}

    card = effect_card(codes, 1, Ladder.from_values(codes[:, 1]), decode, with_size, magnitudes={"size"})
    assert card.headline is not None
    assert card.headline.specificity == pytest.approx(1.0)
    assert card.effects[-1].property == "size"
    assert card.effects[-1].specificity is None


def test_a_ladder_marks_what_nobody_reaches() -> None:
    values = np.random.default_rng(5).uniform(-1, 1, 1000)
    ladder = Ladder.from_values(values)
    assert ladder.labels == ("-6 sd", "-3 sd", "1 %", "10 %", "25 %", "50 %", "75 %", "90 %", "99 %", "+3 sd", "+6 sd")
    assert ladder.out_of_range.tolist() == [True, True, *[False] * 7, True, True]
    assert (np.diff(ladder.levels) > 0).all()


def _page(seed: int, effect: float, n_factors: int) -> list[str | None]:
    """Headlines of a page of cards: noise over 20 properties for 80 examples, of which ``effect`` moves one a factor."""
    rng = np.random.default_rng(seed)
    ends = Ladder(np.array([0.0, 1.0]), ("low", "high"), np.ones(2, dtype=bool), np.zeros(2, dtype=bool))
    found: list[str | None] = []
    for k in range(12):
        values = rng.normal(size=(2, 80, 20))
        values[1, :, k] += effect
        effects = effects_of(values, tuple(map(str, range(20))), ends, n_factors=n_factors, seed=seed * 100 + k)
        headline = headline_of(effects)
        found.append(None if headline is None else headline.property)
    return found


def test_a_page_of_factors_that_do_nothing_has_no_card() -> None:
    pages = [sum(h is not None for h in _page(seed, 0.0, 12)) for seed in range(40)]
    assert sum(cards > 0 for cards in pages) <= 4  # of 40; 2 are expected
    alone = [sum(h is not None for h in _page(seed, 0.0, 1)) for seed in range(40)]
    assert sum(cards > 0 for cards in alone) >= 10  # and each card for itself would have some on every third page


def test_true_effects_hold_among_many_factors() -> None:
    assert _page(0, 1.5, 12) == [str(k) for k in range(12)]

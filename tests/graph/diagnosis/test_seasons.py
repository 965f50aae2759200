"""Daily profiles: learned from days that agree, by the clock and not by rows."""

from __future__ import annotations

import numpy as np

from distaff_graph.diagnosis.seasons import Seasons

DAY = 86_400.0


def days(n: int, *, step: float = 300.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Times, and rows of a daily wave, noise, a drift and a wave that is not daily."""
    times = step * np.arange(int(n * DAY / step))
    noise = 0.3 * np.random.default_rng(seed).standard_normal((len(times), 4))
    turn = 2 * np.pi * times / DAY
    waves = np.stack([3 * np.sin(turn + 1), 0 * turn, 5 * times / DAY, 3 * np.sin(turn / 1.53)], axis=1)
    return times, waves + noise


def test_a_daily_wave_is_taken_off_and_nothing_else() -> None:
    times, rows = days(4)
    seasons = Seasons(4)
    early = times < 2 * DAY
    assert not seasons.learn(times[early], rows[early])
    assert seasons.without(times, rows) is rows
    assert seasons.learn(times[~early], rows[~early])
    rest = seasons.without(times, rows)
    assert rest[:, 0].std() < 0.5 < rows[:, 0].std()
    np.testing.assert_array_equal(rest[:, 1:], rows[:, 1:])


def test_gaps_and_batches_change_nothing_but_what_they_lack() -> None:
    times, rows = days(4)
    whole, parted = Seasons(4), Seasons(4)
    whole.learn(times, rows)
    for start in range(0, len(times), 37):
        again = Seasons(4)
        again.load_state(parted.state())
        parted = again
        parted.learn(times[start : start + 37], rows[start : start + 37])
    np.testing.assert_allclose(whole.without(times, rows), parted.without(times, rows), atol=1e-9)
    kept = np.random.default_rng(1).random(len(times)) < 0.7
    gappy = Seasons(4)
    gappy.learn(times[kept], rows[kept])
    assert np.abs(gappy.without(times, rows) - whole.without(times, rows)).max() < 0.6


def weeks(n: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Times, and rows of a day that is another at weekends, a day that is always the same, and noise."""
    times, step = 600.0 * np.arange(int(n * 7 * DAY / 600)), 600.0
    wave = np.sin(2 * np.pi * times / DAY) * 3
    weekend = np.floor(times / DAY) % 7 >= 5
    noise = 0.3 * np.random.default_rng(seed).standard_normal((len(times), 3))
    assert step * len(times) == n * 7 * DAY
    return times, np.stack([np.where(weekend, 0.2 * wave - 4.0, wave), wave, 0 * wave], axis=1) + noise


def test_a_weekend_is_taken_off_once_two_weeks_agree_and_a_day_stays_a_day() -> None:
    times, rows = weeks(4)
    seasons = Seasons(3)
    for start in range(0, len(times), 48):
        seasons.learn(times[start : start + 48], rows[start : start + 48])
    assert seasons.state()["week_profile"].any(0).tolist() == [True, False, False]
    rest = seasons.without(times, rows)
    assert rest[:, 0].std() < 0.6
    assert rest[:, 1].std() < 0.6
    assert rest[:, 2].std() < 0.6


def test_noise_alone_is_hardly_ever_seasonal() -> None:
    found = 0
    for seed in range(5):
        times, _ = weeks(4)
        seasons = Seasons(40)
        seasons.learn(times, np.random.default_rng(seed).standard_normal((len(times), 40)))
        found += int(sum(seasons.state()[name].any(0).sum() for name in ("profile", "week_profile")))
    assert found <= 2  # of 400


def test_an_hour_that_a_week_lacks_is_that_of_its_other_days() -> None:
    times, rows = weeks(4)
    hour = np.floor(times / 3600.0)
    kept = (hour < 200) | (hour >= 210)  # a fault of ten hours in the second week
    seasons, whole = Seasons(3), Seasons(3)
    seasons.learn(times[kept], rows[kept])
    whole.learn(times, rows)
    assert seasons.state()["week_profile"][:, 0].any()
    gap = np.abs(seasons.without(times, rows) - whole.without(times, rows))[:, 0]
    assert gap.max() < 4.0
    assert np.median(gap) < 0.5


def test_a_state_from_before_weeks_goes_on() -> None:
    times, rows = days(4)
    seasons, again = Seasons(4), Seasons(4)
    half = len(times) // 2
    seasons.learn(times[:half], rows[:half])
    again.load_state({name: value for name, value in seasons.state().items() if not name.startswith("week_")})
    assert again.learn(times[half:], rows[half:])

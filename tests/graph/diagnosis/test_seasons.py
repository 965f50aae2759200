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

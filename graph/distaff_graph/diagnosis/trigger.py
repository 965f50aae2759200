"""When did it start: multivariate singular spectrum analysis with a cumulative sum, row by row.

The last L values of every metric are the columns of a matrix, all metrics side by side. In the normal state those columns
lie near a subspace of few dimensions, spanned by the leading left singular vectors of the base window's lag matrices
Z = [H_1 | ... | H_M], L x (K M). For each new row

    D(t) = (1/M) sum_m |P z_m(t)| / sqrt(L) - c,    y(t) = max(0, y(t-1) + D(t)),    alarm when y(t) >= h,

where z_m(t) is metric m's column, P projects onto the complement of the subspace, c is the mean and ``k`` standard
deviations of the residual on the tail of the base window, and h is ``height`` times the largest sum met there (Alanqary,
Alomar & Shah, NeurIPS 2021: the delay grows with h, the time to a false alarm exponentially). The lags are side by side and
not on top of each other: with M L-dimensional vectors a drift of a single metric already leaves the subspace.

The paper adds up squared norms. Norms instead keep one metric's spike, of which idle services are full, from outweighing all
others, and let a change that many metrics show add up; so does counting no value beyond 10 standard deviations.

A level that shifts and stays is a constant lag vector, which lies in the subspace. Of most metrics that is as it should be:
memory fills and load wanders in the normal state too. The KPI is the metric whose level tells that something is wrong, so
its own sum is kept beside the other: of |z(t)| / reach - c, where z is its lag vector, the reach is the largest norm of that
in the first part of the base window, and c is never below 1.

An alarm comes after the change: the sum first has to grow. The change is put L - 1 rows before the sum last left 0, since
rows of the incident among the normal ones spoil every comparison with the normal, and the reverse does no harm.

Only L x L second moments, M scales and the last L - 1 rows are kept. After an alarm the base window begins anew with the
rows that follow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from distaff.incidents.streams import Alarm
from distaff_data.arrays import Floats

_TAIL = 0.4  # share of the base window, its end, that calibrates the threshold
_LEAST_BASE = 4  # windows of L rows that a base has at least
_EXACT = 1e-3  # of a metric's size: a deviation from a constant
_CLIP = 10.0  # standard deviations that a value counts at most


@dataclass(frozen=True)
class TriggerSettings:
    """The tuning of the trigger; see the module.

    Attributes:
        window: L, rows of one lag vector.
        rank: Dimensions of the normal subspace.
        slack: k, standard deviations above the mean residual that are still normal.
        height: Alarm when the sum reaches this many times the largest sum of the base's tail.
    """

    window: int = 10
    rank: int = 5
    slack: float = 3.0
    height: float = 5.0


class Trigger:
    """The trigger over rows of M metrics: :meth:`rebase` with normal rows, then :meth:`update` with what follows.

    Args:
        kpi: Position of the metric whose level counts; None if there is none.
        settings: The tuning.
    """

    def __init__(self, kpi: int | None = None, settings: TriggerSettings | None = None) -> None:
        self.kpi, self.settings = kpi, settings or TriggerSettings()
        self.armed = False
        self._state: dict[str, Floats] = {}

    def rebase(self, rows: Floats) -> None:
        """Learn what is normal from complete rows ``(n, M)``; too few rows leave the trigger off.

        The first part of the rows gives the subspace, the rest the threshold.
        """
        settings = self.settings
        self.armed = len(rows) >= _LEAST_BASE * settings.window
        if not self.armed:
            return
        cut = max(round(len(rows) * (1 - _TAIL)), 2 * settings.window)
        mean, spread = rows[:cut].mean(0), rows[:cut].std(0)
        moving = spread > 1e-9 * np.maximum(np.abs(mean), 1e-300)
        # A metric that rests has no subspace; it takes part once it has moved in a later base. Its level is exact.
        scale = np.where(moving, 1 / np.where(moving, spread, 1.0), 1 / np.maximum(_EXACT * np.abs(mean), 1e-12))
        standard = np.clip((rows - mean) * scale, -_CLIP, _CLIP)
        gram = _gram(standard[:cut], settings.window)
        rest = np.linalg.eigh(gram)[1][:, : settings.window - settings.rank]  # eigenvalues rise: the small ones
        self._state = {"mean": mean, "scale": scale, "moving": moving.astype(float), "rest": rest}
        self._state |= {"reach": np.maximum(self._level(standard[:cut]).max(), 1.0)}
        self._state |= {"last": rows[cut - settings.window + 1 : cut]}
        tail = self._departures(rows[cut:])
        level = np.maximum(tail.mean(0) + settings.slack * tail.std(0), [0.0, 1.0])
        highest = _sums(tail - level, np.zeros(2)).max(0)
        # Where the tail never rose above its level; a KPI that is out by its reach again for a window is an alarm at least.
        least = np.array([settings.slack * tail[:, 0].std() + 1e-12, settings.window / settings.height])
        self._state |= {"level": level, "height": settings.height * np.maximum(highest, least)}
        self._state |= {"sum": np.zeros(2), "rising": np.zeros(2)}

    @property
    def suspect(self) -> int:
        """Number of the latest rows that would belong to an incident if the alarm went off now."""
        return int(self._state["rising"].max()) + self.settings.window - 1 if self.armed else 0

    def update(self, rows: Floats) -> Alarm | None:
        """Return the first alarm in the next rows ``(n, M)``, None if there is none."""
        if not self.armed or not len(rows):
            return None
        sums = _sums(self._departures(rows) - self._state["level"], self._state["sum"])
        over = np.flatnonzero((sums >= self._state["height"]).any(1))
        row = int(over[0]) if len(over) else len(rows) - 1
        calm = np.where(sums[: row + 1] <= 0, np.arange(1, row + 2)[:, None], -self._state["rising"]).max(0)
        self._state |= {"sum": sums[-1], "rising": row + 1 - calm}
        return Alarm(row, row + 1 - self.suspect) if len(over) else None

    def state(self) -> dict[str, Floats]:
        """Return the state, by name; its size does not depend on how many rows it has seen."""
        return {name: np.asarray(value) for name, value in self._state.items()}

    def load_state(self, tensors: Mapping[str, Floats]) -> None:
        """Go on from what :meth:`state` gave."""
        self._state = {name: np.array(value) for name, value in tensors.items()}
        self.armed = bool(self._state)

    def _departures(self, rows: Floats) -> Floats:
        """Return how far each row is out, of the subspace and in the KPI's level ``(n, 2)``; keeps the last L - 1 rows."""
        state, window = self._state, self.settings.window
        joined = np.vstack([state["last"], rows])
        state["last"] = joined[len(joined) - window + 1 :].copy()
        standard = np.clip((joined - state["mean"]) * state["scale"], -_CLIP, _CLIP)
        lagged = np.lib.stride_tricks.sliding_window_view(standard, window, axis=0)  # (n, M, L), a view
        projected = np.einsum("nml,lp->nmp", lagged, state["rest"], optimize=True)
        norms = np.sqrt((projected**2).sum(2) / window) @ state["moving"]
        return np.column_stack([norms / max(state["moving"].sum(), 1), self._level(standard) / state["reach"]])

    def _level(self, standard: Floats) -> Floats:
        """Return the norm ``(n,)`` of the KPI's lag vectors in standardised rows ``(n + L - 1, M)``; zeros without a KPI."""
        window = self.settings.window
        kpi = np.zeros(len(standard)) if self.kpi is None else standard[:, self.kpi]
        norms: Floats = np.sqrt((np.lib.stride_tricks.sliding_window_view(kpi, window) ** 2).mean(1))
        return norms


def _gram(rows: Floats, window: int) -> Floats:
    """Return Z Z', ``(L, L)``, of the Hankel matrices of all metrics side by side, without building them."""
    lagged = np.lib.stride_tricks.sliding_window_view(rows, window, axis=0)
    gram: Floats = np.stack([np.einsum("nm,nml->l", lagged[:, :, i], lagged) for i in range(window)])
    return gram


def _sums(gains: Floats, start: Floats) -> Floats:
    """Return cumulative sums that never fall below 0, ``(n, 2)``: the running total over its own running minimum."""
    total = start + np.cumsum(gains, axis=0)
    sums: Floats = total - np.minimum(np.minimum.accumulate(total), 0.0)
    return sums

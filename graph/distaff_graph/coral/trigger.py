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

An alarm comes after the change: the sum first has to grow. The change is put L - 1 rows before the sum last left 0, since
rows of the incident among the normal ones spoil every comparison with the normal, and the reverse does no harm.

Only L x L second moments, M scales and the last L - 1 rows are kept. After an alarm the base window begins anew with the
rows that follow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

_TAIL = 0.4  # share of the base window, its end, that calibrates the threshold
_LEAST_BASE = 4  # windows of L rows that a base has at least
_CLIP = 10.0  # standard deviations that a value counts at most


@dataclass(frozen=True)
class TriggerSettings:
    """How the trigger is tuned; see the module.

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


@dataclass(frozen=True)
class Alarm:
    """An incident that was found.

    Attributes:
        row: Row in which the sum passed its threshold, counted from the first row of the batch.
        start: Row from which the incident may have begun; negative in a batch before this one.
    """

    row: int
    start: int


class Trigger:
    """Watches rows of M metrics; :meth:`rebase` with normal rows, then :meth:`update` with what follows."""

    def __init__(self, settings: TriggerSettings | None = None) -> None:
        self.settings = settings or TriggerSettings()
        self.armed = False
        self._state: dict[str, Array] = {}

    def rebase(self, rows: Array) -> None:
        """Learn what is normal from complete rows ``(n, M)``; too few rows leave the trigger off.

        The first part of the rows gives the subspace, the rest the threshold.
        """
        settings = self.settings
        self.armed = len(rows) >= _LEAST_BASE * settings.window
        if not self.armed:
            return
        cut = max(round(len(rows) * (1 - _TAIL)), 2 * settings.window)
        mean, spread = rows[:cut].mean(0), rows[:cut].std(0)
        # A metric that rests has no subspace; it takes part once a later base has seen it move.
        moving = spread > 1e-9 * np.maximum(np.abs(mean), 1e-300)
        scale = np.where(moving, 1 / np.where(moving, spread, 1.0), 0.0)
        standard = np.clip((rows - mean) * scale, -_CLIP, _CLIP)
        gram = _gram(standard[:cut], settings.window)
        rest = np.linalg.eigh(gram)[1][:, : settings.window - settings.rank]  # eigenvalues rise: the small ones
        self._state = {"mean": mean, "scale": scale, "rest": rest, "last": rows[cut - settings.window + 1 : cut]}
        residual = self._residuals(rows[cut:])
        level = residual.mean() + settings.slack * residual.std()
        highest = _sums(residual - level, 0.0).max()
        least = settings.slack * residual.std() + 1e-12  # where the tail never rose above its level
        self._state |= {"level": np.array(level), "height": np.array(settings.height * max(highest, least))}
        self._state |= {"sum": np.array(0.0), "rising": np.array(0.0)}

    @property
    def suspect(self) -> int:
        """How many of the latest rows would belong to an incident if the alarm went off now."""
        return int(self._state["rising"]) + self.settings.window - 1 if self.armed else 0

    def update(self, rows: Array) -> Alarm | None:
        """Take the next rows ``(n, M)``; returns the first alarm, None if there is none."""
        if not self.armed or not len(rows):
            return None
        sums = _sums(self._residuals(rows) - self._state["level"], float(self._state["sum"]))
        over = np.flatnonzero(sums >= self._state["height"])
        row = int(over[0]) if len(over) else len(rows) - 1
        calm = np.flatnonzero(sums[: row + 1] <= 0)
        rising = row - int(calm[-1]) if len(calm) else row + 1 + int(self._state["rising"])
        self._state |= {"sum": np.array(sums[-1]), "rising": np.array(float(rising))}
        return Alarm(row, row + 1 - self.suspect) if len(over) else None

    def tensors(self) -> dict[str, Array]:
        """The state, by name; its size does not depend on how long it has watched."""
        return {name: np.asarray(value) for name, value in self._state.items()}

    def restore(self, tensors: Mapping[str, Array]) -> None:
        """Take back what :meth:`tensors` gave."""
        self._state = {name: np.array(value) for name, value in tensors.items()}
        self.armed = bool(self._state)

    def _residuals(self, rows: Array) -> Array:
        """Mean norm of the residuals of each row's lag vectors ``(n,)``; remembers the last L - 1 rows."""
        state, window = self._state, self.settings.window
        joined = np.vstack([state["last"], rows])
        state["last"] = joined[len(joined) - window + 1 :].copy()
        standard = np.clip((joined - state["mean"]) * state["scale"], -_CLIP, _CLIP)
        lagged = np.lib.stride_tricks.sliding_window_view(standard, window, axis=0)  # (n, M, L), a view
        projected = np.einsum("nml,lp->nmp", lagged, state["rest"], optimize=True)
        moving = max(int((state["scale"] > 0).sum()), 1)
        norms: Array = np.sqrt((projected**2).sum(2) / window).sum(1) / moving
        return norms


def _gram(rows: Array, window: int) -> Array:
    """Z Z', ``(L, L)``, of the Hankel matrices of all metrics side by side, without building them."""
    lagged = np.lib.stride_tricks.sliding_window_view(rows, window, axis=0)
    gram: Array = np.stack([np.einsum("nm,nml->l", lagged[:, :, i], lagged) for i in range(window)])
    return gram


def _sums(gains: Array, start: float) -> Array:
    """Cumulative sums that never fall below 0, ``(n,)``: the running total over its own running minimum."""
    total = start + np.cumsum(gains)
    sums: Array = total - np.minimum(np.minimum.accumulate(total), 0.0)
    return sums

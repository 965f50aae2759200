"""Second moments of a metrics stream and its lags: all that the linear graph needs, in memory that never grows.

For every row the stacked vector s_t = [1, x_t, x_{t-1}, ..., x_{t-p}] is taken, and only the sum of s_t s_t^T is kept.
Any least-squares fit of one metric on others and their lags, its residual variance, partial correlations and
predictive errors follow from that matrix in closed form, whatever the length of the history it stands for.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from distaff_data.arrays import Floats


class LagMoments:
    """The running Gram matrix of ``n_metrics`` metrics, their lags and a constant.

    Args:
        n_metrics: M.
        n_lags: p, lags beside the present.

    Attributes:
        gram: ``(1 + (p + 1) M,)`` squared, float64: sum of s_t s_t^T, the constant first, then blocks of M by lag.
        tail: The last rows seen, at most ``(p, M)``; they are the lags of the next batch's first rows.
    """

    def __init__(self, n_metrics: int, n_lags: int) -> None:
        self.n_metrics, self.n_lags = n_metrics, n_lags
        size = 1 + (n_lags + 1) * n_metrics
        self.gram: Floats = np.zeros((size, size))
        self.tail: Floats = np.zeros((0, n_metrics))

    @property
    def n_rows(self) -> float:
        """Rows counted, those that had all their lags; less than an integer where older ones were faded."""
        return float(self.gram[0, 0])

    def update(self, rows: Floats, keep: float = 1.0) -> None:
        """Add consecutive rows ``(n, M)``; moments held before count ``keep`` of what they did."""
        stacked = self.stack(rows)
        self.gram *= keep
        self.gram += stacked.T @ stacked
        self.tail = self._joined(rows)[-self.n_lags :] if self.n_lags else self.tail

    def stack(self, rows: Floats) -> Floats:
        """Return the vectors s_t ``(n', 1 + (p + 1) M)`` of rows that follow the tail; n' < n where lags are missing."""
        joined = self._joined(rows)
        n = max(len(joined) - self.n_lags, 0)
        lagged = [joined[self.n_lags - lag : self.n_lags - lag + n] for lag in range(self.n_lags + 1)]
        return np.hstack([np.ones((n, 1)), *lagged])

    def follow(self) -> LagMoments:
        """Return empty moments of the rows that come next; their first lags are this one's tail."""
        after = LagMoments(self.n_metrics, self.n_lags)
        after.tail = self.tail.copy()
        return after

    def centred(self, mean: Floats) -> Floats:
        """Return the Gram matrix of [x_t - mean, ..., x_{t-p} - mean], ``((p + 1) M,)`` squared, for a ``mean`` ``(M,)``."""
        shift = np.tile(mean, self.n_lags + 1)
        total = self.gram[0, 1:]
        cross = np.outer(shift, total)
        centred: Floats = self.gram[1:, 1:] - cross - cross.T + self.n_rows * np.outer(shift, shift)
        return centred

    def mean(self) -> Floats:
        """Return the mean of the present rows, ``(M,)``; zeros before any row."""
        mean: Floats = self.gram[0, 1 : 1 + self.n_metrics] / max(self.n_rows, 1.0)
        return mean

    def state(self) -> dict[str, Floats]:
        """Return everything that the next update needs, by name."""
        return {"gram": self.gram, "tail": self.tail}

    def load_state(self, tensors: Mapping[str, Floats]) -> None:
        """Go on from what :meth:`state` gave."""
        self.gram, self.tail = np.array(tensors["gram"]), np.array(tensors["tail"])

    def _joined(self, rows: Floats) -> Floats:
        return np.vstack([self.tail, np.asarray(rows, float).reshape(-1, self.n_metrics)])

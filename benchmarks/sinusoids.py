"""A line and one wave fitted to each window by least squares: what is known by hand of windows that are made so.

Over a grid of frequencies every window is projected on 1, t, sin and cos; the frequency that leaves least is its own. The
four coefficients of the channels are one number each across windows, by the leading direction of the training windows: that
of sines and cosines is a complex one, z = A e^(i phase) times what mixes them into the channels. Seven numbers of a window:
level, slope, amplitude, cosine and sine of the phase, log period and log residual.
"""

from __future__ import annotations

import numpy as np

from distaff_data.arrays import Bools, Floats

_PER_BIN = 4  # frequencies tried for each of the window's own


def fitted(windows: Floats, train: Bools) -> Floats:
    """Return seven numbers of each window ``(n, T, C)``, ``(n, 7)``; directions are those of the windows in ``train``."""
    n, length, _ = windows.shape
    t = np.arange(length, dtype=np.float64)
    frequencies = np.arange(2 * _PER_BIN, length // 4 * _PER_BIN + 1) / (
        _PER_BIN * length
    )  # from two turns to four rows
    whole = (windows**2).sum((1, 2))
    left = np.stack([whole - _explained(windows, _design(t, f)) for f in frequencies], axis=1)
    best = left.argmin(1)
    coefficients = np.zeros((n, 4, windows.shape[2]))
    for place in np.unique(best):
        mine = best == place
        solve = np.linalg.pinv(_design(t, frequencies[place]))
        coefficients[mine] = np.einsum("kt,ntc->nkc", solve, windows[mine])
    wave = coefficients[:, 2] + 1j * coefficients[:, 3]
    along = np.linalg.svd(wave[train], full_matrices=False)[2][0]
    phasor = wave @ along.conj()
    level, slope = (_leading(coefficients[:, k], train) for k in range(2))
    rest = np.log(left[np.arange(n), best] + 1e-9 * (1 + whole))
    angle = np.angle(phasor)
    return np.stack(
        [level, slope, np.abs(phasor), np.cos(angle), np.sin(angle), -np.log(frequencies[best]), rest], axis=1
    )


def _design(t: Floats, frequency: float) -> Floats:
    angle = 2 * np.pi * frequency * t
    return np.stack([np.ones_like(t), t / len(t) - 0.5, np.sin(angle), np.cos(angle)], axis=1)


def _explained(windows: Floats, design: Floats) -> Floats:
    """Return the sum of squares of each window that lies in the design's span, ``(n,)``."""
    basis = np.linalg.qr(design)[0]
    within: Floats = (np.einsum("tk,ntc->nkc", basis, windows) ** 2).sum((1, 2))
    return within


def _leading(values: Floats, train: Bools) -> Floats:
    """Return the leading component of values ``(n, C)``, ``(n,)``."""
    middle = values[train].mean(0)
    component: Floats = (values - middle) @ np.linalg.svd(values[train] - middle, full_matrices=False)[2][0]
    return component

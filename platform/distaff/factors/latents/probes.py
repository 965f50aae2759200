"""Leakage: whether a linear probe reads from a representation what it should not know, or what it should.

A probe is fitted to half of the windows and scored on the other half, in turn; of series whose windows overlap, halves are
two spans of time in each entity. Beside each score stand what the commonest class or the mean would reach (``chance``),
and what the same probe reaches when the windows' concepts are shuffled (``floor``).
"""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from distaff.disentanglement.threads import one_thread
from distaff_data.arrays import Floats

Level = Literal["instance", "timestamp"]

_PENALTIES = np.logspace(-3, 4, 8)
_LEAST = 20  # windows in all, below which nothing is probed


@dataclass(frozen=True)
class Concept:
    """Something that windows have, or places in them.

    Attributes:
        name: Such as ``class``, ``level`` or ``value``.
        level: Whether a window has one, or every patch.
        values: float ``(n,)`` or ``(n, P)``, or integer codes ``(n,)`` of a nominal concept.
    """

    name: str
    level: Level
    values: NDArray[Any]

    @property
    def nominal(self) -> bool:
        """True where values are codes."""
        return self.values.dtype.kind in "iu"


@dataclass(frozen=True)
class Probe:
    """One cell of the leak matrix; the columns of the table ``leakage`` say what each number means."""

    representation: str
    concept: str
    level: Level
    measure: str
    score: float
    chance: float
    floor: float
    windows: int

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return asdict(self)


@one_thread()
def probe(name: str, vectors: Floats, concept: Concept, first_half: NDArray[np.bool_], seed: int = 0) -> Probe | None:
    """Return the score of a representation that is probed for a concept.

    Args:
        name: Of the representation.
        vectors: One a window ``(n, D)``, or one a patch ``(n, P, D)``.
        concept: What to look for. A window's is looked for in each of its patches, with one probe for all; a patch's is
            looked for in a window's vector with a probe for each patch.
        first_half: Which windows are in the first half, ``(n,)``.
        seed: Of the shuffle.

    Returns:
        None where there are fewer than 20 windows, or the concept does not vary in one of the halves.
    """
    values = concept.values
    if len(values) < _LEAST or any(_constant(values[rows]) for rows in (first_half, ~first_half)):
        return None
    x = _standardised(vectors)
    # A stream of its own: halves drawn with the same seed would divide the shuffled values in their old order.
    shuffled = np.random.default_rng([seed, 1]).permutation(values.ravel()).reshape(values.shape)
    score = _accuracy if concept.nominal else _r2
    chance = _majority(values, first_half) if concept.nominal else 0.0
    return Probe(
        name,
        concept.name,
        concept.level,
        "accuracy" if concept.nominal else "r2",
        score(x, values, first_half),
        chance,
        score(x, shuffled, first_half),
        len(values),
    )


def _constant(values: NDArray[Any]) -> bool:
    return not len(values) or bool(np.ptp(values) == 0)


def _standardised(vectors: Floats) -> Floats:
    rows = vectors.reshape(-1, vectors.shape[-1]).astype(np.float64)
    return np.asarray((vectors - rows.mean(0)) / np.maximum(rows.std(0), 1e-9))


def _majority(values: NDArray[Any], first_half: NDArray[np.bool_]) -> float:
    correct = [values[test] == np.bincount(values[~test]).argmax() for test in (first_half, ~first_half)]
    return float(np.concatenate(correct).mean())


def _accuracy(x: Floats, values: NDArray[Any], first_half: NDArray[np.bool_]) -> float:
    """Return the accuracy of logistic regression; a window's patches vote, each with its own probabilities."""
    from sklearn.exceptions import ConvergenceWarning  # seconds, for verbs that probe nothing
    from sklearn.linear_model import LogisticRegression

    correct = []
    for test in (first_half, ~first_half):
        rows, codes = _patches(x[~test], values[~test])
        if _constant(codes):  # a shuffle may leave a half without one of two classes
            correct.append(values[test] == codes[0])
            continue
        model = LogisticRegression(C=1.0, max_iter=200, tol=1e-3)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(rows, codes)
        log_p = model.predict_log_proba(_patches(x[test], values[test])[0])
        votes = log_p.reshape(int(test.sum()), -1, log_p.shape[1]).sum(1)
        correct.append(model.classes_[votes.argmax(1)] == values[test])
    return float(np.concatenate(correct).mean())


def _r2(x: Floats, values: Floats, first_half: NDArray[np.bool_]) -> float:
    """Return R2 of ridge regression, its penalty chosen in the fitted half; at least 0, which the mean reaches."""
    from sklearn.linear_model import RidgeCV

    errors, spread = 0.0, 0.0
    for test in (first_half, ~first_half):
        rows, targets = _patches(x[~test], values[~test])
        model = RidgeCV(_PENALTIES).fit(rows, targets)
        rows, truth = _patches(x[test], values[test])
        errors += float(((truth - model.predict(rows)) ** 2).sum())
        spread += float(((truth - targets.mean(0)) ** 2).sum())
    return max(1.0 - errors / max(spread, 1e-300), 0.0)


def _patches(x: Floats, values: NDArray[Any]) -> tuple[Floats, NDArray[Any]]:
    """Return rows and targets of the regression: one a patch where vectors are, otherwise one a window."""
    if x.ndim == 2:
        return x, values
    n_patches = x.shape[1]
    return x.reshape(-1, x.shape[2]), values.ravel() if values.ndim == 2 else np.repeat(values, n_patches)

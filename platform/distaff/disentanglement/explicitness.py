"""Explicitness: the accuracy of a linear predictor of each factor from the latents, on rows it was not fitted to.

Predictive V-information (Xu et al. 2020) with V the linear softmax, or for a continuous factor the linear Gaussian, where it
is R². Each half of the rows is predicted from the other. No class is weighted: against balanced weights the null
entropy would be log K whatever the classes' shares, and the result incomparable between factors.
"""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from distaff.disentanglement.inputs import Factor, Floats, Ints

# Almost no penalty, yet a finite optimum where classes can be separated without error.
_INVERSE_PENALTY = 1000.0
_MAX_ITERATIONS = 100
_SMALLEST = 1e-12  # probability: one row in a class of its own must not make a loss infinite


def halves(factor: Factor, seed: int) -> NDArray[np.bool_]:
    """Return the rows of the first half, bool ``(n,)``; every class of two rows or more is in both."""
    order = np.random.default_rng(seed).permutation(len(factor.codes))
    by_class = order[np.argsort(factor.codes[order], kind="stable")]
    first_half = np.empty(len(by_class), dtype=bool)
    first_half[by_class] = np.arange(len(by_class)) % 2 == 0
    return first_half


def held_out_losses(values: Floats, factor: Factor, seed: int) -> Floats:
    """Return the loss of each row by the best linear and by the best constant predictor of the other half.

    Args:
        values: Latents of mean 0 and variance 1, ``(n, J)``.
        factor: The target of the prediction.
        seed: Seed of the division into halves.

    Returns:
        ``(n, 2)``: cross-entropy in nats for a nominal factor, squared error for a continuous one.
    """
    first_half = halves(factor, seed)
    losses = np.zeros((len(values), 2))
    for test in (first_half, ~first_half):
        if factor.values is None:
            losses[test] = _softmax_losses(values, factor.codes, ~test, test)
        else:
            losses[test] = _gaussian_losses(values, factor.values, ~test, test)
    return losses


def _softmax_losses(values: Floats, classes: Ints, train: NDArray[np.bool_], test: NDArray[np.bool_]) -> Floats:
    """Cross-entropy ``(n_test, 2)``; 0 for both predictors in rows of a class that the training half lacks."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    labels, counts = np.unique(classes[train], return_counts=True)
    losses = np.zeros((int(test.sum()), 2))
    column = np.minimum(np.searchsorted(labels, classes[test]), labels.size - 1)
    seen = labels[column] == classes[test]
    column = column[seen]
    losses[seen, 1] = -np.log(counts[column] / counts.sum())
    if labels.size == 1 or values.shape[1] == 0:
        losses[seen, 0] = losses[seen, 1]
        return losses
    model = LogisticRegression(C=_INVERSE_PENALTY, max_iter=_MAX_ITERATIONS)
    with warnings.catch_warnings():
        # Where classes are separable the last digits of the loss take thousands of iterations.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(values[train], classes[train])
    probability = model.predict_proba(values[test][seen])
    losses[seen, 0] = -np.log(np.maximum(probability[np.arange(column.size), column], _SMALLEST))
    return losses


def _gaussian_losses(values: Floats, target: Floats, train: NDArray[np.bool_], test: NDArray[np.bool_]) -> Floats:
    """Squared errors ``(n_test, 2)`` of least squares and of the mean."""
    design = np.hstack([values, np.ones((len(values), 1))])
    weights = np.linalg.lstsq(design[train], target[train])[0]
    return np.stack([target[test] - design[test] @ weights, target[test] - target[train].mean()], 1) ** 2

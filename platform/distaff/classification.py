"""Classes from frozen encodings: logistic regression on standardised features, its strength chosen on validation."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, cohen_kappa_score, f1_score
from torch import Tensor

from distaff_data.errors import InputError

_STRENGTHS = (1e-3, 1e-2, 1e-1, 1.0, 10.0)  # inverse penalties, smallest first: of equals the first wins


@dataclass(frozen=True)
class Classifier:
    """Logistic regression.

    Attributes:
        weights: float32 ``(F, K)`` over features as they come; standardisation is multiplied in.
        bias: float32 ``(K,)``.
    """

    weights: Tensor
    bias: Tensor

    def probabilities(self, features: Tensor) -> Tensor:
        """Of each class, float32 ``(n, K)``."""
        return torch.softmax(features @ self.weights + self.bias, 1)

    def tensors(self) -> dict[str, Tensor]:
        """Both, by name."""
        return {"weights": self.weights, "bias": self.bias}


def fit_classifier(train: tuple[Tensor, Tensor], valid: tuple[Tensor, Tensor], n_classes: int) -> Classifier:
    """Fit to features ``(n, F)`` and codes ``(n,)``; the strength of least validation log loss, 1 when there is none.

    Raises:
        InputError: The training windows are of one class.
    """
    features, codes = train
    if torch.unique(codes).numel() < 2:
        raise InputError("the training windows are of one class; there is nothing to tell apart")
    mean, std = features.mean(0), features.std(0).clamp(min=1e-6)
    x = ((features - mean) / std).double().numpy()
    if not len(valid[1]):
        return _fit(x, codes.numpy(), 1.0, mean, std, n_classes)
    candidates = [_fit(x, codes.numpy(), strength, mean, std, n_classes) for strength in _STRENGTHS]
    return min(candidates, key=lambda candidate: _log_loss(candidate.probabilities(valid[0]), valid[1]))


def _log_loss(probabilities: Tensor, codes: Tensor) -> float:
    own = probabilities.gather(1, codes.unsqueeze(1))
    return -float(own.clamp(min=1e-12).log().mean())  # a class that training never had has no chance


def score_classes(codes: Tensor, predicted: Tensor) -> dict[str, float]:
    """Accuracy, macro-averaged F1 and Cohen's kappa."""
    truth, guess = codes.numpy(), predicted.numpy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # kappa of one class on both sides is 0 / 0
        kappa = float(np.nan_to_num(cohen_kappa_score(truth, guess)))
    return {
        "accuracy": float(accuracy_score(truth, guess)),
        "macro_f1": float(f1_score(truth, guess, average="macro", zero_division=0)),
        "kappa": kappa,
    }


def restored(tensors: Mapping[str, Tensor]) -> Classifier:
    """From what :meth:`Classifier.tensors` gave."""
    return Classifier(tensors["weights"], tensors["bias"])


def _fit(
    x: np.ndarray[tuple[int, int], np.dtype[np.float64]],
    codes: np.ndarray[tuple[int], np.dtype[np.int64]],
    strength: float,
    mean: Tensor,
    std: Tensor,
    n_classes: int,
) -> Classifier:
    model = LogisticRegression(C=strength, max_iter=300, tol=1e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(x, codes)
    coefficients, intercept = model.coef_, model.intercept_
    if len(model.classes_) == 2:  # scikit-learn keeps one row for two classes
        coefficients = np.concatenate([-coefficients / 2, coefficients / 2])
        intercept = np.concatenate([-intercept / 2, intercept / 2])
    weights = torch.zeros(x.shape[1], n_classes)
    bias = torch.full((n_classes,), -torch.inf)  # a class that training never had
    known = torch.from_numpy(model.classes_)
    weights[:, known] = torch.from_numpy(coefficients.T).float() / std.unsqueeze(1)
    bias[known] = torch.from_numpy(intercept).float() - mean @ weights[:, known]
    return Classifier(weights, bias)

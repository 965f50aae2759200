"""Classes from frozen encodings: by a linear head on standardised features, its penalty chosen on validation.

``logistic`` is logistic regression. ``ridge`` regresses +1 and -1 on the features of each class in closed form, as the
authors of MiniRocket do with thousands of features; what it gives is scaled into probabilities by one temperature. ``sgd``
is logistic regression by gradient descent with dropout on the features, its epoch chosen instead of a penalty. ``nearest``
is no linear head: the class of the nearest training window.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from distaff.series.heads.sgd import RowsAndLoss, SGDSettings, weights_by_epoch
from distaff_data.datasets.series import Series
from distaff_data.errors import InputError

Method = Literal["logistic", "ridge", "sgd", "nearest"]

_STRENGTHS = (1e-3, 1e-2, 1e-1, 1.0, 10.0)  # inverse penalties, smallest first: of equals the first wins
_PENALTIES = tuple(10.0**power for power in range(1, -6, -1))  # of a ridge, as parts of the Gram matrix's mean diagonal
_WITHOUT_VALIDATION = 1e-2
_AT_ONCE = 512  # windows whose distances are computed at a time
_TEMPERATURES = torch.logspace(-1, 2, 31)


class Classifier(Protocol):
    """A head that tells classes from features."""

    def probabilities(self, features: Tensor) -> Tensor:
        """Return the probability of each class, float32 ``(n, K)``, from features ``(n, F)``."""

    def state(self) -> dict[str, Tensor]:
        """Return its tensors by name."""


@dataclass(frozen=True)
class LinearClassifier:
    """A linear classifier.

    Attributes:
        weights: float32 ``(F, K)`` over features as they come; standardisation is multiplied in.
        bias: float32 ``(K,)``.
    """

    weights: Tensor
    bias: Tensor

    def probabilities(self, features: Tensor) -> Tensor:
        """Return the probability of each class, float32 ``(n, K)``."""
        return torch.softmax(features @ self.weights + self.bias, 1)

    def state(self) -> dict[str, Tensor]:
        """Return weights and bias by name."""
        return {"weights": self.weights, "bias": self.bias}


@dataclass(frozen=True)
class Nearest:
    """The class of the nearest of some features, in Euclidean distance.

    Attributes:
        features: float32 ``(m, F)``.
        codes: Their classes, int64 ``(m,)``.
        n_classes: K.
    """

    features: Tensor
    codes: Tensor
    n_classes: int

    def probabilities(self, features: Tensor) -> Tensor:
        """Return 1 for the class of the nearest, the first of equally near ones, and 0 for the others."""
        nearest = [torch.cdist(some, self.features).argmin(1) for some in features.split(_AT_ONCE)]
        return F.one_hot(self.codes[torch.cat(nearest)], self.n_classes).float()

    def state(self) -> dict[str, Tensor]:
        """Return all three by name."""
        return {"features": self.features, "codes": self.codes, "n_classes": torch.tensor(self.n_classes)}


def fit_classifier(
    train: tuple[Tensor, Tensor],
    valid: tuple[Tensor, Tensor],
    n_classes: int,
    method: Method = "logistic",
    sgd: SGDSettings | None = None,
) -> Classifier:
    """Fit to features ``(n, F)`` and codes ``(n,)``, with the penalty of least validation log loss, 1 when there is none.

    ``sgd`` has the settings of that method alone, whose epoch is chosen so, and is the last when there is no validation.

    Raises:
        InputError: The training windows are of one class.
    """
    features, codes = train
    if torch.unique(codes).numel() < 2:
        raise InputError("the training windows are of one class; there is nothing to tell apart")
    if method == "nearest":
        return Nearest(features, codes, n_classes)
    mean, std = features.mean(0), features.std(0).clamp(min=1e-6)
    x = (features - mean) / std
    fits: dict[str, Callable[..., Iterator[tuple[Tensor, Tensor]]]] = {
        "logistic": _logistic,
        "ridge": _ridge,
        "sgd": partial(_sgd, settings=sgd or SGDSettings()),
    }
    best: tuple[float, LinearClassifier] | None = None
    for weights, bias in fits[method](x, codes, n_classes, chosen=bool(len(valid[1]))):
        unscaled = weights / std.unsqueeze(1)
        candidate = LinearClassifier(unscaled, bias - mean @ unscaled)
        if not len(valid[1]):
            return candidate
        if method == "ridge":
            candidate = _tempered(candidate, valid)
        loss = _log_loss(candidate.probabilities(valid[0]), valid[1])
        if best is None or loss < best[0]:
            best = loss, candidate
    assert best is not None
    return best[1]


def _log_loss(probabilities: Tensor, codes: Tensor) -> float:
    of_class = probabilities.gather(1, codes.unsqueeze(1))
    return -float(of_class.clamp(min=1e-12).log().mean())  # a class that training never had has no chance


def draw_labels(data: Series, share: float, seed: int) -> Tensor:
    """Return which entities' labels count, bool ``(E,)``: a share of each class's training entities, at least one."""
    labelled = torch.nonzero((data.labels >= 0) & data.rows_of("train")[data.offsets[:-1]]).flatten()
    order = labelled[torch.randperm(len(labelled), generator=torch.Generator().manual_seed(seed))]
    order = order[data.labels[order].argsort(stable=True)]
    counts = torch.bincount(data.labels[order], minlength=len(data.classes))
    place = torch.arange(len(order)) - (counts.cumsum(0) - counts).repeat_interleave(counts)
    kept = place < (share * counts).round().clamp(min=1).repeat_interleave(counts)
    chosen = torch.zeros(data.n_entities, dtype=torch.bool)
    chosen[order[kept]] = True
    return chosen


def score_classes(codes: Tensor, predicted: Tensor) -> dict[str, float]:
    """Return accuracy, macro-averaged F1 and Cohen's kappa."""
    from sklearn.metrics import accuracy_score, cohen_kappa_score, f1_score  # seconds, and forecasts do without

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
    """Return the classifier whose :meth:`Classifier.state` these are."""
    if "codes" in tensors:
        return Nearest(tensors["features"], tensors["codes"], int(tensors["n_classes"]))
    return LinearClassifier(tensors["weights"], tensors["bias"])


def _logistic(x: Tensor, codes: Tensor, n_classes: int, *, chosen: bool) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield weights ``(F, K)`` and bias ``(K,)`` at every strength; at 1 where none is to be chosen."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    rows, classes = x.double().numpy(), codes.numpy()
    for strength in _STRENGTHS if chosen else (1.0,):
        model = LogisticRegression(C=strength, max_iter=300, tol=1e-3)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(rows, classes)
        coefficients, intercept = model.coef_, model.intercept_
        if len(model.classes_) == 2:  # scikit-learn keeps one row for two classes
            coefficients = np.concatenate([-coefficients / 2, coefficients / 2])
            intercept = np.concatenate([-intercept / 2, intercept / 2])
        weights = torch.zeros(x.shape[1], n_classes)
        bias = torch.full((n_classes,), -torch.inf)  # a class that training never had
        trained = torch.from_numpy(model.classes_)
        weights[:, trained], bias[trained] = (
            torch.from_numpy(coefficients.T).float(),
            torch.from_numpy(intercept).float(),
        )
        yield weights, bias


def _ridge(x: Tensor, codes: Tensor, n_classes: int, *, chosen: bool) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the same of a ridge, solved over the fewer of windows and features; x is centred: the bias is free."""
    targets = 2 * F.one_hot(codes, n_classes).double() - 1
    middle = targets.mean(0)
    centred, dual = targets - middle, len(x) < x.shape[1]
    gram = (x @ x.T if dual else x.T @ x).double()
    goal = centred if dual else x.double().T @ centred
    bias = torch.where(targets.amax(0) > 0, middle, -torch.inf).float()
    for penalty in _PENALTIES if chosen else (_WITHOUT_VALIDATION,):
        factor, failed = torch.linalg.cholesky_ex(gram + penalty * gram.diagonal().mean() * torch.eye(len(gram)))
        if int(failed):
            continue  # the features are dependent and the penalty too small to tell
        solved = torch.cholesky_solve(goal, factor).float()
        yield (x.T @ solved if dual else solved), bias


def _sgd(
    x: Tensor, codes: Tensor, n_classes: int, *, chosen: bool, settings: SGDSettings
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the same after each epoch of a head that is trained; after the last where none is to be chosen."""
    rows = torch.cat([x, torch.ones(len(x), 1)], 1)

    def batch(block: Tensor) -> RowsAndLoss:
        return rows[block], partial(F.cross_entropy, target=codes[block])

    trained = torch.bincount(codes, minlength=n_classes) > 0
    for epoch, weights in enumerate(
        weights_by_epoch(torch.zeros(rows.shape[1], n_classes), len(rows), batch, settings), 1
    ):
        if chosen or epoch == settings.epochs:
            yield weights[:-1], torch.where(trained, weights[-1], -torch.inf)


def _tempered(classifier: LinearClassifier, valid: tuple[Tensor, Tensor]) -> LinearClassifier:
    """Return the classifier with its outputs multiplied by what makes validation's log loss least."""
    outputs = valid[0] @ classifier.weights + classifier.bias
    best = min(_TEMPERATURES, key=lambda t: _log_loss(torch.softmax(t * outputs, 1), valid[1]))
    return LinearClassifier(best * classifier.weights, best * classifier.bias)

"""Adaptation to a domain without labels: two domains of waves whose channels differ, and refusals."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from distaff_data.datasets.series import Series
from distaff_data.errors import InputError
from distaff_timeseries.dts.adaptation import Adaptation, Backbone, class_information

METHODS = ("none", "dann", "dann_information", "dts")


def domain(n: int, seed: int, *, offset: float, labels: bool = True) -> Series:
    """Slow and fast waves; the offset moves the second half of each window, which no scaling takes away."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    t = np.arange(24)
    x = np.sin(2 * np.pi * t / np.where(y == 1, 6, 12)[:, None] + rng.uniform(0, 6, n)[:, None])
    x = x + offset * (t > 12) + 0.1 * rng.normal(size=x.shape)
    return Series.from_windows(x[:, :, None], ["fast" if one else "slow" for one in y] if labels else None)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_tells_the_classes_of_the_target(method: str) -> None:
    source, target = domain(64, 0, offset=0.0), domain(64, 1, offset=0.5)
    model = Adaptation(method=method, epochs=8, dropout=0.1, class_dim=8, domain_dim=4).fit(
        source, target, device="cpu"
    )
    assert model.classes == ("fast", "slow")
    assert float((model.predict(source, "source") == source.labels).float().mean()) > 0.9
    assert float((model.predict(target) == target.labels).float().mean()) > 0.8
    parts = model.represent(target)
    assert set(parts) == ({"class", "group"} if method == "dts" else {"class"})
    assert parts["class"].shape == (64, 8 if method == "dts" else 128)


@pytest.mark.parametrize("method", METHODS)
def test_the_targets_labels_are_not_looked_at(method: str) -> None:
    source = domain(40, 0, offset=0.0)
    found = [
        Adaptation(method=method, epochs=1).fit(source, domain(40, 1, offset=0.5, labels=labels), seed=3, device="cpu")
        for labels in (True, False)
    ]
    target = domain(40, 1, offset=0.5)
    first, second = (model.represent(target)["class"] for model in found)
    assert torch.equal(first, second)


def test_the_target_changes_nothing_without_adaptation() -> None:
    source = domain(40, 0, offset=0.0)
    targets = [domain(40, 1, offset=offset) for offset in (0.0, 3.0)]
    models = [Adaptation(method="none", epochs=1).fit(source, target, device="cpu") for target in targets]
    first, second = (model.represent(source, "source")["class"] for model in models)
    assert torch.equal(first, second)


def test_classes_say_most_of_windows_when_they_are_certain_and_as_many() -> None:
    certain = 50.0 * torch.eye(4).repeat(3, 1)
    torch.testing.assert_close(class_information(certain), torch.log(torch.tensor(4.0)))
    for nothing in (certain[:1].repeat(9, 1), torch.zeros(9, 4)):
        assert class_information(nothing).abs() < 1e-6
    # Two windows, one certain and one undecided between two classes: H(3/4, 1/4) - log(2) / 2.
    logits = torch.tensor([[60.0, 0.0], [0.0, 0.0]])
    expected = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25)) - np.log(2) / 2
    assert float(class_information(logits)) == pytest.approx(expected, abs=1e-6)


def test_information_makes_a_method_surer_of_its_target() -> None:
    source, target = domain(64, 0, offset=0.0), domain(64, 1, offset=1.0)
    said = [
        Adaptation(method="dann_information", epochs=6, information=weight).fit(source, target, device="cpu")
        for weight in (0.0, 1.0)
    ]
    told = [float(class_information(model.probabilities(target).log())) for model in said]
    assert told[1] > told[0]
    without = Adaptation(method="dann", epochs=6).fit(source, target, device="cpu")
    assert torch.equal(without.predict(target), said[0].predict(target))


def test_backbone_ends_in_one_vector_whatever_the_length() -> None:
    for length in (4, 24, 128):
        assert Backbone(3, 0.0)(torch.randn(2, length, 3)).shape == (2, 128)


def test_domains_that_do_not_fit_are_refused() -> None:
    source = domain(40, 0, offset=0.0)
    longer = Series.from_windows(np.random.default_rng(0).normal(size=(10, 30, 1)))
    with pytest.raises(InputError, match="24 rows of 1 channels"):
        Adaptation().fit(source, longer, device="cpu")
    with pytest.raises(InputError, match="no two classes"):
        Adaptation().fit(domain(40, 0, offset=0.0, labels=False), source, device="cpu")
    series = Series.from_rows(np.random.default_rng(0).normal(size=(100, 1)), [100])
    with pytest.raises(InputError, match="each an entity"):
        Adaptation().fit(source, series, device="cpu")
    with pytest.raises(InputError, match="method"):
        Adaptation(method="magic")

"""What every recommender trained by gradient must do, as assertions over a model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from distaff.model.base import Epoch
from distaff.model.fitting import fit
from distaff.recommenders.base import Recommender
from distaff.recommenders.gradient import GradientRecommender
from distaff.testing.data import checkerboard, own_block_share


def assert_learns_blocks(model: Recommender) -> None:
    """A fit to a checkerboard ranks the own block first, and :meth:`predict` gives memory of its own."""
    data = checkerboard()
    model.fit(data, device="cpu")
    users = torch.arange(data.n_users)
    assert own_block_share(model.predict(users), data) > 0.95
    before = model.predict(users)
    model.predict(users).zero_()
    assert torch.equal(model.predict(users), before)
    assert not before.requires_grad


def assert_same_after_save(model: Recommender, folder: Path) -> None:
    """Scores of known and new users are the same bits after saving and loading."""
    data = checkerboard()
    model.fit(data, device="cpu")
    model.save(folder / "model")
    loaded = Recommender.load(folder / "model")
    users = torch.arange(data.n_users)
    assert torch.equal(loaded.predict(users), model.predict(users))
    assert torch.equal(loaded.fold_in(data.train), model.fold_in(data.train))


class _StoppedError(Exception):
    pass


def assert_resumes_exactly(make: Callable[[], GradientRecommender], folder: Path) -> None:
    """A fit of 6 epochs that stops in its fifth and is resumed ends with the same bits as one that never stopped."""
    data = checkerboard(20, 16)
    whole, again, resumed = make(), make(), make()
    losses: dict[int, list[Epoch]] = {0: [], 1: []}
    fit(whole, data, seed=3, device="cpu", report=losses[0].append)
    fit(again, data, seed=3, device="cpu")

    def stop(epoch: Epoch) -> None:
        if epoch.epoch == 5:
            raise _StoppedError

    try:
        fit(make(), data, seed=3, device="cpu", report=stop, folder=folder)
    except _StoppedError:
        pass
    else:
        raise AssertionError("the fit ended before its fifth epoch")
    torch.rand(11)  # whatever else draws from the global generator in between must not matter
    fit(resumed, data, seed=3, device="cpu", report=losses[1].append, folder=folder, resume=True)
    assert [epoch.epoch for epoch in losses[1]] == [5, 6]
    assert losses[1] == losses[0][-2:]
    for name, value in whole.state().items():
        assert torch.equal(value, again.state()[name]), name
        assert torch.equal(value, resumed.state()[name]), name

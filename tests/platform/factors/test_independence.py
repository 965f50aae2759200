"""What a factor may stand for instead of taste: popularity is told from shares that are merely uncertain."""

from __future__ import annotations

import pytest
import torch

from distaff.factors.independence import contamination


def _counts() -> torch.Tensor:
    return torch.cat([torch.arange(1, 101), torch.arange(1, 101)])


def test_a_factor_that_is_popularity_correlates_with_it() -> None:
    logs = _counts().log()
    share = torch.sigmoid(logs - logs.mean())
    rho = contamination(torch.stack([share, 1.0 - share], 1), _counts())
    assert rho[0] > 0.95
    assert rho[1] == pytest.approx(-rho[0])


def test_shares_of_rare_items_drawn_to_the_mean_are_no_avoidance_of_popularity() -> None:
    block = torch.arange(200) < 100  # half of the items are the factor's, popular and rare ones alike
    counts = _counts().double()
    share = (torch.where(block, 0.95, 0.05) * counts + 2.0 * 0.5) / (counts + 2.0)
    own = share[block]
    assert bool((own.diff() > 0).all())  # the ranks within each half follow popularity, or its reverse, exactly
    assert abs(contamination(share.unsqueeze(1), _counts())[0]) < 0.05


def test_a_side_that_never_varies_correlates_with_nothing() -> None:
    shares = torch.rand(5, 2, generator=torch.Generator().manual_seed(0))
    assert contamination(shares, torch.ones(5, dtype=torch.long)) == [0.0, 0.0]
    assert contamination(shares, torch.tensor([3, 0, 0, 0, 0])) == [0.0, 0.0]
    assert contamination(torch.full((5, 1), 0.5), torch.arange(1, 6)) == [0.0]

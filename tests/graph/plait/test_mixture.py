"""The mixture of intents: the mode of its posterior, whatever the start, and no harm from choices made twice."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from distaff.testing.data import checkerboard, random_csr
from distaff_data.datasets.csr import Csr
from distaff_graph.plait import mixture
from distaff_graph.plait.mixture import fit_parts, mix, responsibilities


def _parts(n_items: int, k: int) -> torch.Tensor:
    parts = torch.rand(n_items, k, generator=torch.Generator().manual_seed(3)) + 0.02
    return parts / parts.sum(0)


def test_weights_are_the_mode_that_a_general_optimiser_finds() -> None:
    history, parts = random_csr(4, 12, 0.4), _parts(12, 3)
    found = mix(history, parts).double().numpy()
    x, b = history.dense().numpy() > 0, parts.double().numpy()
    prior = mixture._USER_PRIOR / 3
    for user in range(4):

        def loss(logits: np.ndarray, taken: np.ndarray = x[user]) -> float:
            w = np.exp(logits)
            rate = b @ w
            likelihood = np.log(-np.expm1(-rate[taken])).sum() - rate[~taken].sum()
            return -float(likelihood + prior * np.log(w / w.sum()).sum())

        best = minimize(loss, np.log(found[user] + 0.1), method="BFGS", options={"gtol": 1e-8}).x
        np.testing.assert_allclose(found[user], np.exp(best), rtol=2e-3, atol=2e-3)


def test_every_step_raises_the_posterior() -> None:
    fit = mixture._Fit(random_csr(40, 25, 0.2), 4)
    at = fit.start(torch.Generator().manual_seed(0))
    reached = []
    for _ in range(30):
        at = fit.run(*at, 1)
        reached.append(fit.posterior(*at))
    assert bool((np.diff(reached) > -1e-2).all())
    assert reached[-1] > reached[0] + 10


def test_blocks_are_found_and_every_distribution_sums_to_1() -> None:
    data = checkerboard(36, 30, n_blocks=3)
    parts = fit_parts(data.train, 3, torch.Generator().manual_seed(0))
    torch.testing.assert_close(parts.sum(0), torch.ones(3))
    block = torch.tensor([int(i) % 3 for i in data.item_ids.to_pylist()])
    own = parts.argmax(1)
    assert len({(int(b), int(k)) for b, k in zip(block, own, strict=True)}) == 3


def test_a_user_who_took_everything_is_expected_to_have_chosen_some_things_twice() -> None:
    everything = Csr(torch.tensor([0, 12]), torch.arange(12, dtype=torch.int32), 12)
    assert float(mix(everything, _parts(12, 3)).sum()) > 20


def test_responsibilities_of_all_intents_sum_to_1() -> None:
    history, parts = random_csr(6, 12, 0.4), _parts(12, 3)
    weights = mix(history, parts)
    total = torch.stack([responsibilities(history, weights, parts, k) for k in range(3)]).sum(0)
    torch.testing.assert_close(total, torch.ones(history.nnz))


@pytest.mark.parametrize("n_intents", [1, 3])
def test_nobody_has_no_weights(n_intents: int) -> None:
    nobody = Csr(torch.zeros(2, dtype=torch.long), torch.empty(0, dtype=torch.int32), 12)
    assert torch.equal(mix(nobody, _parts(12, n_intents)), torch.zeros(1, n_intents))

"""The log-determinant is 0 on acyclic graphs only, and its gradient is the true one."""

from __future__ import annotations

import numpy as np
import torch

from distaff_graph.coral.acyclicity import acyclic_weights, cut, logdet


def _acyclic(weights: np.ndarray) -> bool:
    return not np.linalg.matrix_power((weights != 0).astype(float), len(weights)).any()


def test_it_is_zero_for_an_acyclic_graph_in_any_order() -> None:
    rng = np.random.default_rng(0)
    order = rng.permutation(6)
    weights = np.triu(rng.standard_normal((6, 6)), 1)[order][:, order]
    assert abs(logdet(weights)[0]) < 1e-12


def test_a_cycle_of_two_has_its_closed_form() -> None:
    weights = np.array([[0.0, 0.6], [0.5, 0.0]])
    value, _ = logdet(weights)
    np.testing.assert_allclose(value, -np.log(1 - 0.36 * 0.25))


def test_value_and_gradient_are_those_of_autograd() -> None:
    weights = 0.3 * np.random.default_rng(1).standard_normal((5, 5))
    x = torch.tensor(weights, requires_grad=True)
    h = -torch.linalg.slogdet(1.5 * torch.eye(5, dtype=torch.float64) - x * x)[1] + 5 * np.log(1.5)
    h.backward()
    value, gradient = logdet(weights, 1.5)
    np.testing.assert_allclose(value, h.item())
    assert x.grad is not None
    np.testing.assert_allclose(gradient, x.grad.numpy())


def test_outside_of_its_domain_it_is_infinite() -> None:
    assert logdet(np.array([[0.0, 2.0], [2.0, 0.0]]))[0] == np.inf


def test_cutting_drops_the_weakest_edge_of_a_cycle() -> None:
    weights = np.zeros((3, 3))
    weights[0, 1], weights[1, 2], weights[2, 0] = 0.9, -0.8, 0.2
    kept = cut(weights)
    assert kept[2, 0] == 0
    assert kept[0, 1] == 0.9
    assert kept[1, 2] == -0.8


def test_an_acyclic_model_stays_inside_its_skeleton_and_finds_a_chain() -> None:
    rng = np.random.default_rng(2)
    rows = rng.standard_normal((2000, 4))
    rows[:, 1] += rows[:, 0]
    rows[:, 2] += rows[:, 1]
    skeleton = np.zeros((4, 4), dtype=bool)
    for i, j in ((0, 1), (1, 2)):
        skeleton[i, j] = skeleton[j, i] = True
    weights = acyclic_weights(np.cov(rows.T), skeleton)
    assert _acyclic(weights)
    assert not (weights != 0)[~skeleton].any()
    # With noises of one variance the direction is identified (Peters and Bühlmann, Biometrika 2014).
    assert weights[0, 1] > 0.7
    assert weights[1, 2] > 0.7

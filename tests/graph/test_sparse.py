from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from distaff.testing.data import random_csr
from distaff_graph.sparse import (
    Bipartite,
    RowPolynomial,
    csr_tensor,
    edge_dots,
    history_sums,
    masked_mean,
    polynomial,
    product,
    propagate,
)

N_USERS, N_ITEMS = 7, 5


@pytest.fixture
def graph() -> Bipartite:
    train = random_csr(N_USERS, N_ITEMS, 0.5, seed=1)
    train.indptr[-1] = train.indptr[-2]  # the last user becomes isolated
    train = type(train)(train.indptr, train.indices[: int(train.indptr[-1])], N_ITEMS)
    return Bipartite.build(train, dtype=torch.float64)


def table(d: int = 3, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(N_USERS + N_ITEMS, d, dtype=torch.float64, generator=generator, requires_grad=True)


def adjacency(graph: Bipartite, values: Tensor | None = None) -> Tensor:
    """Dense, built from the entries of R."""
    dense = torch.zeros(graph.n_nodes, graph.n_nodes, dtype=torch.float64)
    users = torch.repeat_interleave(torch.arange(graph.n_users), graph.pattern.crow_indices().diff())
    items = graph.pattern.col_indices().long() + graph.n_users
    dense[users, items] = dense[items, users] = torch.ones(len(users)).double() if values is None else values
    return dense


def test_matrix_puts_each_edges_value_in_both_directions(graph: Bipartite) -> None:
    values = torch.arange(1, graph.n_edges + 1).double()
    assert torch.equal(graph.matrix(values).to_dense(), adjacency(graph, values))


def test_matrix_of_two_values_an_edge_is_transposed_by_exchanging_them(graph: Bipartite) -> None:
    there = torch.arange(1, graph.n_edges + 1).double()
    matrix, transposed = graph.matrix(there, -there), graph.matrix(-there, there)
    assert torch.equal(matrix.to_dense(), transposed.to_dense().T)
    assert (matrix.to_dense()[: graph.n_users] >= 0).all()


def test_normalised_edges_are_the_symmetric_normalisation(graph: Bipartite) -> None:
    a = adjacency(graph)
    scale = a.sum(1).clamp(min=1).rsqrt()
    expected = scale.unsqueeze(1) * a * scale
    torch.testing.assert_close(graph.matrix(graph.normalised_edges()).to_dense(), expected)


@pytest.mark.parametrize("n_rows", [0, 3])
def test_product_with_a_matrix_without_entries_is_zero(n_rows: int) -> None:
    nothing = csr_tensor(torch.zeros(n_rows + 1).int(), torch.zeros(0).int(), torch.zeros(0), 4)
    assert torch.equal(product(nothing, torch.ones(4, 2)), torch.zeros(n_rows, 2))


@pytest.mark.parametrize("n_rows", [1, 30])
def test_product_with_nothing_is_as_wide_as_nothing(n_rows: int) -> None:
    everything = csr_tensor(torch.arange(n_rows + 1) * 40, torch.arange(40).repeat(n_rows), torch.ones(n_rows * 40), 40)
    assert product(everything, torch.zeros(40, 0)).shape == (n_rows, 0)


def test_edge_dots_are_entries_of_the_dense_product(graph: Bipartite) -> None:
    x = table().detach()
    dense = x[: graph.n_users] @ x[graph.n_users :].T
    found = edge_dots(graph.pattern, x[: graph.n_users], x[graph.n_users :])
    torch.testing.assert_close(found, dense[graph.pattern.to_dense() > 0])


def test_propagate_equals_the_dense_product_and_its_gradient(graph: Bipartite) -> None:
    there = torch.rand(graph.n_edges).double()
    matrix, transposed = graph.matrix(there, 2 * there), graph.matrix(2 * there, there)
    x = table()
    torch.testing.assert_close(propagate(matrix, x, transposed), matrix.to_dense() @ x)
    assert gradcheck(lambda t: propagate(matrix, t, transposed), (x,))


@pytest.mark.parametrize("n_layers", [0, 1, 3])
def test_polynomial_equals_the_sum_of_dense_powers(graph: Bipartite, n_layers: int) -> None:
    matrix = graph.matrix(graph.normalised_edges())
    powers = sum(torch.linalg.matrix_power(matrix.to_dense(), k) for k in range(n_layers + 1))
    x = table()
    torch.testing.assert_close(polynomial(matrix, x, n_layers), powers @ x)
    assert gradcheck(lambda t: polynomial(matrix, t, n_layers), (x,))


@pytest.mark.parametrize("n_layers", [0, 1, 2, 3])
def test_polynomial_of_some_rows_equals_those_rows_of_the_whole(graph: Bipartite, n_layers: int) -> None:
    matrix = graph.matrix(graph.normalised_edges())
    nodes = torch.tensor([0, 2, 6, 9, 11])
    some = RowPolynomial(matrix, n_layers)
    rows = some.take(nodes)
    x = table()
    torch.testing.assert_close(some(x, rows), polynomial(matrix, x, n_layers)[nodes])
    assert gradcheck(lambda t: some(t, rows), (x,))


def test_masked_mean_equals_the_dense_row_stochastic_product(graph: Bipartite) -> None:
    q, x = torch.nn.functional.normalize(table(seed=1)).detach(), table().detach()
    alpha = (q @ q.T + 1) / 2 * adjacency(graph)
    shares = alpha / alpha.sum(1, keepdim=True).clamp(min=1e-300)
    found = masked_mean(graph, q, x)
    torch.testing.assert_close(found, shares @ x)
    # The isolated user has no neighbour to take a mean of.
    assert torch.equal(found[N_USERS - 1], torch.zeros(3).double())


def test_masked_mean_has_exact_gradients_through_weights_and_normaliser(graph: Bipartite) -> None:
    q = torch.nn.functional.normalize(table(seed=1)).detach().requires_grad_()
    assert gradcheck(lambda a, b: masked_mean(graph, a, b), (q, table(4)))


def test_history_sums_are_what_symmetric_normalisation_gives_a_node() -> None:
    history = random_csr(4, N_ITEMS, 0.6, seed=3)
    items = torch.randn(N_ITEMS, 3)
    expected = history.dense() @ items / history.counts().clamp(min=1).sqrt().unsqueeze(1)
    torch.testing.assert_close(history_sums(history, items), expected)

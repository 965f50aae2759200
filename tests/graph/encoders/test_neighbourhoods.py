"""Neighbourhoods of mini-batches: what may be drawn, how often, and that all neighbours give what the whole graph gives."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from distaff.recommenders.base import Recommender
from distaff.testing.data import checkerboard, own_block_share, random_csr, random_interactions
from distaff_data.datasets.csr import Csr
from distaff_graph.encoders.neighbourhoods import Neighbourhoods
from distaff_graph.encoders.networks import two_way_edges

CPU = torch.device("cpu")


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@given(seed=st.integers(0, 1_000), n_neighbours=st.integers(1, 4), n_hops=st.integers(1, 3))
def test_only_edges_of_the_graph_are_drawn_and_at_most_so_many_a_node(
    seed: int, n_neighbours: int, n_hops: int
) -> None:
    train = random_csr(9, 7, 0.4, seed)
    edges = two_way_edges(train, CPU)
    there = set(map(tuple, edges.as_tensor().T.tolist()))
    seeds = torch.randperm(16, generator=seeded(seed))[:5]
    near = Neighbourhoods(edges, n_neighbours, n_hops).of(seeds, seeded(seed))
    assert near.nodes[:5].tolist() == seeds.tolist()
    assert len(near.nodes.unique()) == len(near.nodes)
    drawn = near.nodes[near.edge_index.as_tensor()]
    pairs = list(map(tuple, drawn.T.tolist()))
    assert set(pairs) <= there
    assert len(set(pairs)) == len(pairs)
    degree = torch.bincount(edges.as_tensor()[1], minlength=16)
    gathered = torch.bincount(drawn[1], minlength=16)
    assert bool((gathered[seeds] == degree[seeds].clamp(max=n_neighbours)).all())  # each of the first hop gathers
    assert bool((gathered <= degree.clamp(max=n_neighbours)).all())


def test_every_neighbour_is_drawn_as_often_as_any_other() -> None:
    items = torch.arange(10)
    star = two_way_edges(Csr.from_pairs(torch.zeros(10, dtype=torch.long), items, 1, 10), CPU)
    near, generator = Neighbourhoods(star, 3, 1), seeded()
    counts = torch.zeros(11)
    for _ in range(2_000):
        drawn = near.of(torch.tensor([0]), generator)
        counts[drawn.nodes[1:]] += 1
    share = counts[1:] / 2_000
    assert float((share - 0.3).abs().max()) < 5 * (0.3 * 0.7 / 2_000) ** 0.5


def test_the_same_seed_draws_the_same() -> None:
    edges = two_way_edges(random_csr(30, 20, 0.3, 1), CPU)
    near, seeds = Neighbourhoods(edges, 2, 2), torch.arange(5)
    first, again, other = (near.of(seeds, seeded(seed)) for seed in (3, 3, 4))
    assert torch.equal(first.nodes, again.nodes)
    assert torch.equal(first.edge_index.as_tensor(), again.edge_index.as_tensor())
    assert first.nodes.tolist() != other.nodes.tolist()


@pytest.mark.parametrize(
    ("name", "loss"), [("graphsage", "bpr"), ("gat", "softmax"), ("gin", "edges"), ("pyg", "infonce")]
)
def test_all_neighbours_give_the_losses_and_gradients_of_the_whole_graph(name: str, loss: str) -> None:
    """Of encoders that ask nothing of a node but its own neighbours; GCN's degrees are those of what is drawn."""
    data = random_interactions(12, 9, 0.4)
    found = []
    for n_neighbours in (None, 50):
        model: Any = Recommender.named(name)(
            embedding_dim=8, batch_size=10, n_layers=2, n_negatives=2, loss=loss, n_neighbours=n_neighbours, reg=0.1
        )
        model.network = model.build(data, seeded(), CPU).eval()
        batch = next(iter(model.batches(data, seeded(1))))
        losses = model.losses(batch)
        torch.stack(list(losses.values())).sum().backward()
        found.append((losses, model.network.nodes.grad))
    for name_of_loss, value in found[0][0].items():
        torch.testing.assert_close(value, found[1][0][name_of_loss], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found[0][1], found[1][1], rtol=1e-4, atol=1e-6)


def test_an_encoder_learns_from_a_few_neighbours() -> None:
    data = checkerboard(24, 20)
    model = Recommender.named("graphsage")(
        embedding_dim=8, batch_size=128, lr=0.05, max_epochs=6, eval_every=6, n_neighbours=3
    )
    model.fit(data, device="cpu", seed=1)
    assert own_block_share(model.predict(torch.arange(24)), data) > 0.8
    assert model.state()["users"].shape == (24, 8)

"""Training on parts of the graph: the whole as one part changes nothing, and any part is right in expectation."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
import torch
from gradient_checks import assert_learns_blocks
from torch import Tensor

from distaff.model.distributed import ALONE
from distaff.recommenders.gradient import GradientRecommender
from distaff.testing.data import checkerboard, random_interactions
from distaff_data.datasets.csr import Csr
from distaff_data.errors import InputError
from distaff_graph.collaborative.dccf import DCCF
from distaff_graph.collaborative.lightgcn import LightGCN
from distaff_graph.collaborative.partition import Steps, Subgraph
from distaff_graph.collaborative.sampling import Sampler, Triples
from distaff_graph.convolutions import Convolution

CPU = torch.device("cpu")
MODELS: list[tuple[type[GradientRecommender], dict[str, Any]]] = [
    (LightGCN, {"embedding_dim": 6, "batch_size": 20, "n_layers": 3, "reg": 0.1}),
    (LightGCN, {"embedding_dim": 6, "batch_size": 20, "n_layers": 2, "reg_on": "all", "edge_keep": 0.7}),
    (DCCF, {"embedding_dim": 6, "batch_size": 20, "n_intents": 5, "sampling": "interactions"}),
    (DCCF, {"embedding_dim": 6, "batch_size": 20, "n_intents": 5, "samples_per_epoch": 60, "reg_on": "all"}),
]
NAMES = ["lightgcn", "lightgcn, edges dropped", "dccf", "dccf by users"]


def dense(part: Subgraph) -> Tensor:
    return part.matrix.to_dense()


def layers(part: Subgraph, x: Tensor, n_layers: int) -> list[Tensor]:
    convolution = Convolution()
    found, before = [part.pick(x)], None
    for _ in range(n_layers):
        found.append(part.unbiased(convolution(found[-1], part), before))
        before = found[-2]
    return found


def part_of(train: Csr, users: list[int]) -> Subgraph:
    """The part of these users with all items."""
    rows = train.take(torch.tensor(users))
    nodes = torch.cat([torch.tensor(users), torch.arange(train.n_cols) + train.n_rows])
    degrees = torch.bincount(train.indices, minlength=train.n_cols)
    return Subgraph.of_users(rows, nodes, degrees, (train.n_rows - 1) / (len(users) - 1), CPU)


@pytest.mark.parametrize("m", [2, 4])
def test_mean_over_all_parts_that_hold_a_user_is_the_whole_graphs_row(m: int) -> None:
    train = random_interactions(6, 5, 0.6).train
    x = torch.randn(11, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float32)
    whole = layers(Subgraph.whole(train, CPU), x, 3)
    sums = [torch.zeros_like(x) for _ in whole]
    items = [torch.zeros(5, 3) for _ in whole]
    chosen = list(combinations(range(6), m))
    for users in chosen:
        part = part_of(train, list(users))
        for total, of_items, value in zip(sums, items, layers(part, x, 3), strict=True):
            total[list(users)] += value[:m]
            of_items += value[m:]
    n_with_user = sum(0 in users for users in chosen)
    for total, expected in zip(sums, whole, strict=True):
        torch.testing.assert_close(total[:6] / n_with_user, expected[:6], rtol=1e-4, atol=1e-5)
    # An item is asked for by nobody in particular: its first layer is too large by s m / n, towards 1 as parts grow.
    excess = 5 / (m - 1) * m / 6
    torch.testing.assert_close(items[1] / len(chosen), whole[1][6:] * excess, rtol=1e-4, atol=1e-5)


def test_part_of_everyone_is_the_whole_graph() -> None:
    train = random_interactions(7, 6, 0.5).train
    part, whole = part_of(train, list(range(7))), Subgraph.whole(train, CPU)
    torch.testing.assert_close(dense(part), dense(whole))
    assert part.returns is not None
    assert not part.returns.any()
    torch.testing.assert_close(part.transposed.to_dense(), dense(part).T)


@pytest.mark.parametrize(("model", "settings"), MODELS, ids=NAMES)
def test_one_part_of_everyone_gives_the_losses_and_gradients_of_the_whole(
    monkeypatch: pytest.MonkeyPatch, model: type[GradientRecommender], settings: dict[str, Any]
) -> None:
    data = random_interactions(12, 9, 0.5)

    def gradients(whole: bool) -> tuple[dict[str, Tensor], list[Tensor]]:
        one = model(**settings)
        network = one.build(data, torch.Generator().manual_seed(0), CPU)
        one.network = network
        step = next(iter(one.batches(data, torch.Generator().manual_seed(1))))
        if not whole:
            everything = torch.cat([torch.arange(12), torch.arange(9) + 12])
            degrees = torch.bincount(data.train.indices, minlength=9)
            subgraph = Subgraph.of_users(data.train, everything, degrees, 1.0, CPU)
            step = type(step)(**{**vars(step), "subgraph": subgraph, **({"rows": None} if model is LightGCN else {})})
        torch.manual_seed(3)
        losses = one.losses(step)
        torch.stack(list(losses.values())).sum().backward()
        return losses, [p.grad for p in network.parameters() if p.grad is not None]

    (losses, grads), (expected, expected_grads) = gradients(False), gradients(True)
    torch.testing.assert_close(losses, expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(grads, expected_grads, rtol=1e-4, atol=1e-6)


def test_parts_of_an_epoch_hold_every_user_once_and_every_interaction_as_a_positive_once() -> None:
    train = random_interactions(23, 11, 0.3).train
    steps = Steps(train, CPU, 5, ALONE)
    assert not steps.is_whole
    generator = torch.Generator().manual_seed(0)

    def draw(sampler: Sampler, share: float) -> Triples:
        return sampler.over_interactions(generator)

    pairs: list[Tensor] = []
    subgraphs: list[Subgraph] = []
    for step in steps.epoch(draw, 4, generator):
        nodes = step.subgraph.nodes
        assert nodes is not None
        n_users = step.subgraph.graph.n_users
        assert n_users <= 5
        items = nodes[n_users:] - 23
        pairs.append(torch.stack([nodes[step.batch.users], items[step.batch.positives]], 1))
        taken = train.dense().bool()
        assert not bool(taken[nodes[step.batch.users], items[step.batch.negatives]].any())
        if not subgraphs or subgraphs[-1] is not step.subgraph:
            subgraphs.append(step.subgraph)
    found = torch.cat(pairs)
    assert torch.equal(found[(found[:, 0] * 11 + found[:, 1]).argsort()], train.dense().nonzero())
    users = torch.cat([graph.nodes[: graph.graph.n_users] for graph in subgraphs if graph.nodes is not None])
    assert len(users.unique()) == len(users)


@pytest.mark.parametrize(
    "model",
    [
        LightGCN(embedding_dim=8, batch_size=64, lr=0.02, max_epochs=15, users_a_part=12),
        DCCF(
            embedding_dim=8, n_intents=5, batch_size=64, lr=0.02, max_epochs=15, samples_per_epoch=256, users_a_part=12
        ),
    ],
    ids=["lightgcn", "dccf"],
)
def test_training_on_parts_learns_what_training_on_the_whole_does(model: GradientRecommender) -> None:
    assert_learns_blocks(model)


def test_fit_is_the_same_again_and_its_checkpoint_goes_on() -> None:
    data = checkerboard()
    settings = {"embedding_dim": 8, "batch_size": 64, "lr": 0.02, "max_epochs": 3, "users_a_part": 15}
    one, two = (LightGCN(**settings).fit(data, seed=3, device="cpu").state() for _ in range(2))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_nothing_to_learn_is_refused_before_the_first_part() -> None:
    train = Csr.from_pairs(torch.arange(4), torch.zeros(4, dtype=torch.long), 4, 1)
    with pytest.raises(InputError, match="nothing to learn from"):
        Steps(train, CPU, 2, ALONE)

"""Small data whose right answer is known, and hypothesis strategies of odd data."""

from __future__ import annotations

import numpy as np
import polars as pl
import torch
from hypothesis import strategies as st

from distaff_data.datasets.content import Content
from distaff_data.datasets.csr import Csr
from distaff_data.datasets.incidents import Case, Edge, Incidents
from distaff_data.datasets.interactions import Interactions
from distaff_data.datasets.series import Series
from distaff_data.splits.series import divide

BLOCK_WORDS = ("amber", "basalt", "cobalt", "dune")

# ------------------------------------------------------------------------------------------------------- interactions


def checkerboard(n_users: int = 40, n_items: int = 30, *, held_out: int = 2, n_blocks: int = 2) -> Interactions:
    """Return interactions of users with items of their own block only.

    User u and item i belong together when u and i are equal modulo ``n_blocks``. Each user has ``held_out`` of their items
    in each of validation and test, and the others in training.
    """
    users, items = (torch.cartesian_prod(torch.arange(n_users), torch.arange(n_items))).T
    same_block = users % n_blocks == items % n_blocks
    users, items = users[same_block], items[same_block]
    turn = (items // n_blocks + users) % (n_items // n_blocks)
    codes = torch.where(turn < held_out, 1, torch.where(turn < 2 * held_out, 2, 0))
    names = [("train", "valid", "test")[code] for code in codes.tolist()]
    return Interactions.from_arrays(users.numpy(), items.numpy(), names, name="checkerboard")


def with_words(data: Interactions, *, n_blocks: int = 2, seed: int = 0) -> Interactions:
    """Return a checkerboard whose items have words and vectors.

    Item i has a word of its block, i modulo ``n_blocks``, four of the block's variants, and one that all share; vectors of
    one block lie near each other.
    """
    generator = torch.Generator().manual_seed(seed)
    items, words = [], []
    for item in range(data.n_items):
        block = int(data.item_ids[item].as_py()) % n_blocks
        variants = torch.randperm(8, generator=generator)[:4].tolist()
        item_words = [
            BLOCK_WORDS[block],
            *(f"{BLOCK_WORDS[block]} {v}" for v in variants),
            f"any {item % 5}",
            "everywhere",
        ]
        items += [data.item_ids[item].as_py()] * len(item_words)
        words += item_words
    blocks = torch.tensor([int(i) % n_blocks for i in data.item_ids.to_pylist()])
    vectors = torch.eye(max(n_blocks, 2))[blocks] + 0.1 * torch.randn(
        data.n_items, max(n_blocks, 2), generator=generator
    )
    return data.with_content(Content.from_words(items, words, data.item_ids, {"text": vectors}))


def worded_checkerboard(n_users: int = 40, n_items: int = 30, *, n_blocks: int = 2, held_out: int = 2) -> Interactions:
    """Return a :func:`checkerboard` with words; see :func:`with_words`."""
    return with_words(checkerboard(n_users, n_items, n_blocks=n_blocks, held_out=held_out), n_blocks=n_blocks)


def random_csr(n_users: int, n_items: int, share: float, seed: int = 0) -> Csr:
    """Return a random binary matrix."""
    taken = torch.rand(n_users, n_items, generator=torch.Generator().manual_seed(seed)) < share
    users, items = taken.nonzero().T
    return Csr.from_pairs(users, items, n_users, n_items)


def random_interactions(n_users: int, n_items: int, share: float, seed: int = 0) -> Interactions:
    """Return a random binary matrix as training data, with one interaction for each user and item at least."""
    matrix = random_csr(n_users, n_items, share, seed).dense()
    n = max(n_users, n_items)
    matrix[torch.arange(n) % n_users, torch.arange(n) % n_items] = 1
    users, items = matrix.nonzero().T
    return Interactions.from_arrays(users.numpy(), items.numpy())


def own_block_share(scores: torch.Tensor, data: Interactions, n_blocks: int = 2) -> float:
    """Return the share of users' best items outside training that belong to their own block; 1 is right.

    Args:
        scores: Of all users of a :func:`checkerboard`, float ``(n_users, n_items)``.
        data: The checkerboard.
        n_blocks: Its blocks.
    """
    scores = scores.clone()
    scores[data.train.dense().bool()] = -torch.inf
    users, items = (torch.tensor([int(i) for i in ids.to_pylist()]) for ids in (data.user_ids, data.item_ids))
    held_out = int(data.valid.counts()[0] + data.test.counts()[0])
    best = scores.topk(held_out, 1).indices
    return float((items[best] % n_blocks == users.unsqueeze(1) % n_blocks).float().mean())


# ------------------------------------------------------------------------------------------------------------- series


def waves(n_rows: int = 400, period: int = 12, noise: float = 0.0, seed: int = 0) -> Series:
    """Return two channels of a wave of known period around 5, divided by time."""
    rng = np.random.default_rng(seed)
    t = np.arange(n_rows)[:, None]
    rows = 5 + np.sin(2 * np.pi * t / period + np.array([0, 1])) + noise * rng.normal(size=(n_rows, 2))
    return divide(Series.from_rows(rows, [n_rows]), "ratio:0.6,0.2,0.2")


def labelled_windows(n_windows: int = 60, n_steps: int = 16, seed: int = 0) -> Series:
    """Return windows of two classes, slow and fast waves, divided at random."""
    rng = np.random.default_rng(seed)
    codes = np.arange(n_windows) % 2
    t = np.arange(n_steps)[None, :, None]
    phase = rng.uniform(0, 2 * np.pi, (n_windows, 1, 2))
    values = np.sin(2 * np.pi * t * (1 + 2 * codes[:, None, None]) / n_steps + phase)
    values += 0.05 * rng.normal(size=values.shape)
    labels = [("slow", "fast")[code] for code in codes]
    return divide(Series.from_windows(values, labels), "random:0.6,0.2,0.2", seed=seed)


# ---------------------------------------------------------------------------------------------------------- incidents


def chain_incident(n_normal: int = 120, n_fault: int = 60, *, seed: int = 0, name: str = "case") -> Case:
    """Return a case of three entities in a chain ``a -> b -> c``, whose fault is at ``a|x`` and whose KPI is ``c|x``."""
    rng = np.random.default_rng(seed)
    n = n_normal + n_fault
    noise = rng.normal(size=(n, 3))
    noise[n_normal:, 0] += 6.0
    values = np.zeros((n, 3))
    for row in range(n):
        values[row, 0] = noise[row, 0]
        values[row, 1] = 0.9 * (values[row - 1, 0] if row else 0.0) + 0.5 * noise[row, 1]
        values[row, 2] = 0.9 * (values[row - 1, 1] if row else 0.0) + 0.5 * noise[row, 2]
    return Case(
        name=name,
        times=60.0 * np.arange(n, dtype=np.float64),
        columns=("a|x", "b|x", "c|x"),
        values=values,
        kpi=2,
        onset=60.0 * n_normal,
        roots=("a",),
        root_columns=("a|x",),
    )


def chain_incidents(n_cases: int = 3) -> Incidents:
    """Return a dataset of :func:`chain_incident`, its graph given."""
    cases = tuple(chain_incident(seed=seed, name=f"case {seed}") for seed in range(n_cases))
    return Incidents("chain", cases, (Edge("a", "b"), Edge("b", "c")))


def chain_frame(case: Case) -> pl.DataFrame:
    """Return a case's measurements as a frame: ``time`` and a column for each metric."""
    return pl.DataFrame({"time": case.times, **{name: case.values[:, i] for i, name in enumerate(case.columns)}})


# --------------------------------------------------------------------------------------------------------- strategies


def ids(max_size: int = 6) -> st.SearchStrategy[str]:
    """Texts that people might use as ids: any script, blanks, markup, quotes; no surrogates."""
    return st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=max_size)


@st.composite
def interaction_pairs(
    draw: st.DrawFn, max_users: int = 6, max_items: int = 6
) -> tuple[list[str], list[str], list[str]]:
    """Users, items and splits of a few distinct interactions under ids of any text, one of them in training at least."""
    users = draw(st.lists(ids(), min_size=1, max_size=max_users, unique=True))
    items = draw(st.lists(ids(), min_size=1, max_size=max_items, unique=True))
    cells = [(user, item) for user in users for item in items]
    pairs = draw(st.lists(st.sampled_from(cells), min_size=1, max_size=len(cells), unique=True))
    splits = draw(st.lists(st.sampled_from(("train", "valid", "test")), min_size=len(pairs), max_size=len(pairs)))
    splits[0] = "train"
    return [user for user, _ in pairs], [item for _, item in pairs], splits


@st.composite
def odd_rows(
    draw: st.DrawFn, max_rows: int = 40, max_channels: int = 3
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Rows of a few channels, ``(R, C)``: constant ones, tiny and huge scales, gaps."""
    n_rows = draw(st.integers(1, max_rows))
    n_channels = draw(st.integers(1, max_channels))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    scale = draw(st.sampled_from([0.0, 1e-6, 1.0, 1e6]))
    rows = draw(st.sampled_from([0.0, -3.0, 1e4])) + scale * rng.normal(size=(n_rows, n_channels))
    gaps = rng.random(rows.shape) < draw(st.sampled_from([0.0, 0.2]))
    rows[gaps] = np.nan
    return rows

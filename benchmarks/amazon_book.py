"""RLMRec's Amazon-book split (WWW 2024), and the controls as they are tuned on its validation part."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pyarrow as pa
from benchmarks.protocol import Candidate

from distaff_data.datasets.interactions import Interactions
from distaff_data.splits import SPLITS


def read(folder: Path) -> Interactions:
    """Return the fixed split, from ``interactions/rlmrec_amazon_book`` in the folder of real data."""
    splits = [np.loadtxt(folder / "interactions" / "rlmrec_amazon_book" / f"{s}.tsv", dtype=np.int64) for s in SPLITS]
    pairs = np.concatenate(splits)
    names = pa.array(np.repeat(SPLITS, [len(split) for split in splits]))
    return Interactions.from_arrays(pairs[:, 0], pairs[:, 1], names, name="amazon-book")


def metrics(recalls: tuple[float, float, float], ndcgs: tuple[float, float, float]) -> dict[str, float]:
    """Return published values at 5, 10 and 20 by our metrics' names."""
    names = [f"{metric}@{k}" for metric in ("recall", "ndcg") for k in (5, 10, 20)]
    return dict(zip(names, recalls + ndcgs, strict=True))


RANKS = (32, 64, 128, 256)

CONTROLS = (
    Candidate("popularity"),
    Candidate("ease", tuple({"penalty": penalty} for penalty in (12.5, 25, 50, 100, 200, 400, 800))),
    Candidate("puresvd", tuple({"n_intents": rank} for rank in RANKS)),
    Candidate("varimax", tuple({"n_intents": rank} for rank in RANKS)),
    Candidate("nmf", tuple({"n_intents": rank} for rank in RANKS)),
    Candidate(
        "als",
        tuple(
            {"embedding_dim": dim, "confidence": confidence, "reg": reg}
            for dim, confidence, reg in product((128, 256), (20, 50), (1, 10, 30))
        ),
        seeded=True,
    ),
)

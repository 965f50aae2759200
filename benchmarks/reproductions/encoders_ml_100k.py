"""GraphSAGE, GAT, GIN and VGAE of PyTorch Geometric beside LightGCN, DCCF and the controls, on MovieLens 100K."""

from __future__ import annotations

from pathlib import Path

from benchmarks.encoders import candidates
from benchmarks.protocol import FIRST_SEED
from benchmarks.reproductions import forget_movielens

from distaff_data.datasets.interactions import Interactions

CANDIDATES = candidates()


def READ(data: Path) -> Interactions:  # noqa: N802 - the name that a reproduction reads by
    return forget_movielens.read(data, FIRST_SEED)

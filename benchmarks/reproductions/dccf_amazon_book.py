"""DCCF on Amazon-book as RLMRec (WWW 2024, table 1, mean of 5 seeds) reports it, beside LightGCN and every control."""

from __future__ import annotations

from benchmarks.amazon_book import CONTROLS, metrics, read
from benchmarks.protocol import Candidate
from benchmarks.reproductions.lightgcn_amazon_book import LIGHTGCN

from distaff_graph.collaborative.dccf import RLMREC

READ = read
DCCF = Candidate(
    "dccf",
    (RLMREC,),
    seeded=True,
    published=metrics((0.0662, 0.1019, 0.1517), (0.0658, 0.0780, 0.0943)),
)
ALS_32 = Candidate(
    "als",
    tuple(
        {"embedding_dim": 32, "confidence": confidence, "reg": reg} for confidence in (5, 20, 50) for reg in (1, 10, 30)
    ),
    seeded=True,
    label="als-32",  # of the size that DCCF and LightGCN have
)
CANDIDATES = (DCCF, LIGHTGCN, ALS_32, *CONTROLS)

"""LightGCN on Amazon-book as RLMRec (WWW 2024, table 1, mean of 5 seeds) reports it, beside two controls."""

from __future__ import annotations

from benchmarks.amazon_book import CONTROLS, metrics, read
from benchmarks.protocol import Candidate

from distaff_graph.collaborative.lightgcn import RLMREC

READ = read
LIGHTGCN = Candidate(
    "lightgcn",
    (RLMREC,),
    seeded=True,
    published=metrics((0.0570, 0.0915, 0.1411), (0.0574, 0.0694, 0.0856)),
)
CANDIDATES = (LIGHTGCN, *(control for control in CONTROLS if control.model in ("popularity", "ease")))

"""Plait, our own model, on RLMRec's Amazon-book split, beside the best controls and DCCF's published figures."""

from __future__ import annotations

from itertools import product

from benchmarks.amazon_book import CONTROLS, read
from benchmarks.protocol import Candidate

READ = read
PLAIT = Candidate(
    "plait",
    tuple(
        {"ease_share": share, "confidence": confidence} for share, confidence in product((0.2, 0.3, 0.4, 0.5), (20, 50))
    ),
    seeded=True,
)
CANDIDATES = (PLAIT, *(control for control in CONTROLS if control.model in ("popularity", "ease", "als")))

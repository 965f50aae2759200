"""Plait, which chooses itself, on RLMRec's Amazon-book split, beside its blend without intents and the best controls."""

from __future__ import annotations

from benchmarks.amazon_book import CONTROLS, read
from benchmarks.protocol import Candidate

READ = read
PLAIT = Candidate("plait", seeded=True)
BLEND = Candidate("blend", seeded=True)  # the same choice without intents: what they cost or bring
CANDIDATES = (PLAIT, BLEND, *(control for control in CONTROLS if control.model in ("popularity", "ease", "als")))

"""DGVAE on Amazon Baby with the authors' files: ``reproduce.py dgvae-baby --data FOLDER``.

FOLDER holds what they publish (see ``distaff_data.ingest.published``). Their protocol is ours: full ranking, training items
masked, recall over min(k, |test|), the best validation epoch. Published values are the README's; ours select on
validation, the authors' divergence counts steps (``kl_steps``) and their vectors start at random.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.protocol import Candidate

from distaff_data.datasets.interactions import Interactions
from distaff_data.ingest.published import read_published

_AUTHORS = {"kl_steps": 20_000, "start": "random"}


def READ(folder: Path) -> Interactions:  # noqa: N802  # a name of the protocol
    """Return the folder's data, if it is Baby's: other sets have no published values here."""
    data = read_published(folder)
    if data.name != "baby":
        raise SystemExit(f"{data.name} is not baby, whose values are published; see: reproduce.py dgvae-mmrec")
    return data


def _published(r10: float, r20: float, n10: float, n20: float) -> dict[str, float]:
    return {"recall@10": r10, "recall@20": r20, "ndcg@10": n10, "ndcg@20": n20}


CANDIDATES = (
    Candidate("dgvae", (_AUTHORS,), seeded=True, published=_published(0.0636, 0.1009, 0.0340, 0.0436)),
    Candidate("macridvae", (_AUTHORS,), seeded=True, published=_published(0.0463, 0.0703, 0.0264, 0.0327)),
    Candidate("multivae", ({"kl_steps": 20_000},), seeded=True, published=_published(0.0353, 0.0579, 0.0189, 0.0248)),
    Candidate(
        "lightgcn",
        tuple({"n_layers": n, "reg": reg} for n in (2, 3) for reg in (1e-4, 1e-3)),
        seeded=True,
        published=_published(0.0479, 0.0754, 0.0257, 0.0328),
    ),
    Candidate("ease", tuple({"penalty": penalty} for penalty in (25, 100, 250, 800, 2000))),
)

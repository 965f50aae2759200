"""How well edges behind a recommendation tell its planted intent: ``python benchmarks/edges.py [--plantings N] [--save]``.

People of mixed intents, each interaction drawn by one that is known. For recommendations of held-out interactions, the
asking person's edges are ranked, and a row gives the AUC of those of the recommendation's intent: by the weights of
``edges_behind``, by the degree of the edge's item, and by chance. Each is a mean over plantings, of the mean over
recommendations, with its interval of 95 %; data and model have the planting's seed.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from benchmarks import results
from planted_edges import edge_aucs, planted_edges

from distaff.stats.intervals import seed_interval
from distaff_graph.collaborative.dccf import DCCF
from distaff_graph.collaborative.lightgcn import LightGCN

SHARED = {"embedding_dim": 16, "n_layers": 2, "batch_size": 512, "lr": 0.02, "max_epochs": 40}
MODELS: dict[str, Callable[[int], LightGCN | DCCF]] = {
    "lightgcn": lambda n_events: LightGCN(**SHARED, reg=1e-2),
    "dccf": lambda n_events: DCCF(**SHARED, n_intents=8, samples_per_epoch=n_events, emb_reg=1e-3),
}


def rows(n_users: int, n: int, n_plantings: int) -> list[dict[str, Any]]:
    """Return a row a model and way of ranking."""
    aucs: dict[tuple[str, str], list[float]] = {}
    for seed in range(n_plantings):
        planted = planted_edges(n_users, n_users // 5, 20 * n_users, seed=seed)
        for name, make in MODELS.items():
            model = make(len(planted.events)).fit(planted.data, seed=seed, device="cpu")
            for way, values in edge_aucs(planted, model, n, seed).items():
                aucs.setdefault((name, way), []).append(float(values.mean()))
    return [
        {"model": model, "by": way, "recommendations": n, "plantings": n_plantings, **vars(seed_interval(values))}
        for (model, way), values in aucs.items()
    ]


def main() -> None:
    """Print the rows."""
    parser = argparse.ArgumentParser(description="AUC of the planted intent's edges.")
    parser.add_argument("--users", type=int, default=400)
    parser.add_argument("--recommendations", type=int, default=50)
    parser.add_argument("--plantings", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/edges.json as well")
    args = parser.parse_args()
    measured = rows(args.users, args.recommendations, args.plantings)
    if args.save:
        results.save("edges", {"rows": measured})
    for row in measured:
        print(json.dumps(row) if args.json else "  ".join(f"{name} {value}" for name, value in row.items()))


if __name__ == "__main__":
    main()

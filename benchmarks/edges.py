"""How well edges behind a recommendation tell its planted intent: ``python benchmarks/edges.py [--json]``.

People of mixed intents, each interaction drawn by one that is known. For recommendations of held-out interactions, the
asking person's edges are ranked, and a row gives the mean AUC of those of the recommendation's intent: by the weights of
``edges_behind``, by the degree of the edge's item, and by chance.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from planted_edges import edge_aucs, planted_edges

from distaff_graph.collaborative.dccf import DCCF
from distaff_graph.collaborative.lightgcn import LightGCN

SHARED = {"embedding_dim": 16, "n_layers": 2, "batch_size": 512, "lr": 0.02}


def rows(n_users: int, n: int) -> list[dict[str, object]]:
    planted = planted_edges(n_users, n_users // 5, 20 * n_users)
    models = (
        LightGCN(**SHARED, max_epochs=40, reg=1e-2),
        DCCF(**SHARED, max_epochs=40, n_intents=8, samples_per_epoch=len(planted.events), emb_reg=1e-3),
    )
    return [
        {"model": model.name, "recommendations": n, **{k: round(float(v.mean()), 3) for k, v in aucs.items()}}
        for model in models
        for aucs in [edge_aucs(planted, model.fit(planted.data, device="cpu"), n)]
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description="AUC of the planted intent's edges.")
    parser.add_argument("--users", type=int, default=400)
    parser.add_argument("--recommendations", type=int, default=50)
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    for row in rows(args.users, args.recommendations):
        print(json.dumps(row) if args.json else "  ".join(f"{name} {value}" for name, value in row.items()))


if __name__ == "__main__":
    main()

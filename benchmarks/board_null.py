"""Rates at which the board calls runs different: ``python benchmarks/board_null.py [--json] [--quick] [--seeds N]``.

On planted data, many seeds of ALS, LightGCN and Plait are fitted. Null: pairs of single seeds, to which other runs lend a
seed variance, and of disjoint triples of seeds, all of one method. The share with p below .05 is given as the board tests
now, and as it did when users were the only error. Power: the same for pairs of two methods, or of two sizes of one.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import polars as pl
from benchmarks import results
from scipy import stats

from distaff.ranking.metrics import evaluate
from distaff.recommenders.base import Recommender
from distaff.stats.crossed import Side, compare_crossed, spread_of
from distaff_data.arrays import Floats
from distaff_data.datasets.interactions import Interactions
from distaff_data.planted.interactions import planted_interactions

METRICS = ("recall@20", "ndcg@20")
LEVEL = 0.05
_LENDERS = 5  # seeds that lend their variance to single ones
_PAIRS = 400


@dataclass(frozen=True)
class Method:
    """A model with settings under which a fit takes seconds."""

    row: str
    model: str
    settings: Mapping[str, Any]


METHODS = (
    Method("als", "als", {"embedding_dim": 16, "reg": 30, "confidence": 20}),
    Method("als-3", "als", {"embedding_dim": 3, "reg": 30, "confidence": 20}),
    Method("lightgcn", "lightgcn", {"embedding_dim": 16, "max_epochs": 30, "lr": 0.01, "batch_size": 1024}),
    Method(
        "plait",
        "plait",
        {
            "n_intents": 6,
            "components": "ease,als:embedding_dim=16:reg=30:confidence=20",
            "weights": "0.3,0.6",
            "intent_share": 0.1,
        },
    ),
)


def planted(n_users: int, n_items: int, n_events: int) -> Interactions:
    """Return planted interactions of which each user's are divided at random, a tenth for validation and a fifth to test."""
    truth = planted_interactions(n_users=n_users, n_items=n_items, n_events=n_events, n_intents=6, seed=0)
    pairs = pl.DataFrame(truth.table()).select("user", "item").unique(maintain_order=True)
    splits = np.random.default_rng(0).choice(["train", "valid", "test"], size=len(pairs), p=[0.7, 0.1, 0.2])
    return Interactions.from_arrays(pairs["user"].to_numpy(), pairs["item"].to_numpy(), splits, name="planted")


def values_of(method: Method, data: Interactions, n_seeds: int) -> dict[str, Floats]:
    """Return each user's test values ``(n_seeds, n_users)`` by metric."""
    found: dict[str, list[Floats]] = {metric: [] for metric in METRICS}
    for seed in range(n_seeds):
        start = time.perf_counter()
        model = Recommender.named(method.model)(**method.settings).fit(data, seed=seed, device="cpu")
        per_user = evaluate(model.ranker(), data, "test", ks=(20,)).per_user
        for metric in METRICS:
            found[metric].append(per_user[metric].double().numpy())
        print(f"{method.row} seed {seed}: {time.perf_counter() - start:.1f} s", file=sys.stderr, flush=True)
    return {metric: np.stack(values) for metric, values in found.items()}


def singles(model: Floats, control: Floats, rng: np.random.Generator) -> Iterator[tuple[Side, Side]]:
    """Yield single runs of each, with the spread that other runs lend: the same ones, where both are of one method."""
    for _ in range(_PAIRS):
        drawn = rng.permutation(len(model))
        lent = spread_of(model[drawn[2 : 2 + _LENDERS]])
        if model is control:
            yield Side(model[drawn[:1]], lent), Side(model[drawn[1:2]], lent)
        else:
            theirs = rng.permutation(len(control))
            other = spread_of(control[theirs[2 : 2 + _LENDERS]])
            yield Side(model[drawn[:1]], lent), Side(control[theirs[:1]], other)


def triples(model: Floats, control: Floats, rng: np.random.Generator) -> Iterator[tuple[Side, Side]]:
    """Yield three runs of each, of one method without a run in common."""
    for _ in range(_PAIRS):
        drawn = rng.permutation(len(model))
        theirs = drawn[3:6] if model is control else rng.permutation(len(control))[:3]
        yield Side(model[drawn[:3]]), Side(control[theirs])


def rates(pairs: Sequence[tuple[Side, Side]]) -> dict[str, float]:
    """Return the shares of pairs called different at 5 %: now, and by users alone."""
    now = [compare_crossed(one, other, metric="", against="").p_value for one, other in pairs]
    before = [stats.ttest_rel(one.values.mean(0), other.values.mean(0)).pvalue for one, other in pairs]
    return {
        "now": float(np.mean([p is not None and p < LEVEL for p in now])),
        "users_alone": float(np.mean(np.array(before) < LEVEL)),
        "pairs": len(pairs),
    }


def rows_of(values: Mapping[str, Mapping[str, Floats]]) -> list[dict[str, Any]]:
    """Return a row for each method with itself, and for each two methods, by metric and number of seeds."""
    rows = []
    for one, other in itertools.combinations_with_replacement(values, 2):
        for metric, (name, draw) in itertools.product(METRICS, (("single", singles), ("triple", triples))):
            model, control = values[one][metric], values[other][metric]
            row = {"model": one, "control": other, "null": one == other, "metric": metric, "seeds": name}
            found = list(draw(model, control, np.random.default_rng(0)))
            gap = float(model.mean() - control.mean())
            rows.append(row | {"difference": gap} | rates(found))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description="How often the board calls two runs different.")
    parser.add_argument("--seeds", type=int, default=16, help="seeds of each method, at least 7")
    parser.add_argument("--quick", action="store_true", help="small data")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/board-null.json as well")
    args = parser.parse_args()
    if args.seeds < _LENDERS + 2:
        parser.error(f"--seeds must be at least {_LENDERS + 2}")
    size = {"n_users": 600, "n_items": 300, "n_events": 24_000}
    if args.quick:
        size = {"n_users": 200, "n_items": 100, "n_events": 6_000}
    data = planted(**size)
    rows = rows_of({method.row: values_of(method, data, args.seeds) for method in METHODS})
    answer = {"name": "board-null", "data": size, "seeds": args.seeds, "rows": rows}
    if args.save:
        results.save("board-null", answer)
    if args.json:
        print(json.dumps(answer))
        return
    for row in rows:
        kind = "null " if row["null"] else "power"
        print(
            f"{kind} {row['model']:9} {row['control']:9} {row['metric']:10} {row['seeds']:7} difference "
            f"{row['difference']:+.4f}  p<.05: {row['now']:.3f}, by users alone {row['users_alone']:.3f}"
        )


if __name__ == "__main__":
    main()

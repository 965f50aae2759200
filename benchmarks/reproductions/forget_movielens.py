"""Twenty people forgotten by MovieLens 100K: does the attack still find them, and what does it cost everybody else?

For each model, fitted to all 943 users with a random 8:1:1 split:

* ``attack_before`` and ``attack_after``: AUC of guessing which of the twenty people's items the model was fitted to
  (:mod:`distaff.forgetting.attack`), before and after :meth:`~distaff.recommenders.base.Recommender.unlearn`; 0.5 is
  a guess. ``attack_own`` is the plainer attack by the scores that the model gives them itself, which afterwards is
  none: it does not know them.
* ``attack_retrained``: the same of a model that was fitted anew without them: what nothing can be below but by chance.
* ``recall_before`` and ``recall_after``: Recall@20 of everybody else on the test split; ``recall_change`` is relative.
* ``recall_retrained`` and ``overlap_retrained``: of the model fitted anew: Recall@20, and the share of everybody else's
  top-20 lists that it has in common with the model that forgot.

``--seeds`` repeats it with other people and other splits.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.csv as pacsv
import torch
from benchmarks.protocol import say

from distaff.forgetting.attack import by_folding, by_own_scores
from distaff.ranking.metrics import evaluate, exclusion, top_k
from distaff.recommenders.base import Recommender
from distaff_data.datasets.interactions import Interactions

PEOPLE = 20
MODELS: Mapping[str, Mapping[str, Any]] = {
    "popularity": {},
    "ease": {},
    "puresvd": {"n_intents": 16},
    "nmf": {"n_intents": 16},
    "als": {"embedding_dim": 32, "reg": 30.0, "confidence": 5.0},
    "plait": {
        "n_intents": 16,
        "components": "ease:penalty=250,als:embedding_dim=32:reg=30:confidence=5",
        "weights": "0.3,0.63",
        "intent_share": 0.07,
    },
    "multivae": {"max_epochs": 60},
    "lightgcn": {},
    "dccf": {"max_epochs": 60},
}


def rows(data: Path, n_seeds: int) -> list[dict[str, Any]]:
    """Return the rows of the JSON shape."""
    values_of: dict[str, dict[str, list[float]]] = {}
    for seed in range(n_seeds):
        interactions = read(data, seed)
        generator = torch.Generator().manual_seed(seed)
        people = torch.randperm(interactions.n_users, generator=generator)[:PEOPLE]
        for name, settings in MODELS.items():
            start = time.perf_counter()
            values = measure(name, settings, interactions, people, seed)
            for metric, value in values.items():
                values_of.setdefault(name, {}).setdefault(metric, []).append(value)
            listing = " ".join(f"{metric} {value:.4f}" for metric, value in values.items())
            say(f"seed {seed} {name}: {listing} ({time.perf_counter() - start:.0f} s)")
    return [
        {
            "model": name,
            "control": Recommender.named(name).control,
            "metric": metric,
            "published": None,
            "value": statistics.fmean(values),
            "std": statistics.stdev(values) if len(values) > 1 else None,
            "n_seeds": len(values),
            "selected": None,
            "settings": dict(MODELS[name]),
        }
        for name, metrics in values_of.items()
        for metric, values in metrics.items()
    ]


def read(data: Path, seed: int) -> Interactions:
    """Return MovieLens 100K, all ratings as interactions, each in train, valid or test by a draw."""
    file = data / "interactions" / "ml-100k" / "ml-100k.inter"
    table = pacsv.read_csv(file, parse_options=pacsv.ParseOptions(delimiter="\t"))
    draw = np.random.default_rng(seed).random(table.num_rows)
    splits = np.where(draw < 0.8, "train", np.where(draw < 0.9, "valid", "test"))
    return Interactions.from_arrays(table.column(0), table.column(1), splits, name="ml-100k")


def measure(
    name: str, settings: Mapping[str, Any], data: Interactions, people: torch.Tensor, seed: int
) -> dict[str, float]:
    """Return every value of one model; see the module."""
    model = Recommender.named(name)(**settings).fit(data, seed=seed, device="cpu")
    train, held_out = data.train.take(people), data.valid.union(data.test).take(people)
    values = {"attack_own": by_own_scores(model, people).auc, "attack_before": by_folding(model, train, held_out).auc}
    values["recall_before"] = _recall(model, data, people)
    values["exact"] = float(model.unlearn(people, seed) != "rows")
    values["attack_after"] = by_folding(model, train, held_out).auc
    values["recall_after"] = _recall(model, model.data)
    anew = Recommender.named(name)(**settings).fit(data.without(people), seed=seed, device="cpu")
    values["attack_retrained"] = by_folding(anew, train, held_out).auc
    values["recall_retrained"] = _recall(anew, anew.data)
    values["overlap_retrained"] = _overlap(model, anew)
    present = {metric: value for metric, value in values.items() if value is not None}
    change = present["recall_after"] / present["recall_before"] - 1
    return {
        **present,
        "recall_change": change,
        "recall_change_retrained": present["recall_after"] / present["recall_retrained"] - 1,
    }


def _recall(model: Recommender, data: Interactions, without: torch.Tensor | None = None) -> float:
    evaluation = evaluate(model.ranker(), data, "test", ks=(20,))
    counts = torch.ones(data.n_users, dtype=torch.bool)
    if without is not None:
        counts[without] = False
    return float(evaluation.per_user["recall@20"][counts[evaluation.users]].mean())


def _overlap(model: Recommender, retrained: Recommender) -> float:
    users = torch.arange(model.data.n_users)
    excluded = exclusion(model.data, ("train", "valid"))
    lists = [top_k(m.predict(users), excluded, 20)[0].sort(1).values for m in (model, retrained)]
    same = (lists[0].unsqueeze(2) == lists[1].unsqueeze(1)).any(2)
    return float(same.float().mean())

"""Planted interactions whose every event knows its intent: which of a person's edges carry a recommendation is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from distaff_data.datasets.interactions import Interactions
from distaff_data.planted.interactions import planted_interactions
from distaff_graph.collaborative.edges import Explainable, edges_behind


@dataclass(frozen=True)
class PlantedEdges:
    """Interactions and the intent by which each was drawn.

    Attributes:
        data: The interactions; nothing is held out.
        events: ``user_id, item_id, intent``, a row a training interaction, ``intent`` -1 where none chose.
        asked: ``user_id, item_id, intent`` of interactions that training does not see.
    """

    data: Interactions
    events: pl.DataFrame
    asked: pl.DataFrame


def planted_edges(n_users: int, n_items: int, n_events: int, n_intents: int = 3, seed: int = 0) -> PlantedEdges:
    """Return planted interactions of people of mixed intents, a tenth of which training does not see."""
    planted = planted_interactions(
        n_users=n_users, n_items=n_items, n_events=n_events, n_intents=n_intents, theta_alpha=2.0, seed=seed
    )
    user_ids, item_ids = (pl.Series(ids) for ids in (planted.user_ids, planted.item_ids))
    table = pl.DataFrame(planted.table()).unique(["user", "item"], keep="first", maintain_order=True)
    events = table.select(
        user_id=user_ids.gather(table["user"]), item_id=item_ids.gather(table["item"]), intent="intent"
    ).sample(fraction=1.0, shuffle=True, seed=seed)
    n_asked = len(events) // 10
    known, asked = events[n_asked:], events[:n_asked].filter(pl.col("intent") >= 0)
    asked = asked.filter(
        pl.col("user_id").is_in(known["user_id"].implode()), pl.col("item_id").is_in(known["item_id"].implode())
    )
    return PlantedEdges(Interactions.from_frame(known.select("user_id", "item_id")), known, asked)


def edge_aucs(planted: PlantedEdges, model: Explainable, n: int, seed: int = 0) -> dict[str, NDArray[np.float64]]:
    """Return by way of ranking, for each of ``n`` recommendations, the AUC of the asking person's edges of its intent.

    The ways: ``edges``, the weights of the explanation; ``degree`` of the edge's item; ``random``.
    """
    rng = np.random.default_rng(seed)
    degree = planted.events.group_by("item_id").len("degree")
    aucs: dict[str, list[float]] = {"edges": [], "degree": [], "random": []}
    for user, item, intent in planted.asked.iter_rows():
        own = planted.events.filter(pl.col("user_id") == user).join(degree, on="item_id")
        same = (own["intent"] == intent).to_numpy()
        if min(same.sum(), (~same).sum()) < 3:
            continue
        own = own.join(edges_behind(model, user, item), on=["user_id", "item_id"], maintain_order="left")
        ways = {"edges": own["weight"].to_numpy(), "degree": own["degree"].to_numpy(), "random": rng.random(len(own))}
        for name, values in ways.items():
            aucs[name].append(auc(values, same))
        if len(aucs["edges"]) == n:
            break
    return {name: np.array(values) for name, values in aucs.items()}


def auc(values: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    """Return the share of pairs of a positive and a negative that are in order, ties counting half."""
    values = np.asarray(values, dtype=np.float64)
    differences = values[positive][:, None] - values[~positive][None, :]
    return float(((differences > 0) + 0.5 * (differences == 0)).mean())

"""Fit a recommender, list items, see its intents, and set two controls beside it.

python examples/recommend.py
"""

from __future__ import annotations

import tempfile

import polars as pl

import distaff
from distaff_data.planted.samples import sample
from distaff_data.tables.interactions import load_interactions


def main() -> None:
    """Print what three models score on held-out data, and one person's list, mix and an item's neighbours."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = distaff.Workspace.create(folder + "/workspace")
        sample(workspace, "planted-interactions", n_users=300, n_items=150, n_events=9_000, n_intents=4)
        data = load_interactions(workspace.warehouse, "planted-interactions")
    nmf = distaff.NMF(n_intents=4)
    for model in (distaff.Popularity(), distaff.EASE(), nmf):
        model.fit(data, seed=0)
        scores = {measured.split: measured.metrics["recall@20"] for measured in model.measure()}
        print(f"{model!r:20} Recall@20 on validation {scores['valid']:.3f}, on test {scores['test']:.3f}")
    person, item = data.user_ids[0].as_py(), data.item_ids[0].as_py()
    print(nmf.recommend([person], k=5))
    print(nmf.factors().user_frame().filter(pl.col("user_id") == person))
    print(nmf.similar_items([item], k=3))


if __name__ == "__main__":
    main()

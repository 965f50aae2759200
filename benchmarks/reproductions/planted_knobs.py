"""Are Plait's intents the best under every knob of the generator? Beside those of NMF and of varimax, told the same K.

The generator has the form of Plait's own mixture, so each of its knobs is turned away from that form: users follow the
crowd, see only some items, move to other intents; intents come together, items have several, and choices are noise. Measured
are the mean correlation of users' shares with the planted ones in the best one-to-one assignment, and Recall@20 on test;
differences are paired over seeds of data and model. No setting is tried but what Plait chooses for itself on validation.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.protocol import METRIC, say
from benchmarks.reproductions.planted_interactions import CANDIDATES, plantings
from scipy import stats

from distaff.disentanglement import mcc
from distaff.ranking.metrics import evaluate

KNOBS: Mapping[str, Mapping[str, float]] = {
    "as it is": {},
    "conformity .4": {"conformity": 0.4},
    "exposure .3": {"exposure": 0.3},
    "correlated intents .8": {"intent_correlation": 0.8},
    "drift 1": {"drift": 1.0},
    "several intents an item": {"phi_alpha": 0.5},
    "noise .3": {"noise": 0.3},
}
MODELS = ("plait", "nmf-nndsvda", "varimax")  # of the starts of NMF the better one


def rows(data: Path, n_seeds: int) -> list[dict[str, Any]]:
    """Return a row for each knob and model; ``data`` is not read."""
    candidates = {candidate.model: candidate for candidate in CANDIDATES}
    found = []
    for knob, turned in KNOBS.items():
        values: dict[str, list[tuple[float, float]]] = {name: [] for name in MODELS}
        for planting in plantings(n_seeds, **turned):
            for name in MODELS:
                model = candidates[name].fit(planting, candidates[name].grid[0])
                correlation = float(mcc(model.intents().users.numpy(), planting.theta).value)
                recall = evaluate(model.ranker(), planting.data, "test", ks=(20,)).metrics[METRIC]
                values[name].append((correlation, recall))
                say(f"{knob}, seed {planting.seed}, {name}: user_mcc {correlation:.4f} {METRIC} {recall:.4f}")
        found += [_row(knob, name, values) for name in MODELS]
    return found


def table(found: list[dict[str, Any]]) -> str:
    """Return the rows as text."""
    return "\n".join(
        f"{row['knob']:26} {row['model']:10} user_mcc {row['user_mcc']:.3f} {METRIC} {row[METRIC]:.4f}" for row in found
    )


def _row(knob: str, name: str, values: Mapping[str, list[tuple[float, float]]]) -> dict[str, Any]:
    """Return the means of one model, and Plait's differences to it with their 95 % intervals."""
    of_model, of_plait = np.array(values[name]), np.array(values["plait"])
    row: dict[str, Any] = {"knob": knob, "model": name, "n_seeds": len(of_model)}
    for column, metric in enumerate(("user_mcc", METRIC)):
        row[metric] = float(of_model[:, column].mean())
        gaps = of_plait[:, column] - of_model[:, column]
        if name != "plait" and len(gaps) > 1:
            reach = float(stats.t.ppf(0.975, len(gaps) - 1) * gaps.std(ddof=1) / np.sqrt(len(gaps)))
            row[f"{metric}_ahead"] = [float(gaps.mean() - reach), float(gaps.mean()), float(gaps.mean() + reach)]
    return row

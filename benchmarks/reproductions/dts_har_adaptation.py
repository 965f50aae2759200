"""UCI HAR: classes learned on one subject and told on another, ten pairs of subjects, as AdaTime has them.

Each subject's windows are divided 70/30 as in AdaTime; methods see the source's training windows and labels and the
target's training windows, and the macro-F1 (per cent) of the target's test windows after the last epoch is looked at
once for each method. Settings are the same for all pairs. The weight of the information is 1; ``dts-har-development``
says what others do on pairs of the thirteen subjects that are in none of these ten. Two weights of DTS were tried
before, on the pairs 9 -> 18, 12 -> 16 and 20 -> 5 (seven looks at their targets, seed 0). ``published`` is AdaTime's
DANN, chosen by source risk, 5 runs of 40 epochs (Ragab et al., TKDD 2023); ``REFERENCES`` has the other published
figures, of source risk and, in brackets, of target risk.

``dann_information`` has all of DTS but its latents and decoder: what DTS has over it is theirs.

The leak matrix is of DTS's segments on the test windows of both subjects: linear probes read the class and the subject from
each. ``chance`` is the commonest class's share.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmarks.protocol import say

from distaff.factors.latents.probes import Concept, probe
from distaff.series.heads.classify import score_classes
from distaff_data.datasets.series import Series
from distaff_data.splits import SPLITS
from distaff_timeseries.dts.adaptation import Adaptation

PAIRS = ((2, 11), (6, 23), (7, 13), (9, 18), (12, 16), (18, 27), (20, 5), (24, 8), (28, 27), (30, 20))
METHODS: dict[str, Mapping[str, Any]] = {
    method: {"method": method} for method in ("none", "dann", "dann_information", "dts")
}
EPOCHS = 40
REFERENCES = {
    "deepcoral": (85.5, 86.3),
    "dann": (87.3, 88.3),
    "cdan": (86.0, 90.7),
    "codats": (84.3, 88.2),
    "dirt-t": (89.6, 93.7),
    "dsan": (87.9, 91.5),
}


def rows(data: Path, n_seeds: int) -> list[dict[str, Any]]:
    return measured(data, PAIRS, METHODS, n_seeds)


def measured(
    data: Path, pairs: Sequence[tuple[int, int]], settings: Mapping[str, Mapping[str, Any]], n_seeds: int
) -> list[dict[str, Any]]:
    """Return the rows of the JSON shape: the mean over pairs of every metric, by what the table calls each setting."""
    subjects = read(data)
    means_of: dict[tuple[str, str], list[float]] = {}
    for seed in range(n_seeds):
        values_of: dict[tuple[str, str], list[float]] = {}
        for source, target in pairs:
            for name, method in settings.items():
                for metric, value in _measured(method, subjects[source], subjects[target], seed):
                    values_of.setdefault((name, metric), []).append(value)
            scores = " ".join(f"{name} {values_of[name, 'macro_f1'][-1]:.1f}" for name in settings)
            say(f"seed {seed} {source} -> {target}: macro-F1 {scores}")
        for key, values in values_of.items():
            means_of.setdefault(key, []).append(statistics.fmean(values))
    return [
        {
            "model": name,
            "control": settings[name]["method"] != "dts",
            "metric": metric,
            "published": 87.3 if (name, metric) == ("dann", "macro_f1") else None,
            "value": statistics.fmean(values),
            "std": statistics.stdev(values) if len(values) > 1 else None,
            "n_seeds": len(values),
            "selected": None,
            "looks": 1,
            "settings": {"epochs": EPOCHS, **settings[name]},
        }
        for (name, metric), values in means_of.items()
    ]


def read(data: Path) -> dict[int, Series]:
    """Return the windows of each subject, with AdaTime's training and test windows."""
    with np.load(data / "series" / "uci_har" / "uci_har_subjectwise.npz", allow_pickle=False) as file:
        x, y, subject, split = (file[name] for name in ("x", "y", "subject", "adatime_split"))
    series_of = {}
    for number in sorted(set(subject.tolist())):
        rows = subject == number
        series = Series.from_windows(
            x[rows], y[rows].tolist(), groups=[str(number)] * int(rows.sum()), name=f"har-{number}"
        )
        codes = np.where(split[rows] == "train", SPLITS.index("train"), SPLITS.index("test")).astype(np.int8)
        series_of[number] = series.with_splits(torch.from_numpy(np.repeat(codes, x.shape[1])))
    return series_of


def _measured(settings: Mapping[str, Any], source: Series, target: Series, seed: int) -> Iterator[tuple[str, float]]:
    model = Adaptation(epochs=EPOCHS, **settings).fit(source, target, seed=seed, device="cpu")
    test = [(data.splits[data.offsets[:-1]] == SPLITS.index("test")) for data in (source, target)]
    scores = score_classes(target.labels[test[1]], model.predict(target)[test[1]])
    yield "macro_f1", 100 * scores["macro_f1"]
    segments = [model.represent(source, "source"), model.represent(target, "target")]
    labels = torch.cat([data.labels[rows] for data, rows in zip((source, target), test, strict=True)]).numpy()
    subject = np.repeat([0, 1], [int(rows.sum()) for rows in test])
    fitted = np.random.default_rng(seed).permutation(len(labels)) % 2 == 0
    for name in segments[0]:
        tested = [vectors_of[name][rows] for vectors_of, rows in zip(segments, test, strict=True)]
        vectors = torch.cat(tested).double().numpy()
        for concept, values in (("class", labels), ("subject", subject)):
            cell = probe(name, vectors, Concept(concept, "instance", values), fitted, seed)
            assert cell is not None
            segment = {"group": "subject"}.get(name, name)
            yield f"{concept} read from {segment}", 100 * cell.score
            if name == "class":
                yield f"{concept} by chance", 100 * cell.chance

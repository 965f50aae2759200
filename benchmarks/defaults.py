"""How a default does on data that it was not chosen on: ``python benchmarks/defaults.py [MODEL ...] [--trials N] [--save]``.

One procedure for every model. N configurations are drawn from its search space (the default first, the rest a scrambled
Sobol sequence, the same on each dataset), each is fitted on every dataset's training part, and its Recall@20 on validation
is divided by the best of the N there. The default *of a dataset* is the configuration with the largest mean of that ratio
over the other datasets, which is how the default would have been chosen had the dataset never been seen. Printed are, on
that dataset, its share of the best, that of the shipped default, and the best itself.

No test split is read. Amazon-book is left to models that fit it in a minute or two on two cores (``SCALABLE``).
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from benchmarks import amazon_book, board_null, lfm2k, results
from benchmarks.reproductions import forget_movielens
from scipy.stats import qmc

from distaff.model.config import Choices, ModelConfig, Span
from distaff.model.registry import model_class
from distaff.ranking.metrics import evaluate
from distaff.recommenders.base import Recommender
from distaff_data.datasets.interactions import Interactions

METRIC = "recall@20"
SCALABLE = ("ease", "als", "item_knn", "rp3beta", "graph_filter", "puresvd")
MODELS = (
    *SCALABLE,
    *("gfcf", "nmf", "seminmf", "varimax", "ica", "lda"),
    *("multivae", "macridvae", "lightgcn", "dccf", "plait"),
)
ROOT = Path(__file__).resolve().parents[1]
SEED = 2023


@dataclass(frozen=True)
class Row:
    """A model on the dataset that was left out of the choice.

    Attributes:
        model: The model.
        dataset: The dataset.
        best: METRIC of the best configuration there.
        left_out: Share of it that the configuration chosen on the other datasets reaches.
        shipped: Share of it that the shipped default reaches.
        settings: The configuration chosen on the others.
        seconds: Of all fits.
    """

    model: str
    dataset: str
    best: float
    left_out: float
    shipped: float
    settings: Mapping[str, Any]
    seconds: float


def datasets(data: Path) -> dict[str, Callable[[], Interactions]]:
    """Return what reads each dataset."""
    return {
        "ml-100k": lambda: forget_movielens.read(data, SEED),
        "lfm2k": lambda: lfm2k.read(data),
        "planted": lambda: board_null.planted(1500, 600, 71_000),
        "amazon-book": lambda: amazon_book.read(data),
    }


def configurations(config: type[ModelConfig], n: int) -> list[dict[str, Any]]:
    """Return the default and n - 1 other configurations, spread over the search space; fewer of a smaller space."""
    space = config.search_space()
    drawn: list[dict[str, Any]] = [{}]
    points = qmc.Sobol(max(len(space), 1), rng=np.random.default_rng(SEED)).random_base2(max(n * 4, 2).bit_length())
    for point in points if space else ():
        settings = {
            name: _value(what, float(u), whole=config.model_fields[name].annotation is int)
            for (name, what), u in zip(space.items(), point, strict=True)
        }
        if len(drawn) < n and settings not in drawn and config.parse(settings).changed():
            drawn.append(settings)
    return drawn


def _value(what: Span | Choices, u: float, *, whole: bool) -> Any:
    """Return the value of a setting at a share of its range."""
    if isinstance(what, Choices):
        return what.values[min(int(u * len(what.values)), len(what.values) - 1)]
    if what.log:
        value = float(np.exp(np.log(what.low) + u * (np.log(what.high) - np.log(what.low))))
    else:
        value = what.low + u * (what.high - what.low)
    return round(value) if whole else value


def measure(model: str, settings: Mapping[str, Any], data: Interactions) -> float:
    """Return METRIC on validation of one fit."""
    fitted = Recommender.named(model)(**settings)
    fitted.fit(data, seed=SEED)
    return evaluate(fitted.ranker(), data, "valid", ks=(20,)).metrics[METRIC]


def leave_one_out(
    model: str, values: Mapping[str, np.ndarray], tried: list[dict[str, Any]], seconds: Mapping[str, float]
) -> Iterator[Row]:
    """Yield a row for each dataset from METRIC of each configuration ``(n_configurations,)`` by dataset."""
    shares = {name: value / value.max() for name, value in values.items()}
    for left_out in values:
        others = [share for name, share in shares.items() if name != left_out]
        chosen = int(np.mean(others, axis=0).argmax())
        yield Row(
            model,
            left_out,
            float(values[left_out].max()),
            float(shares[left_out][chosen]),
            float(shares[left_out][0]),
            tried[chosen],
            seconds[left_out],
        )


def run(models: list[str], n: int, data: Path, skip: Collection[str], log: Callable[[str], None]) -> Iterator[Row]:
    """Yield the rows of every model, models in order; each dataset is read once and kept."""
    read = {name: reader() for name, reader in datasets(data).items() if name not in skip}
    for model in models:
        tried = configurations(model_class(model).Config, n)
        values, seconds = dict[str, Any](), dict[str, float]()
        for name, interactions in read.items():
            if name == "amazon-book" and model not in SCALABLE:
                continue
            start = time.perf_counter()
            values[name] = np.array([measure(model, settings, interactions) for settings in tried])
            seconds[name] = time.perf_counter() - start
            log(f"{model} on {name}: {len(tried)} configurations in {seconds[name]:.0f} s")
        yield from leave_one_out(model, values, tried, seconds)


def main() -> None:
    """Print the table, and write it as a file of results when asked."""
    parser = argparse.ArgumentParser(description="How a default does on data that it was not chosen on.")
    parser.add_argument("models", nargs="*", default=list(MODELS), metavar="MODEL")
    parser.add_argument("--trials", type=int, default=16, help="configurations of each model, the default among them")
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("DISTAFF_REAL_DATA") or ROOT.parent / "shared" / "data")
    )
    parser.add_argument("--skip", action="append", default=[], metavar="DATASET", help="leave a dataset out")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/NAME.json as well")
    parser.add_argument("--name", default="defaults", help="of the file of results")
    args = parser.parse_args()
    rows: list[Row] = []
    say = functools.partial(print, file=sys.stderr, flush=True)
    for row in run(args.models, args.trials, args.data, args.skip, say):
        rows.append(row)
        answer = {"trials": args.trials, "metric": METRIC, "rows": [asdict(row) for row in rows]}
        if args.save:  # after each row: a run of hours that ends early has told of the models it came to
            results.save(args.name, answer)
    if args.json:
        print(json.dumps(answer))
        return
    print(f"{'model':14} {'left out':12} {'best':>7} {'by the others':>14} {'shipped':>8}  chosen on the others")
    for row in rows:
        settings = ", ".join(f"{k}={v:.3g}" if isinstance(v, float) else f"{k}={v}" for k, v in row.settings.items())
        print(
            f"{row.model:14} {row.dataset:12} {row.best:7.4f} {row.left_out:14.1%} {row.shipped:8.1%}  "
            f"{settings or 'the default'}"
        )


if __name__ == "__main__":
    main()

"""How often what means nothing is told as something: ``python benchmarks/false_positives.py NAME [--runs N] [--json]``.

Each NAME plants factors that mean nothing, counts what is claimed of them, by the rule as it is (``now``) and as it was
(``before``, where that can still be computed), and then, as ``power``, what is claimed of factors that do mean something. A
rate stands with its 95 % interval (Clopper and Pearson).

- ``names``: random item shares on MovieLens 100K's genres, and real fits with rows shuffled over items; planted categories.
- ``cards``: pages of 32 effect cards of 40 properties, of noise; one true effect a factor.
- ``blind_spots``: lists drawn as what is taken is, 32 factors and 12 cohorts; one factor that lists hold down.
- ``infomec``: independent autoregressive latents and factors (.99, 1,500 rows), and trends; latents of factors and noise.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import polars as pl
import pyarrow as pa
import torch
from scipy import sparse, stats
from scipy.signal import lfilter

from distaff.disentanglement.study import LatentStudy
from distaff.factors.effects import Ladder, compare_effects
from distaff.factors.intents.blind_spots import NOTABLE, BlindSpotAudit, audit_blind_spots
from distaff.model.base import Session
from distaff.recommenders.base import Recommender
from distaff.recommenders.intents import Intents
from distaff.recommenders.relevance import (
    TOP,
    Distributions,
    Incidence,
    associate,
    incidence_of,
    item_distributions,
    relevance,
)
from distaff_data.arrays import Floats
from distaff_data.datasets.interactions import Interactions
from distaff_data.planted.interactions import planted_interactions

DATA = Path(os.environ.get("DISTAFF_REAL_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
FITS: Mapping[str, Mapping[str, Any]] = {
    "varimax": {},
    "nmf": {},
    "plait": {"n_intents": 16, "components": "ease,als:embedding_dim=64", "weights": "0.3,0.6", "intent_share": 0.1},
}


@dataclass(frozen=True)
class Rate:
    """A share of trials, with its 95 % interval."""

    what: str
    rule: str
    hits: int
    trials: int
    rate: float
    low: float
    high: float

    @classmethod
    def of(cls, what: str, rule: str, hits: int, trials: int) -> Rate:
        """Return the rate of ``hits`` in ``trials``."""
        found = stats.binomtest(hits, trials).proportion_ci(method="exact")
        return cls(what, rule, hits, trials, hits / trials, float(found.low), float(found.high))


# -------------------------------------------------------------------------------------------------------------- names


def movielens() -> tuple[Interactions, Incidence, torch.Tensor]:
    """Return MovieLens 100K, its genres and its items' popularity."""
    folder = DATA / "interactions" / "ml-100k"
    events = pl.read_csv(folder / "ml-100k.inter", separator="\t", infer_schema_length=0)
    data = Interactions.from_arrays(events["user_id:token"].to_arrow(), events["item_id:token"].to_arrow())
    genres = pl.read_csv(folder / "ml-100k.item", separator="\t", infer_schema_length=0, encoding="utf8-lossy").select(
        id="item_id:token", name=pl.lit("genre"), value=pl.col("class:token_seq").str.split(" ")
    )
    popularity = torch.bincount(data.train.indices, minlength=data.n_items)
    return data, incidence_of(genres.explode("value").drop_nulls(), data.item_ids), popularity


def named_before(intents: Distributions, incidence: Incidence) -> set[tuple[int, str]]:
    """Return intents and values by the former rule: no popularity in the null, a false discovery rate of 5 %."""
    n_items = intents.probability.shape[1]
    top = min(TOP, max(n_items // 4, 1))
    chosen = relevance(intents.probability, intents.lift).topk(top, dim=1).indices.numpy()
    hits = np.stack([np.asarray(incidence.carries[items].sum(0)).ravel() for items in chosen])
    sizes = np.asarray(incidence.carries.sum(0)).ravel()
    p_values = stats.hypergeom.sf(hits - 1, n_items, sizes[None], top)
    certain = stats.false_discovery_control(p_values.ravel()).reshape(p_values.shape) < 0.05
    return {(int(k), incidence.pairs[int(v)][1]) for k, v in zip(*np.nonzero(certain), strict=True)}


def named_now(intents: Distributions, incidence: Incidence, popularity: torch.Tensor) -> set[tuple[int, str]]:
    """Return intents and values by the rule as it is."""
    return {(a.intent, a.value) for a in associate(intents, incidence, popularity)}


def names(n_runs: int) -> Iterator[Rate]:
    """Yield rates of names."""
    data, genres, popularity = movielens()
    for k in (8, 16, 32):
        for alpha in (0.3, 1.0):
            draws = (
                torch.from_numpy(np.random.default_rng(seed).dirichlet(np.full(k, alpha), data.n_items))
                for seed in range(n_runs)
            )
            yield from _name_rates(f"random shares, K {k}, alpha {alpha}", draws, genres, popularity)
    for n_of_a_factor in (10, 40):
        yield from _name_rates(
            f"{n_of_a_factor} of 400 items a factor, labels in the order of ids",
            (_few_items(n_of_a_factor, seed) for seed in range(n_runs)),
            *_in_order(400),
        )
    for n_items in (30, 45):
        draws = (torch.from_numpy(np.random.default_rng(s).dirichlet((0.3, 0.3), n_items)) for s in range(n_runs))
        yield from _name_rates(f"random shares, K 2, {n_items} items, labels of the popular", draws, *_popular(n_items))
    for name, settings in FITS.items():
        model = Recommender.named(name)(**settings)
        items = model.fit(data, seed=0, device="cpu").intents().items
        yield from _name_rates(f"{name}, its real fit", iter([items]), genres, popularity)
        shuffled = (items[torch.from_numpy(np.random.default_rng(s).permutation(len(items)))] for s in range(n_runs))
        yield from _name_rates(f"{name}, rows shuffled over items", shuffled, genres, popularity)
    yield from _true_names(max(n_runs // 10, 3))


def _few_items(n_of_a_factor: int, seed: int) -> torch.Tensor:
    """Return shares of 400 items in 16 factors of so many items each, at random."""
    rng, shares = np.random.default_rng(seed), np.zeros((400, 16))
    for k in range(16):
        shares[rng.choice(400, n_of_a_factor, replace=False), k] = rng.random(n_of_a_factor)
    return torch.from_numpy(shares)


def _in_order(n_items: int) -> tuple[Incidence, torch.Tensor]:
    """Return ten labels of runs of items, and popularity in another order."""
    carries = np.arange(n_items)[:, None] * 10 // n_items == np.arange(10)
    popularity = np.random.default_rng(0).permutation(np.ceil(2000 / np.arange(1, n_items + 1)))
    return Incidence([("label", str(v)) for v in range(10)], sparse.csr_matrix(carries * 1.0)), torch.from_numpy(
        popularity
    )


def _popular(n_items: int) -> tuple[Incidence, torch.Tensor]:
    """Return twenty labels of nine tenths of the most popular items, and their popularity."""
    rng = np.random.default_rng(1)
    carries = (np.arange(n_items)[:, None] < n_items * rng.uniform(0.05, 0.2, 20)) & (rng.random((n_items, 20)) < 0.9)
    carries = carries[:, carries.sum(0) > 1]
    labels = [("label", str(v)) for v in range(carries.shape[1])]
    popularity = torch.from_numpy(np.ceil(2000 / np.arange(1, n_items + 1)))
    return Incidence(labels, sparse.csr_matrix(carries * 1.0)), popularity


def _name_rates(
    what: str, draws: Iterator[torch.Tensor], incidence: Incidence, popularity: torch.Tensor
) -> Iterator[Rate]:
    rules: dict[str, Callable[[Distributions], set[tuple[int, str]]]] = {
        "before": lambda found: named_before(found, incidence),
        "now": lambda found: named_now(found, incidence, popularity),
    }
    counts = {rule: np.zeros(2, dtype=int) for rule in rules}
    fits = factors = 0
    for shares in draws:
        found = item_distributions(shares, popularity)
        fits, factors = fits + 1, factors + shares.shape[1]
        for rule, name in rules.items():
            named = len({k for k, _ in name(found)})
            counts[rule] += [named, named > 0]
    for rule, (named, any_named) in counts.items():
        yield Rate.of(f"{what}: factors named", rule, int(named), factors)
        if fits > 1:
            yield Rate.of(f"{what}: fits with a name", rule, int(any_named), fits)


def _true_names(n_runs: int) -> Iterator[Rate]:
    """Yield how many planted intents are named by their own category, where some items have another's."""
    for flip in (0.4, 0.7):
        right = {"before": 0, "now": 0}
        for seed in range(n_runs):
            planted = planted_interactions(n_users=400, n_items=400, n_events=20_000, category_flip=flip, seed=seed)
            labels = [f"c{c}" for c in planted.category]
            attributes = pa.table({"id": planted.item_ids, "name": ["category"] * 400, "value": labels})
            popularity = torch.from_numpy(np.bincount(planted.table()["item"].to_numpy(), minlength=400))
            found = item_distributions(torch.from_numpy(planted.phi).float(), popularity)
            incidence = incidence_of(attributes, planted.item_ids)
            truth = {(k, f"c{k}") for k in range(6)}
            right["before"] += len(truth & named_before(found, incidence))
            right["now"] += len(truth & named_now(found, incidence, popularity))
        for rule, hits in right.items():
            yield Rate.of(f"power: planted intents named, {flip:.0%} of labels wrong", rule, hits, 6 * n_runs)


# -------------------------------------------------------------------------------------------------------------- cards


def page(rng: np.random.Generator, n_factors: int, n_properties: int, n: int, effect: float) -> list[Floats]:
    """Return properties at the ends of each factor's ladder, ``(2, n, M)``: noise, of which ``effect`` moves one."""
    cards = []
    for factor in range(n_factors):
        values = rng.normal(size=(2, n, n_properties))
        values[1, :, factor % n_properties] += effect
        cards.append(values)
    return cards


def held_cards(cards: list[Floats], *, corrected: bool, seed: int) -> list[str | None]:
    """Return the headline of each card, None where it has none."""
    ends = Ladder(np.array([0.0, 1.0]), ("low", "high"), np.ones(2, dtype=bool), np.zeros(2, dtype=bool))
    properties = tuple(str(m) for m in range(cards[0].shape[2]))
    n_factors = len(cards) if corrected else 1
    found = [
        compare_effects(values, properties, ends, n_factors=n_factors, seed=seed * 1000 + k)
        for k, values in enumerate(cards)
    ]
    return [None if card.headline is None else card.headline.property for card in found]


def cards(n_runs: int, n_factors: int = 32, n_properties: int = 40, n: int = 200) -> Iterator[Rate]:
    """Yield rates of effect cards."""
    for rule in ("before", "now"):
        held = [
            sum(h is not None for h in held_cards(made, corrected=rule == "now", seed=run))
            for run in range(n_runs)
            for made in [page(np.random.default_rng(run), n_factors, n_properties, n, 0.0)]
        ]
        yield Rate.of("cards of noise", rule, sum(held), n_runs * n_factors)
        yield Rate.of("pages with a card of noise", rule, sum(h > 0 for h in held), n_runs)
    for effect in (0.4, 0.6):
        for rule in ("before", "now"):
            right = 0
            for run in range(max(n_runs // 10, 2)):
                made = page(np.random.default_rng(run), n_factors, n_properties, n, effect)
                told = held_cards(made, corrected=rule == "now", seed=run)
                right += sum(h == str(k % n_properties) for k, h in enumerate(told))
            yield Rate.of(f"power: true cards, {effect} deviations", rule, right, max(n_runs // 10, 2) * n_factors)


# -------------------------------------------------------------------------------------------------------- blind spots


class Drawn(Recommender):
    """Lists that are drawn: the best of random scores, by chances that may hold one factor's items down."""

    name = "drawn"

    def plant(self, chances: Floats, seed: int) -> Drawn:
        """Take each user's chances of items ``(n_users, n_items)``."""
        noise = np.random.default_rng(seed).gumbel(size=chances.shape)
        self._table = torch.from_numpy(np.log(chances) + noise).float()
        return self

    def _fit(self, data: Interactions, session: Session) -> None:
        """Learn nothing."""

    def predict(self, users: torch.Tensor) -> torch.Tensor:
        """Return scores whose best items are a draw without replacement."""
        return self._table[users].clone()

    def state(self) -> dict[str, torch.Tensor]:
        """Return nothing."""
        return {}

    def load_state(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Restore nothing."""


def drawn_audit(
    seed: int, *, n_users: int = 500, n_items: int = 600, n_factors: int = 32, each: int = 8, held_down: float = 1.0
) -> BlindSpotAudit:
    """Return the audit of lists that are drawn as interactions are, but for factor 0's items, of which they hold less."""
    rng = np.random.default_rng(seed)
    items = rng.dirichlet(np.full(n_factors, 0.1), n_items)
    users = rng.dirichlet(np.full(n_factors, 0.3), n_users)
    chances = users @ items.T * rng.uniform(0.5, 1.5, n_items)
    counts = 1 + rng.poisson(each - 1, n_users)
    taken = np.argsort(-(np.log(chances) + rng.gumbel(size=chances.shape)), axis=1)
    pairs = [(u, int(i)) for u in range(n_users) for i in taken[u, : counts[u]]]
    known = [(u, int(i)) for u in range(n_users) for i in rng.choice(n_items, 3, replace=False)]
    test = set(pairs)
    train = [pair for pair in known if pair not in test] + [(0, i) for i in range(n_items) if (0, i) not in test]
    everything = np.array(train + pairs)
    splits = np.array(["train"] * len(train) + ["test"] * len(pairs))
    data = Interactions.from_arrays(everything[:, 0], everything[:, 1], splits)
    user_at, item_at = (np.array([int(i) for i in ids.to_pylist()]) for ids in (data.user_ids, data.item_ids))
    listed = chances * np.where(items.argmax(1) == 0, held_down, 1.0)
    model = Drawn().plant(listed[user_at][:, item_at], seed + 1)
    model.fit(data)
    intents = Intents(torch.from_numpy(users[user_at]).float(), torch.from_numpy(items[item_at]).float())
    cohorts = rng.integers(0, 11, n_users)
    attributes = pa.table({"id": data.user_ids, "name": ["group"] * n_users, "value": [f"g{c}" for c in cohorts]})
    return audit_blind_spots(model, intents, attributes, seed=seed)


def found_before(found: BlindSpotAudit) -> set[tuple[str, int]]:
    """Return the cells that were findings by the interval alone."""
    return {
        (s.cohort, s.factor)
        for s in found.spots
        if (s.ratio < NOTABLE and s.high < 1) or (s.ratio > 1 / NOTABLE and s.low > 1)
    }


def found_now(found: BlindSpotAudit) -> set[tuple[str, int]]:
    """Return the cells that are findings."""
    return {(s.cohort, s.factor) for s in found.spots if s.finding is not None}


def blind_spots(n_runs: int) -> Iterator[Rate]:
    """Yield rates of blind spots."""
    rules = {"before": found_before, "now": found_now}
    for number in (1, 8):
        audits = [drawn_audit(seed, each=number) for seed in range(n_runs)]
        for rule, cells in rules.items():
            what = f"{number} interactions a user"
            hits = [len(cells(found)) for found in audits]
            yield Rate.of(f"cells found, {what}", rule, sum(hits), sum(len(a.spots) for a in audits))
            yield Rate.of(f"audits with a finding, {what}", rule, sum(h > 0 for h in hits), n_runs)
    for n_users in (500, 2000):
        held = [drawn_audit(seed, n_users=n_users, held_down=0.25) for seed in range(max(n_runs // 4, 3))]
        for rule, cells in rules.items():
            found = [("everyone", 0) in cells(each) for each in held]
            yield Rate.of(f"power: a factor held down is found, {n_users} users", rule, sum(found), len(found))


# ------------------------------------------------------------------------------------------------------------ infomec


def slow(rng: np.random.Generator, n: int, columns: int, phi: float) -> Floats:
    """Return independent autoregressive columns ``(n, columns)`` of deviation 1."""
    series = lfilter([1.0], [1.0, -phi], rng.normal(size=(n + 1000, columns)), axis=0)[1000:]
    return np.asarray(series / series.std(0))


def infomec(n_runs: int, n: int = 1500) -> Iterator[Rate]:
    """Yield rates of latents that pass the floor of noise."""
    for phi in (0.99, 0.9, 0.0):
        for rule in ("before", "now"):
            informative, runs, right = 0, 0, 0
            for seed in range(n_runs):
                rng = np.random.default_rng(seed)
                latents, factors = slow(rng, n, 8, phi), slow(rng, n, 8, phi)
                passed = _passed(latents, factors, rule)
                informative, runs = informative + passed, runs + (passed > 0)
                right += _passed(factors[:, :4] + 0.3 * rng.normal(size=(n, 4)), factors[:, :4], rule)
            yield Rate.of(f"latents informative, phi {phi}", rule, informative, 8 * n_runs)
            yield Rate.of(f"data sets with one, phi {phi}", rule, runs, n_runs)
            yield Rate.of(f"power: true latents informative, phi {phi}", rule, right, 4 * n_runs)
    for rule in ("before", "now"):
        hits = sum(_passed(*trends(np.random.default_rng(seed), n), rule) for seed in range(n_runs))
        yield Rate.of("latents informative, trends with only time in common", rule, hits, 8 * n_runs)


def trends(rng: np.random.Generator, n: int) -> tuple[Floats, Floats]:
    """Return 8 latents and 4 factors that rise or fall with time, and noise."""
    time = np.linspace(-1.5, 1.5, n)[:, None]
    latents, factors = (time * rng.choice([-1, 1], columns) + 0.3 * rng.normal(size=(n, columns)) for columns in (8, 4))
    return latents, factors


def _passed(latents: Floats, factors: Floats, rule: str) -> int:
    study = LatentStudy(latents, factors, in_time_order=rule == "now")
    return int(study.floor.passed(study.nmi).any(0).sum())


MEASURES: Mapping[str, tuple[Callable[[int], Iterator[Rate]], int]] = {
    "names": (names, 100),
    "cards": (cards, 40),
    "blind_spots": (blind_spots, 40),
    "infomec": (infomec, 40),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=MEASURES)
    parser.add_argument("--runs", type=int, help="data sets of each kind; by default 40, and 100 of names")
    parser.add_argument("--json", action="store_true")
    parser.add_argument(
        "--save", action="store_true", help="write benchmarks/results/false-positives-NAME.json as well"
    )
    chosen = parser.parse_args()
    measure, n_runs = MEASURES[chosen.name]
    rates = []
    for rate in measure(chosen.runs or n_runs):
        rates.append(rate)
        line = f"{rate.what:70}{rate.rule:8}{rate.rate:7.3f} [{rate.low:.3f}, {rate.high:.3f}]  {rate.hits} of {rate.trials}"
        print(line, file=sys.stderr if chosen.json else sys.stdout, flush=True)
    if chosen.save:
        from benchmarks import results

        results.save(f"false-positives-{chosen.name.replace('_', '-')}", [asdict(rate) for rate in rates])
    if chosen.json:
        print(json.dumps([asdict(rate) for rate in rates], indent=2))


if __name__ == "__main__":
    main()

"""Questions about factors: whether names and effect cards of a run survive their nulls on its own data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from distaff.audit.finding import Finding, decided
from distaff.factors.activity import LIST
from distaff.factors.effects import Ladder, effects_of, headline_of, on_ladder
from distaff.factors.intents.interventions import CHURN, ListProperties, log_odds, popularity_ranks
from distaff.factors.intents.report import UNNAMED
from distaff.ranking.metrics import best_items, exclusion
from distaff.recommenders.base import Recommender
from distaff.recommenders.relevance import Incidence, associate, incidence_of, item_distributions
from distaff.runs import records
from distaff.runs.records import Run
from distaff_data.arrays import Floats, Ints
from distaff_data.tables.interactions import load_attributes
from distaff_data.workspace import Workspace

_NAMES, _CARDS = "names survive their null", "effect cards survive their null"
_NULLS = 20
_LEVEL = 0.05  # share of nulls that may show anything
_SURE = 0.01  # chance of calling a test that keeps its level one that does not
_USERS, _VALUES = 64, 200  # of a null page of cards


def factor_findings(workspace: Workspace, run: Run) -> list[Finding]:
    """Return the lines about the published factors of a run; none where nothing was published."""
    if workspace.warehouse.live(f"factors/{run.run}") is None:
        return []
    model = Recommender.load(records.model_folder(workspace, run.run))
    incidence = incidence_of(load_attributes(workspace.warehouse, run.dataset, "item"), model.data.item_ids)
    popularity = torch.bincount(model.data.train.indices, minlength=model.data.n_items)
    return [_names(workspace, run, model, incidence, popularity), _cards(run, model, incidence, popularity)]


def named(items: Tensor, popularity: Tensor, incidence: Incidence) -> set[int]:
    """Return the factors that some attribute holds of, from item shares ``(n_items, K)``."""
    return {a.intent for a in associate(item_distributions(items, popularity), incidence, popularity)}


def _names(workspace: Workspace, run: Run, model: Recommender, incidence: Incidence, popularity: Tensor) -> Finding:
    """Return whether published names still hold, and whether shares shuffled over items get names."""
    rows = workspace.warehouse.rows("SELECT factor, name FROM factors WHERE run = ?", [run.run])
    published = {row["factor"] for row in rows if row["name"] != UNNAMED}
    items, generator = model.intents().items.cpu(), torch.Generator().manual_seed(0)
    lost = published - named(items, popularity, incidence)
    shuffles = (torch.randperm(len(items), generator=generator) for _ in range(_NULLS))
    n_false = sum(bool(named(items[shuffle], popularity, incidence)) for shuffle in shuffles)
    faults = [f"{len(lost)} of {len(published)} names do not hold on this data"] if lost else []
    figure = f"of {_NULLS} shuffles of its items' shares, {n_false} got a name"
    if too_many(n_false):
        faults.append(figure)
    return decided(_NAMES, faults, f"{len(published)} of {len(rows)} factors named; {figure}")


def _cards(run: Run, model: Recommender, incidence: Incidence, popularity: Tensor) -> Finding:
    """Return how many pages of cards have one where users' lists are drawn from all lists, whatever the factors do."""
    data, rng = model.data, np.random.default_rng(0)
    active = torch.nonzero(data.train.counts() > 0).squeeze(1)
    users = active[torch.from_numpy(rng.permutation(len(active))[:_USERS])]
    seen = exclusion(data, ("train",)).take(users)
    lists, _ = best_items(model.ranker(), users, seen, min(LIST, data.n_items))
    measure = ListProperties(incidence.commonest(_VALUES), popularity_ranks(popularity), lists)
    codes = log_odds(model.user_mixes(users))
    ladder = Ladder.from_values(codes[:, 0])
    # What a list holds hangs on nobody else, its churn on whose it replaces: each is measured once, not at every rung.
    held = measure(lists)
    churn = np.stack([replace(measure, reference=own.expand_as(lists))(lists)[CHURN] for own in lists])

    def exchanged(_: Floats) -> Ints:
        # With replacement: were all lists handed on, the mean of every property would stay, and no rule could fail.
        return np.asarray(rng.integers(len(lists), size=len(lists)))

    def measured(drawn: Ints) -> dict[str, Floats]:
        return {name: values[drawn] for name, values in held.items()} | {CHURN: churn[np.arange(len(drawn)), drawn]}

    def shown(factor: int) -> bool:
        seed = int(rng.integers(1 << 31))
        values, names = on_ladder(codes, factor, ladder, exchanged, measured)
        effects = effects_of(values, names, ladder, magnitudes={CHURN}, n_factors=codes.shape[1], seed=seed)
        return headline_of(effects) is not None

    n_false = sum(any(map(shown, range(codes.shape[1]))) for _page in range(_NULLS))
    figure = f"of {_NULLS} pages of {codes.shape[1]} factors that do nothing, {n_false} had a card"
    return decided(_CARDS, [figure] if too_many(n_false) else [], figure)


def too_many(n_false: int) -> bool:
    """Tell whether so many nulls with a finding are more than a test at its level gives by chance."""
    return bool(stats.binomtest(n_false, _NULLS, _LEVEL, alternative="greater").pvalue < _SURE)

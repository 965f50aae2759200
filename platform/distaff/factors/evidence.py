"""The evidence behind each intent of a run, computed once and kept in tables.

Activity, effect, stability over seeds, contamination by popularity and activity, attribute lift, names and warnings: what a
person needs before acting on an intent. Whatever is shown anywhere is read from these tables.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from scipy import stats
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from distaff import runs
from distaff.factors.relevance import Association, Membership, associate, membership, relevance
from distaff.ranking import exclusion, top_k
from distaff.recommender import Intents, Recommender
from distaff_data.loader import load_attributes, load_titles
from distaff_data.workspace import Workspace

UNNAMED = "unnamed"
MEMBERS = 200  # items kept for each intent, by relevance and by probability alike
_PROBE_USERS = 256
_LIST = 20
_CONTAMINATED = 0.5
_PASSIVE = 0.1  # of the share an intent would have if all were equal
_COLLAPSED = 0.9  # of K: effective intents a user


@dataclass(frozen=True)
class Member:
    """An item that speaks for a factor."""

    id: str
    title: str
    relevance: float


@dataclass(frozen=True)
class Factor:
    """One factor with its evidence; the columns of the table ``factors`` say what each number means."""

    factor: int
    name: str
    activity: float
    effect: float
    stability: float | None
    purity: float | None
    popularity: float
    user_activity: float
    warnings: list[str]
    top: list[Member]
    attributes: list[Association] = field(default_factory=list)


@dataclass(frozen=True)
class FactorReport:
    """All factors of a run.

    Attributes:
        effective_per_user: Mean over users of exp(entropy of the user's mix).
        effective_overall: exp(entropy of the mean mix).
    """

    run: str
    effective_per_user: float
    effective_overall: float
    factors: list[Factor]

    def as_dict(self) -> dict[str, Any]:
        """The JSON shape of ``factors``."""
        return asdict(self)


def explain_run(workspace: Workspace, run_id: str, *, seed: int = 0) -> FactorReport:
    """Compute the evidence of a run's intents and publish it.

    Raises:
        InputError: The run is unknown or not done.
        UnsupportedError: Its model has no intents.
    """
    model = Recommender.load(runs.model_folder(workspace, run_id))
    intents = model.intents()
    data = model.data
    popularity = torch.bincount(data.train.indices, minlength=data.n_items)
    found = membership(intents.items, popularity)
    attributes = load_attributes(workspace.warehouse, data.name, "item")
    titles = load_titles(workspace.warehouse, data.name)
    associations = associate(found, attributes, data.item_ids)
    stability = _stability(workspace, run_id, intents)
    per_user, overall = effective_numbers(intents.users)
    effects = ablation_effects(model, intents.users.shape[1], seed)
    factors = [
        _factor(k, model, intents, found, popularity, effects[k], stability, associations, titles, per_user)
        for k in range(intents.users.shape[1])
    ]
    report = FactorReport(run_id, per_user, overall, factors)
    _publish(workspace, report, model, intents, found)
    return report


def effective_numbers(mixes: Tensor) -> tuple[float, float]:
    """exp(entropy) of each user's mix, averaged, and of the mean mix; from shares ``(n, K)``."""
    entropy = -torch.special.xlogy(mixes.double(), mixes.double()).sum(1)
    mean = mixes.double().mean(0)
    return float(entropy.exp().mean()), float((-torch.special.xlogy(mean, mean).sum()).exp())


def ablation_effects(model: Recommender, n_intents: int, seed: int) -> list[float]:
    """For each intent, the share of top-20 lists' items that leave when its part of the score is taken away.

    Measured on a sample of users with training interactions.
    """
    with_training = torch.nonzero(model.data.train.counts() > 0).squeeze(1)
    order = torch.randperm(with_training.numel(), generator=torch.Generator().manual_seed(seed))
    users = with_training[order[:_PROBE_USERS]]
    seen = exclusion(model.data, ("train",)).take(users)
    k = min(_LIST, model.data.n_items)
    scores = model.predict(users)
    kept, _ = top_k(scores.clone(), seen, k)
    out = []
    for intent in range(n_intents):
        without, _ = top_k(scores - model.intent_scores(users, intent), seen, k)
        stays = (kept.unsqueeze(2) == without.unsqueeze(1)).any(2) & (kept >= 0)
        out.append(1.0 - float(stays.sum()) / max(int((kept >= 0).sum()), 1))
    return out


def match(ours: Tensor, theirs: Tensor) -> Tensor:
    """Correlation of each intent's item shares with its one-to-one partner in another run, float64 ``(K,)``.

    Partners by Hungarian assignment on the correlations of item shares ``(n_items, K)`` and ``(n_items, K')``; an
    intent left without a partner has 0.
    """
    a, b = (x.double() - x.double().mean(0) for x in (ours, theirs))
    a, b = (x / x.norm(dim=0).clamp(min=1e-12) for x in (a, b))
    correlation = (a.T @ b).numpy()
    rows, cols = linear_sum_assignment(-correlation)
    out = torch.zeros(ours.shape[1], dtype=torch.float64)
    out[torch.from_numpy(rows)] = torch.from_numpy(correlation[rows, cols])
    return out


def _stability(workspace: Workspace, run_id: str, intents: Intents) -> Tensor | None:
    """Median match of each intent with the same configuration under other seeds; None when there is no other seed."""
    run = runs.find(workspace, run_id)
    others = {
        r.seed: r.run
        for r in runs.listing(workspace, run.dataset)
        if r.status == "done"
        and (r.model, r.settings, r.dataset_generation) == (run.model, run.settings, run.dataset_generation)
        and r.seed != run.seed
    }
    if not others:
        return None
    models = (Recommender.load(runs.model_folder(workspace, other)) for other in others.values())
    matches = [match(intents.items, model.intents().items) for model in models]
    return torch.stack(matches).median(0).values


def _factor(
    k: int,
    model: Recommender,
    intents: Intents,
    found: Membership,
    popularity: Tensor,
    effect: float,
    stability: Tensor | None,
    associations: list[Association],
    titles: dict[str, str],
    per_user: float,
) -> Factor:
    data = model.data
    n_intents = intents.users.shape[1]
    trained = popularity > 0
    active_users = data.train.counts() > 0
    activity = float(intents.users[active_users].mean(0)[k])
    rho_items = _rank_correlation(intents.items[trained, k], popularity[trained])
    rho_users = _rank_correlation(intents.users[active_users, k], data.train.counts()[active_users])
    scores = relevance(found.probability[k], found.lift[k])
    best, items = scores.topk(min(_LIST, data.n_items))
    ids = data.item_ids.take(pa.array(items.numpy())).to_pylist()
    mine = [a for a in associations if a.intent == k]
    warnings = []
    if abs(rho_items) > _CONTAMINATED:
        warnings.append(f"follows popularity (rank correlation {rho_items:+.2f})")
    if abs(rho_users) > _CONTAMINATED:
        warnings.append(f"follows user activity (rank correlation {rho_users:+.2f})")
    if activity < _PASSIVE / n_intents:
        warnings.append("passive: carries almost no behaviour")
    if n_intents > 1 and per_user > _COLLAPSED * n_intents:
        warnings.append(f"collapsed: a user holds {per_user:.1f} of {n_intents} intents in equal shares")
    return Factor(
        factor=k,
        name=" · ".join(a.value for a in mine[:2]) or UNNAMED,
        activity=activity,
        effect=effect,
        stability=None if stability is None else float(stability[k]),
        purity=max((a.share for a in mine), default=None),
        popularity=rho_items,
        user_activity=rho_users,
        warnings=warnings,
        top=[Member(i, titles.get(i, i), float(r)) for i, r in zip(ids, best, strict=True) if torch.isfinite(r)],
        attributes=mine,
    )


def _rank_correlation(a: Tensor, b: Tensor) -> float:
    """Spearman's rho; 0 when either side is constant."""
    x, y = a.double().numpy(), b.double().numpy()
    if x.size < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return 0.0
    return float(stats.spearmanr(x, y).statistic)


def _publish(
    workspace: Workspace, report: FactorReport, model: Recommender, intents: Intents, found: Membership
) -> None:
    columns = ("factor", "name", "activity", "effect", "stability", "purity", "popularity", "user_activity", "warnings")
    with workspace.warehouse.publish(f"factors/{report.run}") as publication:
        rows = [{column: getattr(f, column) for column in columns} for f in report.factors]
        publication.append("factors", rows, run=report.run)
        publication.append("factor_members", _members(found, model.data.item_ids), run=report.run)
        named = [
            {
                "factor": a.intent,
                "name": a.name,
                "value": a.value,
                "share": a.share,
                "lift": a.lift,
                "q_value": a.q_value,
            }
            for f in report.factors
            for a in f.attributes
        ]
        publication.append("factor_attributes", named, run=report.run)
        for entity, ids, shares in (
            ("user", model.data.user_ids, intents.users),
            ("item", model.data.item_ids, intents.items),
        ):
            flat = pa.array(shares.float().contiguous().numpy().ravel())
            offsets = pa.array(np.arange(shares.shape[0] + 1, dtype=np.int32) * shares.shape[1])
            table = pa.table({"id": ids, "shares": pa.ListArray.from_arrays(offsets, flat)})
            publication.append("loadings", table, run=report.run, entity=entity)


def _members(found: Membership, item_ids: pa.StringArray) -> pa.Table:
    """For each intent the items best by relevance or by probability: enough to rank them at any lambda."""
    scores = relevance(found.probability, found.lift)
    n = min(MEMBERS, scores.shape[1])
    parts = []
    for k in range(scores.shape[0]):
        best = torch.cat([scores[k].topk(n).indices, found.probability[k].topk(n).indices]).unique()
        best = best[found.probability[k, best] > 0]
        best = best[scores[k, best].argsort(descending=True)]
        parts.append(
            pa.table(
                {
                    "factor": pa.repeat(k, best.numel()),
                    "item_id": item_ids.take(pa.array(best.numpy())),
                    "rank": np.arange(1, best.numel() + 1),
                    "relevance": scores[k, best].numpy(),
                    "probability": found.probability[k, best].numpy(),
                    "lift": found.lift[k, best].numpy(),
                }
            )
        )
    return pa.concat_tables(parts)

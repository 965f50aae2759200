"""The evidence behind each intent of a run, computed once and kept in tables.

Activity, effect, stability over seeds, independence, attribute lift, names, examples, blind spots and warnings: what a
person needs before acting on an intent. Whatever is shown anywhere is read from these tables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl
import pyarrow as pa
import torch
from torch import Tensor

from distaff.factors.activity import LIST, PASSIVE, Activity, effective_numbers
from distaff.factors.effects import EffectCard
from distaff.factors.independence import Dependence, contamination, dependences
from distaff.factors.intents.attribution import Attribution, attribution
from distaff.factors.intents.blind_spots import audit_blind_spots
from distaff.factors.intents.calibration import WEIGHTS, calibrations
from distaff.factors.intents.interventions import intervene
from distaff.factors.intents.notes import Note, carry_over
from distaff.factors.intents.report import UNNAMED, FactorReport, Member, ReportedFactor
from distaff.factors.intents.tables import publish_audit, publish_calibrations, publish_factors
from distaff.factors.stability import Stability, compare_seeds
from distaff.recommenders.base import Recommender
from distaff.recommenders.intents import Intents
from distaff.recommenders.relevance import (
    Association,
    Distributions,
    associate,
    incidence_of,
    item_distributions,
    relevance,
)
from distaff.recommenders.words import word_descriptions, word_rows
from distaff.runs import records
from distaff_data.tables.interactions import load_attributes, load_titles
from distaff_data.workspace import Workspace

_CONTAMINATED = 0.5
_COLLAPSED = 0.9  # of K: effective intents a user
_DEPENDENT = 0.5  # squared distance correlation
_VALUES = 200  # attribute values, the commonest, that effect cards tell of
_CALIBRATED_USERS = 1000


@dataclass(frozen=True)
class IntentEvidence:
    """All that was computed about the intents of a run, before it is reported factor by factor."""

    model: Recommender
    intents: Intents
    popularity: Tensor
    membership: Distributions
    activity: Activity
    cards: list[EffectCard | None]
    effective_per_user: float
    effective_overall: float
    associations: list[Association]
    words: dict[int, str]
    attribution: Attribution | None
    stability: Stability | None
    dependences: list[list[Dependence]]
    popularity_rho: list[float]
    activity_rho: list[float]


def explain_run(workspace: Workspace, run_id: str, *, seed: int = 0) -> FactorReport:
    """Compute the evidence of a run's intents and publish it; notes of earlier runs are carried over.

    Raises:
        InputError: The run is unknown or not done.
        UnsupportedError: Its model has no intents.
    """
    model = Recommender.load(records.model_folder(workspace, run_id))
    attributes = load_attributes(workspace.warehouse, model.data.name, "item")
    evidence = gather(model, attributes, _other_seeds(workspace, run_id), seed=seed)
    notes = carry_over(workspace, run_id, model.data.item_ids, evidence.intents.items)
    report = tell(run_id, evidence, load_titles(workspace.warehouse, model.data.name), notes)
    users = load_attributes(workspace.warehouse, model.data.name, "user")
    spots = audit_blind_spots(model, evidence.intents, users, seed=seed)
    steps = calibrations(model, evidence.intents, WEIGHTS, n_users=_CALIBRATED_USERS, seed=seed)
    with workspace.warehouse.publish(f"factors/{run_id}") as publication:
        publish_factors(publication, report, evidence.stability, model.data, evidence.intents, evidence.membership)
        if model.words is not None:
            publication.append("factor_words", word_rows(model.words), run=run_id)
        publish_audit(publication.target(f"blind_spots/{run_id}"), run_id, run_id, spots)
        publish_calibrations(publication.target(f"calibrations/{run_id}"), run_id, steps)
    return report


def gather(
    model: Recommender, attributes: pl.DataFrame | pa.Table, others: dict[str, Tensor], *, seed: int = 0
) -> IntentEvidence:
    """Compute everything about a fitted model's intents that needs no workspace.

    Args:
        model: A recommender with intents.
        attributes: Of its items: columns ``id, name, value``.
        others: Item shares ``(n_items, K)`` of the same configuration under other seeds, by run.
        seed: Of every sample.

    Raises:
        UnsupportedError: The model has no intents.
    """
    intents = model.intents()
    data = model.data
    popularity = torch.bincount(data.train.indices, minlength=data.n_items)
    intent_items = item_distributions(intents.items, popularity)
    incidence = incidence_of(attributes, data.item_ids)
    trained = data.train.counts() > 0
    return IntentEvidence(
        model,
        intents,
        popularity,
        intent_items,
        *intervene(model, intents, incidence.commonest(_VALUES), popularity, seed=seed),
        *effective_numbers(intents.users),
        associate(intent_items, incidence, popularity),
        word_descriptions(model.words),
        attribution(model, seed=seed),
        compare_seeds(intents.items, others, seed=seed),
        dependences(intents.users[trained], seed=seed),
        contamination(intents.items, popularity),
        contamination(intents.users, data.train.counts()),
    )


def tell(run_id: str, evidence: IntentEvidence, titles: dict[str, str], notes: dict[int, Note]) -> FactorReport:
    """Report the evidence factor by factor, with names and warnings."""
    stability = evidence.stability
    contaminated, shared = contamination_warnings(
        {"popularity": evidence.popularity_rho, "user activity": evidence.activity_rho}
    )
    factors = [_factor(k, evidence, titles, notes.get(k), doubts) for k, doubts in enumerate(contaminated)]
    return FactorReport(
        run_id,
        evidence.effective_per_user,
        evidence.effective_overall,
        0 if stability is None else len(stability.likeness),
        None if stability is None else stability.nulls,
        evidence.attribution,
        factors,
        shared,
    )


def _other_seeds(workspace: Workspace, run_id: str) -> dict[str, Tensor]:
    """Return the item shares of a run's configuration under each other seed, by run."""
    others = [run.run for run in records.same_but_seed(workspace, run_id)]
    return {other: Recommender.load(records.model_folder(workspace, other)).intents().items for other in others}


def _factor(
    k: int, evidence: IntentEvidence, titles: dict[str, str], note: Note | None, doubts: list[str]
) -> ReportedFactor:
    data = evidence.model.data
    trained = data.train.counts() > 0
    stability = evidence.stability
    associations = [a for a in evidence.associations if a.intent == k]
    automatic = " · ".join(a.value for a in associations[:2]) or UNNAMED
    if stability is not None and stability.badges[k] == "seed-specific":
        automatic = UNNAMED
    return ReportedFactor(
        factor=k,
        name=note.name if note is not None and note.name is not None else automatic,
        automatic_name=automatic,
        words=evidence.words.get(k),
        activity=float(evidence.intents.users[trained].mean(0)[k]),
        effect=float(evidence.activity.effects[k]),
        state=evidence.activity.states[k],
        passive_users=float(evidence.activity.passive_users[k]),
        stability=None if stability is None else float(stability.match[k]),
        badge=None if stability is None else stability.badges[k],
        split=None if stability is None else float(stability.split[k]),
        subspace=None if stability is None else float(stability.subspace[k]),
        purity=max((a.share for a in associations), default=None),
        popularity=evidence.popularity_rho[k],
        user_activity=evidence.activity_rho[k],
        dependences=evidence.dependences[k],
        warnings=[*doubts, *_warnings(k, evidence)],
        top=_top(k, evidence, titles),
        attributes=associations,
        card=evidence.cards[k],
        note=note,
    )


def _top(k: int, evidence: IntentEvidence, titles: dict[str, str]) -> list[Member]:
    data = evidence.model.data
    scores = relevance(evidence.membership.probability[k], evidence.membership.lift[k])
    best, items = scores.topk(min(LIST, data.n_items))
    ids = data.item_ids.take(pa.array(items.numpy())).to_pylist()
    return [Member(i, titles.get(i, i), float(r)) for i, r in zip(ids, best, strict=True) if torch.isfinite(r)]


def contamination_warnings(correlations: Mapping[str, Sequence[float]]) -> tuple[list[list[str]], list[str]]:
    """Return the warnings of each factor, and of all at once, that a factor stands for something else than taste.

    Where all factors are alike in it, that is no reason to doubt one beside another, so it is said once of all.

    Args:
        correlations: Every factor's correlation with popularity, and the like.
    """
    each: list[list[str]] = [[] for _ in next(iter(correlations.values()))]
    shared = []
    for what, rho in correlations.items():
        if len(rho) > 1 and (min(rho) > _CONTAMINATED or max(rho) < -_CONTAMINATED):
            shared.append(
                f"every factor {_follows(rho[0])} {what} (correlations {min(rho):+.2f} to {max(rho):+.2f}); "
                "fewer intents may differ more"
            )
            continue
        for warnings, value in zip(each, rho, strict=True):
            if abs(value) > _CONTAMINATED:
                warnings.append(f"{_follows(value)} {what} (correlation {value:+.2f})")
    return each, shared


def _follows(correlation: float) -> str:
    return "follows" if correlation > 0 else "avoids"


def _warnings(k: int, evidence: IntentEvidence) -> list[str]:
    """Return the reasons not to trust a factor as it stands, beside what else it may stand for."""
    n_intents = evidence.intents.users.shape[1]
    warnings = []
    trained = evidence.model.data.train.counts() > 0
    share = float(evidence.intents.users[trained].mean(0)[k])
    if evidence.activity.states[k] == "passive" or share < PASSIVE / n_intents:
        warnings.append("passive: carries almost no behaviour")
    per_user = evidence.effective_per_user
    if n_intents > 1 and per_user > _COLLAPSED * n_intents:
        warnings.append(f"collapsed: a user holds {per_user:.1f} of {n_intents} intents in equal shares")
    if evidence.dependences[k] and evidence.dependences[k][0].dependence > _DEPENDENT:
        other = evidence.dependences[k][0]
        warnings.append(f"depends on factor {other.other} (squared distance correlation {other.dependence:.2f})")
    stability = evidence.stability
    if stability is not None and stability.badges[k] == "seed-specific":
        warnings.append(
            f"seed-specific: other seeds do not find it (match {stability.match[k]:.2f}, split {stability.split[k]:.2f}), "
            "so it is not named"
        )
    return warnings

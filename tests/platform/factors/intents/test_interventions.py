"""Moving intents: exact parts weighed, lists compared; notes that survive retraining."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import torch
from published import publish

from distaff.factors.intents.evidence import explain_run
from distaff.factors.intents.interventions import Interventions, intervene, log_odds, share_of
from distaff.factors.intents.notes import CARRIED, annotate, notes_of
from distaff.ranking.metrics import exclusion
from distaff.recommenders.base import Recommender
from distaff.recommenders.relevance import associate, incidence_of, item_distributions
from distaff.runs import records, training
from distaff.testing.data import checkerboard
from distaff_data.datasets.interactions import Interactions
from distaff_data.errors import InputError, UnknownNameError
from distaff_data.planted.interactions import planted_interactions
from distaff_data.tables.interactions import load_attributes
from distaff_data.workspace import Workspace
from distaff_graph.controls.nmf import NMF


@pytest.fixture(scope="module")
def nmf() -> Recommender:
    return NMF(n_intents=2).fit(checkerboard())


def test_log_odds_and_shares_are_inverse() -> None:
    shares = torch.tensor([0.01, 0.5, 0.9]).double()
    assert share_of(log_odds(shares)).tolist() == pytest.approx(shares.tolist())


def test_moving_an_intent_weighs_its_part_of_the_scores(nmf: Recommender) -> None:
    users = torch.arange(4)
    intents = nmf.intents()
    seen = exclusion(nmf.data, ("train",)).take(users)
    interventions = Interventions(nmf, intents, users, seen, 5)
    weights = torch.ones(4, 2).double()
    weights[:, 1] = 3.0
    scores = nmf.predict(users) + 2 * nmf.intent_scores(users, 1)
    scores[seen.row_index(), seen.indices.long()] = -torch.inf
    lists = interventions.weighed(weights)
    assert torch.equal(scores.gather(1, lists), scores.topk(5).values)
    codes = interventions.codes.copy()
    codes[:, 1] += np.log(3.0)
    assert torch.equal(interventions.decode(codes), lists)


def test_cards_tell_the_category_that_an_intent_holds() -> None:
    planted = planted_interactions(
        n_users=200, n_items=150, n_events=9000, n_intents=4, theta_alpha=1.0, category_flip=0.0, seed=0
    )
    table = planted.table()
    data = Interactions.from_arrays(
        planted.user_ids.take(table["user"].combine_chunks()), planted.item_ids.take(table["item"].combine_chunks())
    )
    labels = [f"c{c}" for c in planted.category]
    attributes = pa.table({"id": planted.item_ids, "name": ["category"] * 150, "value": labels})
    model = NMF(n_intents=4).fit(data)
    intents = model.intents()
    popularity = torch.bincount(data.train.indices, minlength=data.n_items)
    incidence = incidence_of(attributes, data.item_ids)
    activity, cards = intervene(model, intents, incidence, popularity)
    names = {
        a.intent: a.value
        for a in reversed(associate(item_distributions(intents.items, popularity), incidence, popularity))
    }
    headlines = [card.headline for card in cards if card is not None]
    assert [h.property for h in headlines if h is not None] == [f"category: {names[k]}" for k in range(4)]
    assert all(h.effect > 0.3 and h.low > 0.2 and h.consistency == 1.0 for h in headlines if h is not None)
    assert (activity.effects > 0.05).all()


# -------------------------------------------------------------------------------------------------------------- notes


@pytest.fixture
def noted(workspace: Workspace) -> tuple[Workspace, list[str]]:
    """Three seeds of one model, the first explained."""
    publish(workspace, checkerboard(120, 90, n_blocks=3, held_out=8))
    settings = {"n_intents": 3, "init": "random"}
    found = [training.train(workspace, "nmf", "checkerboard", settings=settings, seed=seed).run for seed in range(3)]
    explain_run(workspace, found[0])
    return workspace, found


def test_notes_move_to_the_matching_factors_of_another_fit(noted: tuple[Workspace, list[str]]) -> None:
    workspace, (first, second, _) = noted
    annotate(workspace, first, 0, name="zeroes", note="every third item")
    annotate(workspace, first, 1, hidden=True)
    annotate(workspace, first, 2, merged_into=0)
    report = explain_run(workspace, second)
    notes = notes_of(workspace, second)
    ours, theirs = (Recommender.load(records.model_folder(workspace, run)).intents().items for run in (first, second))
    for note in notes.values():
        origin = int(note.origin.rpartition("/")[2])
        assert note.match is not None
        assert note.match >= CARRIED
        found = float(torch.corrcoef(torch.stack([ours[:, origin], theirs[:, note.factor]]))[0, 1])
        assert note.match == pytest.approx(found, abs=1e-5)
    by_origin = {int(note.origin.rpartition("/")[2]): note for note in notes.values()}
    assert by_origin[0].name == "zeroes"
    assert report.factors[by_origin[0].factor].name == "zeroes"
    assert by_origin[1].hidden
    assert by_origin[2].merged_into == by_origin[0].factor


def test_a_run_keeps_its_own_notes_and_notes_can_be_taken_back(noted: tuple[Workspace, list[str]]) -> None:
    workspace, (first, *_) = noted
    annotate(workspace, first, 0, name="mine")
    annotate(workspace, first, 0, note="why")
    assert notes_of(workspace, first)[0].name == "mine"
    explain_run(workspace, first)
    assert (notes_of(workspace, first)[0].name, notes_of(workspace, first)[0].note) == ("mine", "why")
    annotate(workspace, first, 0, name="", hidden=True)
    annotate(workspace, first, 0, hidden=False, merged_into=1)
    annotate(workspace, first, 0, merged_into=0)
    note = notes_of(workspace, first)[0]
    assert (note.name, note.hidden, note.merged_into) == (None, False, None)


def test_refused_notes_change_nothing(noted: tuple[Workspace, list[str]]) -> None:
    workspace, (first, second, _) = noted
    with pytest.raises(UnknownNameError):
        annotate(workspace, "nothing", 0, name="x")
    with pytest.raises(InputError, match="have not been computed"):
        annotate(workspace, second, 0, name="x")
    with pytest.raises(InputError, match="no such factor"):
        annotate(workspace, first, 9, name="x")
    with pytest.raises(InputError, match="say something"):
        annotate(workspace, first, 0)
    assert notes_of(workspace, first) == {}
    annotate(workspace, first, 0, merged_into=1)
    with pytest.raises(InputError, match="itself merged"):
        annotate(workspace, first, 2, merged_into=0)
    with pytest.raises(InputError, match="merge that one first"):
        annotate(workspace, first, 1, merged_into=2)


def test_everything_told_of_a_run_is_in_the_tables(noted: tuple[Workspace, list[str]]) -> None:
    workspace, (first, *_) = noted
    report = explain_run(workspace, first)
    rows = workspace.warehouse.rows("SELECT * FROM factors WHERE run = ? ORDER BY factor", [first])
    assert [row["badge"] for row in rows] == [factor.badge for factor in report.factors]
    assert [row["state"] for row in rows] == [factor.state for factor in report.factors]
    assert report.seeds_compared == 2
    tables = ("factor_summaries", "factor_stability", "factor_dependences", "factor_examples", "factor_histograms")
    for table in (*tables, "blind_spots", "blind_spot_cohorts", "calibrations", "calibration_costs"):
        assert workspace.warehouse.rows(f"SELECT 1 FROM {table} WHERE run = ?", [first]), table
    assert load_attributes(workspace.warehouse, "checkerboard", "user").num_rows == 0

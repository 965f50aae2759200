"""Explaining and steering, by the platform's functions and by the command line."""

from __future__ import annotations

import json

import polars as pl
import pytest
import torch

from distaff.factors.intents.evidence import explain_run
from distaff.ranking.metrics import exclusion
from distaff.recommenders.base import Recommender
from distaff.recommenders.explain import contributions, explain, explain_user, word_effects
from distaff.recommenders.lists import top_k_of
from distaff.recommenders.steer import steer_run, steered_scores
from distaff.runs import records, training
from distaff.testing.data import worded_checkerboard
from distaff_data.errors import InputError, UnsupportedError
from distaff_data.ingest import ingest_attributes, ingest_interactions
from distaff_data.splits import SPLITS
from distaff_data.workspace import Workspace
from distaff_graph.controls.nmf import NMF
from distaff_graph.dgvae.models import DGVAE

SETTINGS = {"n_intents": 2, "embedding_dim": 8, "lr": 0.02, "batch_size": 16, "max_epochs": 40, "temperature": 0.2}
LIMITS = {"min_df": 2, "max_df": 0.9, "text_weight": 2.0}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, str, str]:
    """A workspace with two blocks of users, items and words, a run of dgvae and one of nmf with factors."""
    root = tmp_path_factory.mktemp("reasons")
    lines = [f"{u},{i}" for u in range(40) for i in range(30) if u % 2 == i % 2 and (u * 7 + i * 3) % 5 < 3]
    (root / "log.csv").write_text("user,item\n" + "\n".join(lines) + "\n")
    words = {0: "amber|resin|honey", 1: "basalt|stone|lava"}
    rows = [f"{i},Item {i},{words[i % 2]}|tag{i % 3}" for i in range(30)]
    (root / "items.csv").write_text("item,title,tag\n" + "\n".join(rows) + "\n")
    workspace = Workspace.create(root / "workspace")
    ingest_interactions(workspace, "d", root / "log.csv", split=None)
    ingest_attributes(workspace, "item", "d", root / "items.csv")
    spoken = training.train(workspace, "dgvae", "d", settings=SETTINGS | LIMITS, seed=3, device="cpu").run
    silent = training.train(workspace, "nmf", "d", settings={"n_intents": 2}, device="cpu").run
    explain_run(workspace, spoken)
    return workspace, spoken, silent


def test_the_words_of_factors_are_in_a_table(filled: tuple[Workspace, str, str]) -> None:
    workspace, run, silent = filled
    rows = workspace.warehouse.rows("SELECT * FROM factor_words WHERE run = ? ORDER BY factor, rank", [run])
    assert [r["rank"] for r in rows if r["factor"] == 0] == list(range(1, len(rows) // 2 + 1))
    best = {r["factor"]: {r["word"]} for r in rows if r["rank"] == 1}
    assert len(best[0] | best[1]) == 2
    assert workspace.warehouse.rows("SELECT * FROM factor_words WHERE run = ?", [silent]) == []


def test_words_describe_a_factor_and_never_name_it(filled: tuple[Workspace, str, str]) -> None:
    workspace, run, _ = filled
    for row in workspace.warehouse.rows("SELECT name, words FROM factors WHERE run = ?", [run]):
        assert " · " in row["words"]
        assert row["name"] != row["words"]
        assert row["name"] in ("unnamed", "amber", "resin", "honey", "basalt", "stone", "lava") or " · " in row["name"]


def test_a_list_is_explained_by_factors_words_and_items(filled: tuple[Workspace, str, str]) -> None:
    workspace, run, _ = filled
    found = explain_user(workspace, run, "4", top_k=3)
    assert [why.rank for why in found.items] == [1, 2, 3]
    for why in found.items:
        assert int(why.id) % 2 == 0
        assert why.title == f"Item {why.id}"
        assert sum(f.share for f in why.factors) == pytest.approx(1.0, abs=1e-4)
        assert why.content is not None
        assert why.collaborative is not None
        assert why.content + why.collaborative == pytest.approx(1.0)
        assert {w.word for w in why.words[:2]} <= {"amber", "resin", "honey", "item", "tag0", "tag1", "tag2"}
        assert all(int(t.id) % 2 == 0 for t in why.taken)
    assert {w.word for w in found.words[:3]} <= {"amber", "resin", "honey"}
    one = explain_user(workspace, run, "4", item="7", top_k=2)
    assert [(why.id, why.rank) for why in one.items] == [("7", None)]
    with pytest.raises(InputError, match="item"):
        explain_user(workspace, run, "4", item="70")
    with pytest.raises(InputError, match="user"):
        explain_user(workspace, run, "nobody")


def test_a_model_without_words_is_explained_by_factors_alone(filled: tuple[Workspace, str, str]) -> None:
    workspace, _, run = filled
    found = explain_user(workspace, run, "4", top_k=2)
    assert found.words == []
    assert all(why.content is None and why.words == [] and why.factors for why in found.items)
    with pytest.raises(UnsupportedError, match="knows no words"):
        steer_run(workspace, run, "4", words={"amber": 1.0})
    assert steer_run(workspace, run, "4", factors={0: 16.0})[0].after.height


def test_what_factors_add_is_a_frame_that_says_what_explain_says(filled: tuple[Workspace, str, str]) -> None:
    workspace, run, silent = filled
    for name in (run, silent):
        model = Recommender.load(records.model_folder(workspace, name))
        table = contributions(model, "4", k=3)
        assert table.columns == ["item_id", "rank", "score", "factor", "part", "share"]
        assert table.height == 3 * 2
        why = explain_user(workspace, name, "4", top_k=3)
        for item in why.items:
            shares = dict(table.filter(pl.col("item_id") == item.id).select("factor", "share").rows())
            assert {f.factor: f.share for f in item.factors} == pytest.approx(shares)
    one = contributions(model, "4", ["7"], k=2)
    assert one.select("item_id", "rank").unique().rows() == [("7", None)]
    with pytest.raises(InputError, match="item"):
        contributions(model, "4", ["70"])


def test_what_words_and_taken_items_add_is_a_frame(filled: tuple[Workspace, str, str]) -> None:
    workspace, run, silent = filled
    model = Recommender.load(records.model_folder(workspace, run))
    effects = word_effects(model, "4", k=3)
    assert effects.columns == ["item_id", "through", "name", "effect"]
    for why in explain_user(workspace, run, "4", top_k=3).items:
        through = effects.filter((pl.col("item_id") == why.id) & (pl.col("through") == "word"))
        assert through["name"].to_list()[: len(why.words)] == [word.word for word in why.words]
        taken = effects.filter((pl.col("item_id") == why.id) & (pl.col("through") == "item"))
        assert {item.id for item in why.taken} <= {*taken["name"]}
    with pytest.raises(UnsupportedError, match="knows no words"):
        word_effects(Recommender.load(records.model_folder(workspace, silent)), "4")


def test_raising_a_factor_by_a_step_raises_the_share_of_its_items_for_nearly_all_users() -> None:
    # Users of several blocks, so that a list has room for more of a factor.
    data = worded_checkerboard(n_users=60, n_items=120, n_blocks=4, held_out=0)
    model = DGVAE(**SETTINGS | LIMITS | {"n_intents": 4, "max_epochs": 15}).fit(data, device="cpu")
    own = model.intents().items.argmax(1)
    seen = exclusion(data, SPLITS)
    risen = []
    for user in range(0, data.n_users, 3):
        base = model.predict(torch.tensor([user]))[0]
        for factor in range(4):
            scores = steered_scores(model, user, {factor: 16.0})
            lists = [
                top_k_of(s.unsqueeze(0).clone(), seen.take(torch.tensor([user])), 20)[0][0] for s in (base, scores)
            ]
            before, after = ((own[items] == factor).float().mean() for items in lists)
            room = min(int((own[~data.train.dense()[user].bool()] == factor).sum()), 20) / 20
            risen.append(float(after) > float(before) or float(before) >= room)
    assert sum(risen) / len(risen) >= 0.95


def test_steering_by_nothing_changes_nothing_and_down_is_the_reverse_of_up(filled: tuple[Workspace, str, str]) -> None:
    workspace, run, _ = filled
    model = Recommender.load(records.model_folder(workspace, run))
    before = model.predict(torch.tensor([2]))[0]
    torch.testing.assert_close(steered_scores(model, 2, {}), before)
    up, down = (steered_scores(model, 2, {1: weight}) - before for weight in (16.0, 1 / 16))
    assert float(up.min()) >= 0
    assert float(down.max()) <= 0
    with pytest.raises(InputError, match="0 to 1"):
        steer_run(workspace, run, "2", factors={2: 1.0})
    with pytest.raises(InputError, match="did you mean amber"):
        steer_run(workspace, run, "2", words={"ambre": 1.0})
    with pytest.raises(InputError, match="raise or lower"):
        steer_run(workspace, run, "2")


def test_raising_a_word_brings_items_that_have_it(filled: tuple[Workspace, str, str]) -> None:
    workspace, run, _ = filled
    steered, titles = steer_run(workspace, run, "2", words={"Basalt": 3.0, "lava": 3.0, "stone": 3.0}, k=10)
    odd = [sum(int(item) % 2 for item in items["item_id"]) for items in (steered.before, steered.after)]
    assert odd[1] >= odd[0]
    assert steered.after["rank"].to_list() == list(range(1, 11))
    lists = steered.lists(run, titles)
    assert {item["before"] for item in lists["before"]} == set(range(1, 11))
    assert lists["after"][0]["title"] == f"Item {lists['after'][0]['id']}"


def test_explaining_a_model_in_memory_needs_no_workspace() -> None:
    data = worded_checkerboard()
    model = NMF(n_intents=2).fit(data, device="cpu")
    assert explain(model, "3", top_k=2).items[0].title == explain(model, "3", top_k=2).items[0].id


def test_the_verbs_print_what_the_functions_find(
    filled: tuple[Workspace, str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from distaff.cli.app import app, main

    workspace, run, _ = filled

    def call(*args: str) -> str:
        monkeypatch.setattr("sys.argv", ["distaff", "--workspace", str(workspace.root), *args])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code in (0, 2)
        out = capsys.readouterr()
        return out.out if ended.value.code == 0 else out.err

    assert app is not None
    assert (
        json.loads(call("explain", run, "4", "--top-k", "2", "--json"))
        == explain_user(workspace, run, "4", top_k=2).as_dict()
    )
    steered = json.loads(call("steer", run, "4", "--factor", "0=4", "--word", "amber=+1", "--json"))
    assert set(steered) == {"run", "user", "before", "after"}
    assert "Item" in call("explain", run, "4")
    assert "steered" in call("steer", run, "4", "--factor", "0=0.5")
    assert "FACTOR=NUMBER" in call("steer", run, "4", "--factor", "first=0")
    assert "WORD=NUMBER" in call("steer", run, "4", "--word", "noir=much")
    again = json.loads(call("rerank", run, "4", "--set", "0=4", "--json"))
    assert again == steer_run(workspace, run, "4", factors={0: 4.0}, exclude=("train", "valid"))[0].changes() | {
        "weights": {"0": 4.0}
    }

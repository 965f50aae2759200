"""The server: what it answers, to whom, and that it follows promotions and new lists while it is asked."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from published import publish

from distaff.forgetting import forget
from distaff.recommenders.base import Recommender
from distaff.recommenders.explain import explain_user
from distaff.recommenders.score import score_run
from distaff.runs import aliases, records, training
from distaff.serving import launch
from distaff.testing.data import checkerboard
from distaff_data.errors import InputError
from distaff_data.workspace import Workspace

pytest.importorskip("starlette", reason="no server here; pip install distaff[serve]")
from starlette.testclient import TestClient

from distaff.serving.app import make_app
from distaff.serving.served import Shelf

TOKEN = "a-token-that-nobody-may-see"


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Return a workspace with two scored runs, of which ``champion`` is the first."""
    workspace = Workspace.create(tmp_path_factory.mktemp("serving") / "workspace")
    publish(workspace, checkerboard())
    for model in ("nmf", "popularity"):
        score_run(workspace, training.train(workspace, model, "checkerboard", device="cpu").run, top_k=5)
    aliases.promote(workspace, run_of(workspace, "nmf"), "champion")
    return workspace


def run_of(workspace: Workspace, model: str) -> str:
    return aliases.resolve(workspace, f"{model}@latest")


def asking(shelf: Shelf, token: str | None = None, **options: Any) -> TestClient:
    return TestClient(make_app(shelf, token), base_url="http://127.0.0.1:8600", **options)


@pytest.fixture
def client(filled: Workspace) -> TestClient:
    return asking(Shelf(filled, ["champion"]))


def test_lists_of_known_users_are_those_that_were_published(filled: Workspace, client: TestClient) -> None:
    run = run_of(filled, "nmf")
    stored = filled.warehouse.rows("SELECT * FROM recommendations WHERE run = ? ORDER BY user_id, rank", [run])
    users = {row["user_id"] for row in stored}
    for user in users:
        answer = client.get("/v1/champion/lists", params={"user": user, "k": 1000}).json()
        assert answer["run"] == run
        assert answer["generation"] == filled.warehouse.live(f"recommendations/{run}")
        told = [(row["rank"], row["item"], row["score"]) for row in answer["items"]]
        assert told == [(row["rank"], row["item_id"], row["score"]) for row in stored if row["user_id"] == user]
    assert len(client.get("/v1/champion/lists", params={"user": min(users), "k": 2}).json()["items"]) == 2


def test_what_the_model_is_asked_is_what_the_model_says(filled: Workspace, client: TestClient) -> None:
    run = run_of(filled, "nmf")
    model = Recommender.load(records.model_folder(filled, run))
    history = model.data.item_ids.to_pylist()[:6:2]
    new = client.post("/v1/champion/lists", json={"history": history, "k": 4}).json()["items"]
    expected = model.recommend_new({"x": history}, 4)
    assert [row["item"] for row in new] == expected["item_id"].to_list()
    similar = client.get("/v1/champion/similar", params={"item": history[0], "k": 3}).json()["items"]
    assert [row["item"] for row in similar] == model.similar_items([history[0]], 3)["similar_item_id"].to_list()
    why = client.get("/v1/champion/why", params={"user": "7", "k": 3}).json()
    assert why == explain_user(filled, run, "7", top_k=3).as_dict()


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ("/v1/nobody/lists?user=1", 404),
        ("/v1/champion/lists?user=nobody", 404),
        ("/v1/champion/lists", 400),
        ("/v1/champion/lists?user=1&k=0", 400),
        ("/v1/champion/lists?user=1&k=1001", 400),
        ("/v1/champion/lists?user=1&k=" + "9" * 5000, 400),
        ("/v1/champion/lists?user=1&k=%D9%A1", 400),
        ("/v1/champion/lists?user=1&k=00000000199999", 400),
        ("/v1/champion/lists?user=1&k=000000001" + "9" * 5000, 400),
        ("/v1/champion/similar?item=none", 400),
        ("/v1/champion/why?user=1&item=none", 400),
        ("/v1/champion/forecasts", 400),
        ("/v1/champion/diagnosis", 400),
        ("/v1/champion/none", 404),
        ("/../etc/passwd", 404),
    ],
)
def test_what_cannot_be_answered_is_a_sentence(client: TestClient, asked: str, status: int) -> None:
    answer = client.get(asked)
    assert answer.status_code == status
    assert set(answer.json()) == {"error"}
    assert "\n" not in answer.json()["error"]


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'{"history": []}', b'{"history": ["i"], "k": 0}', b'{"history": [1]}', b'{"history": ["x"], "y": 1}',
     b'{"history": ["none"]}', b'{"history": [' + b'"i",' * 10_001 + b'"i"]}', b"[" * 100_000, b"\xff"],
)  # fmt: skip
def test_histories_that_are_none_are_refused(client: TestClient, body: bytes) -> None:
    answer = client.post("/v1/champion/lists", content=body)
    assert answer.status_code == 400
    assert set(answer.json()) == {"error"}


def test_nothing_is_answered_without_the_token_but_health_and_the_description(filled: Workspace) -> None:
    client = asking(Shelf(filled, ["champion"]), TOKEN)
    for path in ("/v1", "/metrics", "/v1/champion/lists?user=1", "/nothing"):
        for shown in ("", "Bearer wrong", TOKEN, f"bearer {TOKEN}", f"Bearer {TOKEN}x"):
            answer = client.get(path, headers={"Authorization": shown})
            assert answer.status_code == 401
            assert TOKEN not in answer.text
    assert client.get("/v1", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
    assert client.get("/health").json()["healthy"] is True
    described = client.get("/openapi.json").json()
    assert described["openapi"].startswith("3.")
    assert {"get", "post"} <= set(described["paths"]["/v1/{name}/lists"])


def test_without_a_token_a_page_of_another_name_is_told_nothing_and_nothing_can_be_written(client: TestClient) -> None:
    for host in ("evil.example.org", "evil.example.org:8600", "127.0.0.1.evil.org", "", "[::"):
        assert client.get("/v1", headers={"Host": host}).status_code == 403
    for host in ("localhost:8600", "127.0.0.1", "[::1]:8600"):
        assert client.get("/v1", headers={"Host": host}).status_code == 200
    for method in ("PUT", "DELETE", "PATCH"):
        assert client.request(method, "/v1/champion/lists").status_code == 405
    assert client.post("/v1/champion/lists", content=b"x" * ((1 << 20) + 1)).status_code == 413


def test_server_listens_to_others_only_with_a_token_of_some_length(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(launch.TOKEN, raising=False)
    for address in ("0.0.0.0", "::", "192.0.2.1", "127.0.0.1.evil.org"):
        with pytest.raises(InputError, match="only listens on this machine"):
            launch.token_for(address)
    assert launch.token_for("127.0.0.1") is None
    monkeypatch.setenv(launch.TOKEN, "short")
    with pytest.raises(InputError, match="16 or more") as refused:
        launch.token_for("127.0.0.1")
    assert "short" not in str(refused.value)
    monkeypatch.setenv(launch.TOKEN, TOKEN)
    assert launch.token_for("0.0.0.0") == TOKEN


def test_error_that_nobody_meant_is_told_without_its_message(
    filled: Workspace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*args: object) -> None:
        raise RuntimeError(f"lost postgresql://ann:{TOKEN}@host/db")

    monkeypatch.setattr("distaff.serving.answers.similar", broken)
    answer = asking(Shelf(filled, ["champion"])).get("/v1/champion/similar?item=1")
    assert answer.status_code == 500
    assert answer.json() == {"error": "this failed: RuntimeError"}
    assert TOKEN not in caplog.text


def test_promotion_and_new_lists_are_swapped_in_and_a_run_that_cannot_be_read_is_not(filled: Workspace) -> None:
    told: list[str] = []
    shelf = Shelf(filled, ["champion"], told.append)
    client = asking(shelf)
    first, second = run_of(filled, "nmf"), run_of(filled, "popularity")
    shelf.renew()
    assert shelf.swaps == 0
    aliases.promote(filled, second, "champion")
    assert client.get("/v1/champion/lists?user=7").json()["run"] == first
    shelf.renew()
    assert client.get("/v1/champion/lists?user=7").json()["run"] == second
    before = client.get("/v1/champion/lists?user=7").json()["generation"]
    score_run(filled, second, top_k=3)
    shelf.renew()
    after = client.get("/v1/champion/lists?user=7&k=9").json()
    assert after["generation"] != before
    assert len(after["items"]) == 3
    model = records.model_folder(filled, first) / "model.json"
    whole = model.read_bytes()
    try:
        model.write_bytes(b"{")
        aliases.rollback(filled, "champion")
        shelf.renew()
        assert client.get("/v1/champion/lists?user=7").json()["run"] == second
        assert shelf.failures == 1
        assert "stays run" in told[-1]
    finally:
        model.write_bytes(whole)
    shelf.renew()
    assert client.get("/v1/champion/lists?user=7").json()["run"] == first
    text = client.get("/metrics").text
    assert f'distaff_served{{name="champion",run="{first}"}} 1' in text
    assert "distaff_swaps_total 3" in text
    assert 'distaff_answers_total{asked="lists",status="200"}' in text


def test_a_name_that_cannot_be_looked_for_holds_up_no_other(filled: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = run_of(filled, "nmf"), run_of(filled, "popularity")
    for name in ("odd", "even"):
        aliases.promote(filled, first, name)
    told: list[str] = []
    shelf = Shelf(filled, ["odd", "even"], told.append)
    for name in ("odd", "even"):
        aliases.promote(filled, second, name)
    resolve = aliases.resolve

    def failing(workspace: Workspace, name: str) -> str:
        if name == "odd":
            raise RuntimeError("a secret")
        return resolve(workspace, name)

    monkeypatch.setattr(aliases, "resolve", failing)
    shelf.renew()
    assert (shelf["odd"].run, shelf["even"].run) == (first, second)
    assert (shelf.failures, shelf.swaps) == (1, 1)
    assert told[0] == f"odd stays run {first}: RuntimeError"


def test_no_request_fails_and_no_answer_is_mixed_while_runs_are_swapped(filled: Workspace) -> None:
    shelf = Shelf(filled, ["champion"])
    runs = {run_of(filled, model): model for model in ("nmf", "popularity")}
    generations = {run: filled.warehouse.live(f"recommendations/{run}") for run in runs}
    wrong: list[Any] = []
    ended = threading.Event()

    def ask() -> None:
        client = asking(shelf)
        while not ended.is_set():
            answer = client.get("/v1/champion/lists?user=7")
            told = answer.json()
            if answer.status_code != 200 or generations[told["run"]] != told["generation"]:
                wrong.append(told)

    asker = threading.Thread(target=ask)
    asker.start()
    try:
        for name in [*runs] * 3:
            if aliases.current(filled)["champion"] != name:
                aliases.promote(filled, name, "champion")
            shelf.renew()
    finally:
        ended.set()
        asker.join()
    assert wrong == []
    assert shelf.swaps >= 5


@pytest.mark.processes
def test_command_serves_until_it_is_told_to_end_and_scoring_goes_on_beside_it(filled: Workspace) -> None:
    command = [sys.executable, "-m", "distaff", "--workspace", str(filled.root), "serve", "champion", "--port", "0",
               "--every", "0.2"]  # fmt: skip
    server = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {launch.TOKEN: TOKEN},
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    )
    try:
        assert server.stderr is not None
        said = server.stderr.readline()
        port = int(said.rpartition("/v1/")[0].rpartition(":")[2])
        assert TOKEN not in said
        ask(port, "/v1")
        run = aliases.current(filled)["champion"]
        score_run(filled, run, top_k=4)
        generation = filled.warehouse.live(f"recommendations/{run}")
        deadline = time.monotonic() + 600
        while ask(port, "/v1/champion/lists?user=7")["generation"] != generation:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        server.send_signal(signal.SIGINT)
        assert server.wait(timeout=600) == 0
    finally:
        server.kill()
        server.wait()
        assert server.stderr is not None
        server.stderr.close()


def ask(port: int, path: str) -> dict[str, Any]:
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    try:
        link.request("GET", path, headers={"Authorization": f"Bearer {TOKEN}"})
        answer: dict[str, Any] = json.loads(link.getresponse().read())
        return answer
    finally:
        link.close()


def test_forgotten_people_are_gone_from_the_server_too(workspace: Workspace) -> None:
    publish(workspace, checkerboard())
    run = training.train(workspace, "ease", "checkerboard", device="cpu").run
    score_run(workspace, run, top_k=3)
    shelf = Shelf(workspace, [run])
    client = asking(shelf)
    assert client.get(f"/v1/{run}/lists?user=7").status_code == 200
    assert "7" in people(shelf, run)
    forget(workspace, ["7"], "checkerboard")
    shelf.renew()
    assert client.get(f"/v1/{run}/lists?user=7").status_code == 404
    assert client.get(f"/v1/{run}/lists?user=6").status_code == 200
    assert "7" not in people(shelf, run)


def people(shelf: Shelf, run: str) -> list[str]:
    model = shelf[run].model
    assert model is not None
    return [str(user) for user in model.data.user_ids.to_pylist()]


def test_forecasts_and_the_latest_diagnosis_are_those_that_were_published(workspace: Workspace) -> None:
    forecast = {"run": "r", "entity": "e", "channel": "c", "step": 1, "time": 1.0, "value": float("nan")}
    assert not Path(workspace.runs / "r").exists()
    with workspace.warehouse.publish("forecasts/r") as publication:
        publication.append("forecasts", [forecast])
    with workspace.warehouse.publish("causes/r") as publication:
        cases = [
            {"run": "r", "case": name, "trigger": at, "alarms": [at]} for name, at in (("old", 1.0), ("late", 9.0))
        ]
        publication.append("diagnoses", cases)
        cause = {"rank": 1, "entity": "db", "metric": "db|cpu", "score": 2.0, "path": [], "new_edges": []}
        publication.append("causes", [{"run": "r", "case": name, **cause} for name in ("old", "late")])
    from distaff.serving import answers
    from distaff.serving.served import Served

    served = Served("r", "d", "series", (0, 0))
    told = answers.forecasts(workspace, served, "e", None)["forecasts"]
    assert told[0]["value"] is None
    json.dumps(told, allow_nan=False)
    with pytest.raises(InputError, match="no such forecast"):
        answers.forecasts(workspace, served, "f", None)
    assert answers.diagnosis(workspace, served, None)["case"] == "late"
    assert answers.diagnosis(workspace, served, "old")["causes"][0]["entity"] == "db"
    with pytest.raises(InputError, match="no case named"):
        answers.diagnosis(workspace, served, "none")

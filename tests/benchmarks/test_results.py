"""Results are files, and the tables of the documentation say what these say."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from distaff.testing.data import checkerboard

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def results(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("benchmarks.results")


@pytest.fixture
def tables(results: ModuleType) -> ModuleType:
    return importlib.import_module("benchmarks.tables")


def row(model: str, metric: str, value: float, **more: Any) -> dict[str, Any]:
    cost = {"numbers_per_user": 32, "megabytes": 4.4, "seconds": 61.2, "looks": 3, "std": None, "published": None}
    return {"model": model, "metric": metric, "value": value, "valid": None, "control": False, **cost, **more}


def test_a_result_says_what_it_hangs_on(results: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "FOLDER", tmp_path / "results")
    file = results.save("one", {"rows": [1.5]}, ["benchmarks/speed.py", "score", "--data", "a b"])
    record = results.load("one")
    assert file == tmp_path / "results" / "one.json"
    assert results.names() == ["one"]
    assert record["result"] == {"rows": [1.5]}
    assert record["command"] == "python benchmarks/speed.py score --data 'a b'"
    assert record["versions"]["torch"] == torch.__version__.partition("+")[0] or "+" in record["versions"]["torch"]
    assert record["machine"]["cores"] >= 1
    with pytest.raises(ValueError, match="not JSON compliant"):
        results.save("two", {"rows": [float("nan")]}, ["x"])


def test_data_are_told_apart_by_any_interaction(results: ModuleType) -> None:
    data = checkerboard()
    same, other = results.fingerprint(checkerboard()), results.fingerprint(data.without(torch.tensor([3])))
    assert results.fingerprint(data) == same
    assert same["train"] == data.train.nnz
    moved = checkerboard()
    moved.train.indices[0] = moved.train.indices[0] + 1
    assert len({same["sha256"], other["sha256"], results.fingerprint(moved)["sha256"]}) == 3


def test_recommenders_are_ordered_by_validation_and_stand_beside_the_best_control(tables: ModuleType) -> None:
    gap = {"difference": -0.0112, "low": -0.02, "high": -0.002, "p_value": 0.01, "p_holm": 0.03}
    rows = [
        row("ours", "recall@20", 0.15, valid=0.2, std=0.0012, published=0.16, against=gap),
        row("ours", "ndcg@20", 0.1),
        row("als", "recall@20", 0.16, valid=0.3, control=True, numbers_per_user=11000),
        row("als", "ndcg@20", 0.11, control=True),
    ]
    lines = tables.lists({"rows": rows})
    assert lines[0].startswith("|  | Recall@20 | NDCG@20 |")
    assert lines[2] == "| als (control) | .1600 | .1100 |  | .3000 | 3 | 11,000 | 4 | 61 | the best control |"
    assert lines[3] == (
        "| **ours** | .1500 ± .0012 | .1000 | .1600 | .2000 | 3 | 32 | 4 | 61 | -.0112 [-.0200, -.0020], p 0.03 |"
    )


def test_encoders_stand_beside_their_twins_and_the_best_control(tables: ModuleType) -> None:
    gap = {"model": "random_encoder as default", "difference": -0.01, "half_width": 0.02}
    rows = [
        {"set": "har", "encoder": "quant", "control": True, "value": 0.95, "std": None, "beside": {}},
        {
            "set": "har",
            "encoder": "timedrl as default",
            "control": False,
            "value": 0.9,
            "std": 0.01,
            "beside": {"twin": gap},
        },
        {"set": "pendigits", "encoder": "quant", "control": True, "value": 0.97, "std": None, "beside": {}},
    ]
    assert tables.classes({"rows": rows}) == [
        "|  | har | pendigits |",
        "| --- | --- | --- |",
        "| quant (control) | .9500 | .9700 |",
        "| **timedrl as default** | .9000 ± .0100; -.0100 ± .0200 than random_encoder as default |  |",
    ]


def test_only_what_stands_between_the_marks_is_written(
    tables: ModuleType, results: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    side = {"seconds": 2.0, "peak_gb": 0.5}
    results.save(
        "speed", {"rows": [{"name": "score", "ours": side, "peer": {"name": "x", **side}, "ratio": 1.0}]}, ["s"]
    )
    page = "before\n<!-- results: speed -->\nolder\n<!-- end of results -->\nafter\n"
    text = tables.rendered(page)
    assert text.startswith("before\n<!-- results: speed -->\n")
    assert text.endswith("<!-- end of results -->\nafter\n")
    assert "| `score` | 2 s, 0.50 GB | x: 2 s, 0.50 GB | 1.0 times |" in text
    assert "older" not in text
    assert tables.rendered(text) == text


def test_pages_say_what_the_committed_results_say(tables: ModuleType, results: ModuleType) -> None:
    for page in tables.PAGES:
        text = page.read_text()
        assert text.count("<!-- results: ") == text.count("<!-- end of results -->"), page
        assert tables.rendered(text) == text, f"{page}: run python benchmarks/tables.py"
    for name in results.names():
        assert name in tables.RENDERERS
        record = results.load(name)
        assert record["clean"], f"{name} was measured on a tree that no commit has"


def test_every_script_finds_the_package_that_it_imports_from() -> None:
    scripts = [file for file in (ROOT / "benchmarks").glob("*.py") if '__name__ == "__main__"' in file.read_text()]
    for file in scripts:
        text = file.read_text()
        if "from benchmarks" in text:
            assert "sys.path.insert(0, str(" in text.partition("from benchmarks")[0], file.name
    assert len(scripts) > 5


def test_kills_and_damaged_files_are_counted_with_what_was_wrong(tables: ModuleType) -> None:
    verbs = {"forget": {"killed": 4, "looked at": 5, "again": 1}, "score": {"killed": 3, "looked at": 4, "again": 1}}
    answer = {"kills": 7, "made_again_and_well": 2, "failures": [{"verb": "score"}], "verbs": verbs}
    assert tables.kills(answer)[2:] == [
        "| `forget` | 4 | 5 | 1 | 0 |",
        "| `score` | 3 | 4 | 1 | 1 |",
        "| all | 7 | 9 | 2 | 1 |",
    ]
    counts = {"accepted": 3, "refused": 5, "hang": 1, "corrupt": 1}
    damaged = tables.damage({"counts": counts, "formats": {"a.csv": counts}})
    assert damaged[2:] == ["| `a.csv` | 10 | 3 | 5 | 2 |", "| all | 10 | 3 | 5 | 2 |"]
    ways = {"a bare look-up": {"requests_a_second": 1234.5, "p50_ms": 0.5, "p99_ms": 2.0}}
    assert tables.serving({"ways": ways})[2] == "| a bare look-up | 1,234 | 0.50 ms | 2.00 ms |"

"""Published numbers on real data: ``pytest -m published``. Minutes; skipped where the data are not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("DISTAFF_REAL_DATA") or ROOT.parent / "shared" / "data")
AMAZON = DATA / "interactions" / "rlmrec_amazon_book"

pytestmark = [
    pytest.mark.published,
    pytest.mark.skipif(not AMAZON.is_dir(), reason=f"no real data at {AMAZON}; set DISTAFF_REAL_DATA"),
]


def reproduce(name: str, *options: str) -> dict[tuple[str, str], dict[str, Any]]:
    command = [sys.executable, str(ROOT / "benchmarks" / "reproduce.py"), name, "--data", str(DATA), "--json", *options]
    found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    return {(row["model"], row["metric"]): row for row in found["rows"]}


def test_lightgcn_on_amazon_book_is_within_3_percent_of_rlmrec() -> None:
    rows = reproduce("lightgcn-amazon-book")
    row = rows["lightgcn", "recall@20"]
    assert row["value"] == pytest.approx(row["published"], rel=0.03)
    assert rows["ease", "recall@20"]["value"] == pytest.approx(0.1692, abs=5e-4)
    assert rows["ease", "ndcg@20"]["value"] == pytest.approx(0.1192, abs=5e-4)


def test_dccf_on_amazon_book_reaches_rlmrec_and_stays_below_ease() -> None:
    rows = reproduce("dccf-amazon-book", "--models", "dccf,ease")
    assert rows["dccf", "recall@20"]["value"] >= 0.97 * rows["dccf", "recall@20"]["published"]
    assert rows["dccf", "recall@20"]["value"] < rows["ease", "recall@20"]["value"]

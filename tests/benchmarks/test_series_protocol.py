"""Series: settings are chosen on validation, test is looked at once a seed, and the oracle changes nothing."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from distaff.series.model import SeriesModel
from distaff_data.datasets.series import Series
from distaff_data.planted.series import planted_series

ROOT = Path(__file__).resolve().parents[2]
TINY = {"patch_len": 8, "stride": 8, "d_model": 8, "n_layers": 1, "max_epochs": 2}


@pytest.fixture
def series(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT))
    import benchmarks.series

    return benchmarks.series


def read(seed: int) -> Series:
    return planted_series(n_windows=80, n_steps=16, seed=seed).series()


def test_settings_are_chosen_on_validation(series: ModuleType) -> None:
    candidate = series.SeriesCandidate("components", "pca", ({"n_components": 1}, {"n_components": 12}))
    rows = {row["metric"]: row for row in series.measure(read, [candidate], 3)}
    valid = [SeriesModel.named("pca")(**s).fit(read(0), device="cpu").measure()[0] for s in candidate.grid]
    best = int(np.argmax([found.metrics["accuracy"] for found in valid]))
    assert rows["accuracy"]["settings"] == candidate.grid[best]
    assert (rows["accuracy"]["selected"], rows["accuracy"]["looks"], rows["accuracy"]["n_seeds"]) == ("valid", 2, 1)
    assert rows["accuracy"]["control"] is True


def test_the_oracle_looks_at_test_and_changes_nothing(series: ModuleType) -> None:
    with_it, without = (
        {
            row["metric"]: row
            for row in series.measure(read, [series.SeriesCandidate("t", "timedrl", (TINY,), True, oracle_every=n)], 2)
        }
        for n in (1, 0)
    )
    assert with_it["accuracy"]["value"] == without["accuracy"]["value"]
    assert with_it["accuracy oracle"]["selected"] == "test"
    assert "accuracy oracle" not in without
    assert (with_it["accuracy"]["n_seeds"], with_it["accuracy oracle"]["n_seeds"]) == (2, 1)


def test_heads_are_measured_on_the_same_encoder(series: ModuleType) -> None:
    pooled = {"features": "instance,mean", "classifier": "ridge"}
    candidate = series.SeriesCandidate("t", "timedrl", (TINY,), True, {"accuracy": 0.5}, {"pooled": pooled})
    rows = {(row["model"], row["metric"]): row for row in series.measure(read, [candidate], 1)}
    alone = SeriesModel.named("timedrl")(**TINY, **pooled).fit(read(0), seed=0, device="cpu").measure()[1].metrics
    assert rows["t, pooled", "accuracy"]["value"] == alone["accuracy"]
    assert rows["t, pooled", "accuracy"]["settings"] == {**TINY, **pooled}
    assert (rows["t", "accuracy"]["published"], rows["t, pooled", "accuracy"]["published"]) == (0.5, None)
    assert {row["model"] for row in rows.values()} == {"t", "t, pooled"}


def test_har_is_divided_by_subjects(series: ModuleType, tmp_path: Path) -> None:
    from benchmarks.reproductions import timedrl_har

    folder = tmp_path / "series" / "uci_har"
    folder.mkdir(parents=True)
    subject = np.repeat(np.arange(1, 31), 4)
    np.savez(folder / "uci_har_subjectwise.npz", x=np.zeros((120, 5, 9)), y=np.arange(120) % 6, subject=subject)
    divided = [timedrl_har.read(tmp_path)(seed) for seed in (0, 1)]
    for data in divided:
        groups = {
            split: {data.groups[i].as_py() for i in range(120) if data.splits[5 * i] == code}
            for code, split in enumerate("tvT")
        }
        assert groups["T"] == {str(s) for s in (2, 4, 9, 10, 12, 13, 18, 20, 24)}
        assert (len(groups["t"]), len(groups["v"])) == (17, 4)
        assert not groups["t"] & groups["v"]
    assert not np.array_equal(divided[0].splits, divided[1].splits)

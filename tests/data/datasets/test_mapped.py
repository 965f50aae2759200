"""Tensors in mapped files: what is in them, what they cost, and that nothing is left behind."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from distaff_data.datasets.mapped import in_memory, room
from distaff_data.errors import InputError
from distaff_data.planted.samples import sample_series
from distaff_data.tables import series as series_tables
from distaff_data.tables.series import load_series
from distaff_data.workspace import Workspace

STATUS = Path("/proc/self/status")


def anonymous() -> int:
    """Bytes of memory that no file stands behind."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith("RssAnon"))
    return 1024 * int(line.split()[1])


@pytest.mark.skipif(not STATUS.exists(), reason="no /proc to read memory from")
def test_a_mapped_tensor_holds_what_it_is_given_and_no_memory_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    n = 25_000_000
    before = anonymous()
    mapped = room(n, 2, dtype=torch.float32, most=n)
    mapped.fill_(3.0)
    assert anonymous() - before < n
    assert mapped.shape == (n, 2)
    assert float(mapped[-1, -1]) == 3.0
    assert list(tmp_path.iterdir()) == []
    kept = room(n, 2, dtype=torch.float32, most=8 * n).fill_(3.0)
    assert anonymous() - before > 7 * n
    assert torch.equal(kept[-5:], mapped[-5:])


@pytest.mark.skipif(not STATUS.exists(), reason="no /proc to read memory from")
def test_what_fills_a_quarter_of_memory_is_mapped() -> None:
    total = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal"))
    assert in_memory() == pytest.approx(1024 * int(total.split()[1]) / 4, rel=0.05)


def test_a_dataset_is_the_same_wherever_it_lies(tmp_path: Path) -> None:
    workspace = Workspace.create(tmp_path / "ws")
    sample_series(workspace, "planted", False, {"n_windows": 60, "n_steps": 24, "n_channels": 3})
    kept, mapped = (load_series(workspace.warehouse, "planted", most=most) for most in (None, 0))
    for name in ("values", "mask", "times", "splits", "offsets", "labels"):
        assert torch.equal(getattr(kept, name), getattr(mapped, name)), name
    assert kept.classes == mapped.classes
    assert kept.entity_ids.equals(mapped.entity_ids)


def test_a_dataset_of_which_rows_are_gone_is_refused(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    sample_series(workspace, "planted", False, {"n_windows": 60, "n_steps": 24, "n_channels": 3})
    monkeypatch.setattr(series_tables, "_READINGS", series_tables._READINGS + ' AND "row" <> 7')
    with pytest.raises(InputError, match="have 1440 rows, and 1439 are stored"):
        series_tables.load_series(workspace.warehouse, "planted")

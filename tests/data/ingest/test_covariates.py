"""Columns of covariates: read with their roles, stored beside the channels, and refused where they fit none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from distaff_data.datasets.series import Series
from distaff_data.errors import InputError, UnknownNameError
from distaff_data.ingest import ingest_series
from distaff_data.ingest.frames import from_frame
from distaff_data.splits.series import divide
from distaff_data.tables.series import load_series
from distaff_data.workspace import Workspace

_ROLES: dict[str, Any] = {"known_future": ["promo", "event"], "past": ["visits"], "static": ["region"]}


def frame() -> pl.DataFrame:
    n = 20
    return pl.DataFrame(
        {
            "site": ["a"] * n + ["b"] * n,
            "time": list(range(n)) * 2,
            "sales": np.arange(2.0 * n),
            "promo": [0, 1] * n,
            "event": (["", "fair", "", "match"] * n)[: 2 * n],
            "visits": [None, *np.arange(1.0, 2 * n)],
            "region": ["north"] * n + ["south"] * n,
        }
    )


def written(folder: Path, table: pl.DataFrame) -> Path:
    table.write_csv(folder / "sales.csv")
    return folder / "sales.csv"


def read(folder: Path, table: pl.DataFrame, **settings: object) -> Series:
    workspace = Workspace.create(folder / "workspace")
    ingest_series(workspace, "sales", written(folder, table), entity="site", **(_ROLES | settings))
    return load_series(workspace.warehouse, "sales")


def test_covariates_of_a_file_are_stored_beside_the_channels_and_loaded_as_a_frame_has_them(tmp_path: Path) -> None:
    stored, given = read(tmp_path, frame()), divide(from_frame(frame(), entity="site", **_ROLES), "ratio:0.7,0.1,0.2")
    assert stored.channels == given.channels == ("sales",)
    assert stored.covariates is not None
    assert given.covariates is not None
    assert stored.covariates.columns == given.covariates.columns
    assert [(c.name, c.role, c.category) for c in stored.covariates.columns] == [
        ("promo", "future", None),
        ("event", "future", "fair"),
        ("event", "future", "match"),
        ("visits", "past", None),
        ("region", "static", "north"),
        ("region", "static", "south"),
    ]
    for name in ("values", "mask"):
        assert torch.equal(getattr(stored.covariates, name), getattr(given.covariates, name))
    assert stored.covariates.mask.sum() == stored.covariates.mask.numel() - 1  # the first of visits


def test_covariates_go_with_their_rows(tmp_path: Path) -> None:
    data = from_frame(frame(), entity="site", **_ROLES)
    second = data.only(torch.tensor([False, True]))
    first_rows = divide(data, "rows:5,2,2")
    assert second.covariates is not None
    assert first_rows.covariates is not None
    assert data.covariates is not None
    assert torch.equal(second.covariates.values, data.covariates.values[20:])
    assert torch.equal(first_rows.covariates.values[9:], data.covariates.values[20:29])
    files = data.write(tmp_path)
    assert "covariates.parquet" in files
    again = Series.read(tmp_path, "frame", "")
    assert again.covariates is not None
    assert again.covariates.columns == data.covariates.columns
    assert torch.equal(again.covariates.mask, data.covariates.mask)


def test_new_rows_take_the_columns_of_older_ones() -> None:
    data = from_frame(frame(), entity="site", **_ROLES)
    assert data.covariates is not None
    other = frame().filter(pl.col("site") == "b").with_columns(event=pl.lit("parade"))
    new = from_frame(other, entity="site", **_ROLES).covariates
    assert new is not None
    again = new.under(data.covariates.columns)
    assert again.columns == data.covariates.columns
    assert again.values[:, 1:3].sum() == 0  # neither fair nor match
    assert again.values[:, 4:].tolist() == [[0.0, 1.0]] * 20
    with pytest.raises(InputError, match="covariates promo, which"):
        from_frame(other.drop("promo"), entity="site", **(_ROLES | {"known_future": ["event"]})).covariates.under(  # type: ignore[union-attr]
            data.covariates.columns
        )


def test_a_gap_has_no_covariates_but_those_that_never_change() -> None:
    gapped = frame().filter(pl.col("time") != 5)
    covariates = from_frame(gapped, entity="site", **_ROLES).covariates
    assert covariates is not None
    assert covariates.mask[5].tolist() == [False, False, False, False, True, True]
    assert covariates.values[25].tolist()[-2:] == [0.0, 1.0]


def test_columns_without_one_role_are_refused(tmp_path: Path) -> None:
    two = frame().with_columns(region=pl.Series(["north"] * 3 + ["south"] * 37))
    with pytest.raises(InputError, match="the same in all rows of an entity"):
        read(tmp_path, two, replace=True)
    with pytest.raises(InputError, match="two roles"):
        read(tmp_path, frame(), replace=True, past=["promo"])
    with pytest.raises(InputError, match="two roles"):
        from_frame(frame(), entity="site", known_future=["site"])
    with pytest.raises(InputError, match="no such column"):
        read(tmp_path, frame(), replace=True, past=["visitors"])
    with pytest.raises(UnknownNameError):
        from_frame(frame(), entity="site", past=["visitors"])
    many = frame().with_columns(event=pl.Series([f"e{i % 40}" for i in range(40)]) + pl.lit("x"))
    assert from_frame(many, entity="site", **_ROLES).covariates is not None
    varied = pl.DataFrame({"y": np.arange(100.0), "note": [f"n{i}" for i in range(100)]})
    with pytest.raises(InputError, match="at most 64"):
        from_frame(varied, known_future=["note"])
    long = pl.DataFrame({"time": [0, 0], "channel": ["x", "y"], "value": [1.0, 2.0], "promo": [1, 1]})
    with pytest.raises(InputError, match="long table"):
        ingest_series(Workspace.create(tmp_path / "w2"), "long", written(tmp_path, long), known_future=["promo"])

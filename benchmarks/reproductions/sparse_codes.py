"""Sparse codes of frozen encoders, with what such codes mostly lack: ``reproduce.py sparse-codes --seeds 3``.

ETTh1, windows of 96 rows, forecasts of 24. Each encoder is fitted with each seed, and so are its codes. A row has, as means
over seeds: what the codes explain of the vectors, and of vectors with shuffled columns; how many are in use on test windows;
the error of forecasts by codes alone and by the vectors, and how many codes are worth something to the first (held at their
mean, p < .05 after Holm); of the first seed, how many codes other seeds find, and how many move a property of the window in
one direction beyond chance. Nothing is chosen here but the epochs of encoder and autoencoder, by validation.
"""

from __future__ import annotations

import statistics
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import torch
from benchmarks.protocol import say

from distaff.factors.latents.ablations import ablations
from distaff.factors.latents.evidence import explain_series
from distaff.series.blocks import blocks
from distaff.series.model import SeriesModel
from distaff_data.datasets.series import Series
from distaff_data.datasets.windows import slide
from distaff_data.ingest.frames import from_frame
from distaff_data.splits.series import divide
from distaff_timeseries.sparse_codes import SparseCodes

ENCODERS: dict[str, dict[str, Any]] = {"pca": {}, "random_encoder": {}, "timedrl": {"max_epochs": 5, "eval_every": 1}}
_SHAPE: dict[str, Any] = {"seq_len": 96, "horizons": (24,)}


def rows(data: Path, n_seeds: int) -> list[dict[str, Any]]:
    """Return a row an encoder."""
    frame = pl.read_csv(data / "series" / "ett" / "ETTh1.csv", try_parse_dates=True)
    series = divide(from_frame(frame, time="date", name="ETTh1"), "rows:8640,2880,2880")
    return [_encoder_row(name, series, n_seeds) for name in ENCODERS]


def _encoder_row(name: str, series: Series, n_seeds: int) -> dict[str, Any]:
    fitted, of_seeds = [], []
    with TemporaryDirectory() as folder:
        for seed in range(n_seeds):
            encoder = SeriesModel.named(name)(**_SHAPE, **ENCODERS[name]).fit(series, seed=seed, device="cpu")
            encoder.save(Path(folder) / f"{name}-{seed}")
            codes = SparseCodes(base=str(Path(folder) / f"{name}-{seed}"), **_SHAPE).fit(
                series, seed=seed, device="cpu"
            )
            fitted.append(codes)
            of_seeds.append(_measured(codes, encoder))
            say(f"{name} seed {seed}: {of_seeds[-1]}")
        others: dict[str, SeriesModel] = {str(seed): model for seed, model in enumerate(fitted) if seed}
        factors = explain_series(fitted[0], others=others).report.factors
    used = [factor for factor in factors if factor.state != "passive"]
    return {
        "encoder": name,
        "n_seeds": n_seeds,
        **{key: statistics.fmean(values[key] for values in of_seeds) for key in of_seeds[0]},
        "codes": len(factors),
        "stable": sum(factor.badge == "stable" for factor in used),
        "seed_specific": sum(factor.badge == "seed-specific" for factor in used),
        "moving": sum(factor.card is not None and factor.card.headline is not None for factor in used),
        "of": len(used),
    }


def _measured(codes: SparseCodes, encoder: SeriesModel) -> dict[str, float]:
    windows = slide(codes.data, codes.length, split="test")
    amounts = torch.cat([codes.latents(*codes.take(windows, block)).means for block in blocks(windows)])
    worth = ablations(codes)
    return {
        "explained": codes.explained,
        "explained_of_shuffled": codes.explained_of_nothing,
        "in_use": float((amounts > 0).any(0).sum()),
        "mse": _test_error(codes),
        "mse_of_vectors": _test_error(encoder),
        "worth_something": float(sum(ablation.p_value < 0.05 for ablation in worth)),
        "largest_share": max(ablation.share for ablation in worth),
    }


def _test_error(model: SeriesModel) -> float:
    return next(m.metrics["mse"] for m in model.measure() if m.split == "test")


def table(measured: list[dict[str, Any]]) -> str:
    """Return the rows as text."""
    keys = [key for key in measured[0] if key != "encoder"]
    lines = [f"{'encoder':16s} " + " ".join(f"{key:>22s}" for key in keys)]
    lines += [f"{row['encoder']:16s} " + " ".join(f"{row[key]:22.4g}" for key in keys) for row in measured]
    return "\n".join(lines)

"""Are the latents real? Planted factors of series, and how much of them DTS, its relatives and linear components recover.

For each seed the generator plants 4,000 windows (96 rows, 4 channels) from six independent factors; half train, 5 %
validate, and everything is measured once on the rest, which no model saw. No factor and no label is told to any model, and
none chooses: the epoch is that of the best objective on validation windows. The architecture,
the settings that all relatives share, and the prices were found on the plantings of seeds 0 to 3 and 10 to 12, with some
eighty looks at their truth; those measured here, from seed 100 on, had no part in it.

All have one latent or component more than there are factors (7, and 9 with a second wave), because a period of three values
is hard to lay out on one line; ``dts default`` has nothing set at all. Those of the other autoencoders are numbers and
an angle, which suits a phase; ``dts quantized``, which rounds each of its latents to one of 12 values (QLAE) and pays no
divergence, knows no angles and has one number more instead.

* ``info_m``, ``info_e``, ``info_c``: modularity, explicitness and compactness over a floor of noise; ``mcc``: mean
  correlation with the factors in the best one-to-one assignment. Passive latents are dropped first: they tell nothing.
* ``active``: latents that are not passive.

Rows called ``lstm forced`` have LSTMs as encoder and decoder, and a decoder that is told the value before: there a VAE may
lose all its latents, for the value before tells almost all of the next.

The generator's own sine is what a ``season`` decoder can write. Metrics of ``triangle`` and ``two waves`` are of plantings
that it cannot: a triangle in its place, and another wave of five rows beside it. ``sinusoid`` is the least-squares fit of
one line and one wave to each window (:mod:`benchmarks.sinusoids`): knowledge of the generator in place of learning.

``published`` are reference figures on 3,000 windows of the same generator, without a floor of noise, for 6 components;
estimators made by hand for each factor reach .99/.88/.99.
"""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
import torch
from benchmarks import sinusoids
from benchmarks.protocol import say
from numpy.typing import NDArray
from sklearn.decomposition import PCA, FastICA

from distaff.disentanglement import active_units, info_mec, mcc
from distaff.model.registry import model_class
from distaff.series.latents import Latent
from distaff.series.model import SeriesModel
from distaff_data.datasets.series import Scaler, Series
from distaff_data.datasets.windows import slide
from distaff_data.planted.series import planted_series
from distaff_data.splits.series import divide
from distaff_timeseries.dts.layers import Waves

Floats = NDArray[np.float64]

FIRST_SEED = 100
N_WINDOWS = 4000
SPLIT = "random:0.5,0.05,0.45"
NOMINAL = ("period", "regime")
PLANTINGS: Mapping[str, Mapping[str, Any]] = {"": {}, "triangle": {"triangle": 1.0}, "two waves": {"second": 1.0}}
SHARED: dict[str, Any] = {
    "encoder": "season",
    "decoder": "season",
    "spectrum": 1.0,
    "spectrum_first": 0.4,
    "lr": 3e-3,
    "batch_size": 64,
    "max_epochs": 45,
    "patience": 45,
}
FORCED: dict[str, Any] = {
    "encoder": "lstm",
    "decoder": "lstm",
    "teacher_forcing": True,
    "noise": "fixed",
    "hidden": 32,
    "lr": 3e-3,
    "batch_size": 64,
    "max_epochs": 12,
    "patience": 12,
}
QUANTIZED: dict[str, Any] = {"bottleneck": "quantized", "weight_decay": 0.1, "commitment": 100.0}
ANGLES: dict[str, Any] = {"angles": 1}
BETA = 15.0


@dataclass(frozen=True)
class LatentCandidate:
    """One row of the table.

    Attributes:
        model: Its name in the table.
        make: Latents and, where there is one, posterior variances of all windows from the data, the seed and how many
            latents there are to be.
        control: Whether it is one.
        published: Reference figures by metric.
        settings: What is shown.
    """

    model: str
    make: Callable[[Series, int, int], tuple[Floats, Floats | None]]
    control: bool = True
    published: Mapping[str, float] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)


def _learned(label: str, name: str, latents: str = "", more: int = 0, **settings: Any) -> LatentCandidate:
    """Return a model whose setting ``latents`` is how many there are, ``more`` of them; none where it has no name."""

    def make(data: Series, seed: int, n_latents: int) -> tuple[Floats, Floats | None]:
        n_latents += more
        sized = {latents: f"free:{n_latents}" if latents == "segments" else n_latents} if latents else {}
        model = model_class(name)(**settings, **sized)
        assert isinstance(model, SeriesModel)
        assert isinstance(model, Latent)
        model.fit(data, seed=seed, device="cpu")
        windows = slide(data, model.length)
        codes = [model.latents(*model.take(windows, block)) for block in torch.arange(len(windows)).split(512)]
        means, variances = (
            torch.cat([getattr(c, moment) for c in codes]).double().numpy() for moment in ("means", "variances")
        )
        return means, variances

    return LatentCandidate(label, make, name != "dts", settings=settings)


def _components(
    label: str, kind: type[PCA] | type[FastICA], published: Sequence[float], *, spectral: bool
) -> LatentCandidate:
    def make(data: Series, seed: int, n_latents: int) -> tuple[Floats, None]:
        x, train = _windows(data)
        if spectral:
            waves = Waves(x.shape[1])
            x = waves.log_power(waves.sizes(x))
        rows = x.flatten(1).double().numpy()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # FastICA says when it has not quite converged
            components = kind(n_components=n_latents, random_state=seed).fit(rows[train])
        return np.asarray(components.transform(rows)), None

    return LatentCandidate(label, make, published=dict(zip(("info_m", "info_e", "info_c"), published, strict=True)))


def _windows(data: Series) -> tuple[torch.Tensor, NDArray[np.bool_]]:
    """Return all windows, scaled, ``(n, T, C)``, and which of them train."""
    values, _ = slide(data, int(data.lengths.max())).take(torch.arange(data.n_entities))
    x = Scaler.of(data).apply(values, torch.ones_like(values, dtype=torch.bool))
    return x, (data.splits[data.offsets[:-1]] == 0).numpy()


def _fitted_by_hand(data: Series, seed: int, n_latents: int) -> tuple[Floats, None]:
    x, train = _windows(data)
    return sinusoids.fitted(x.double().numpy(), train), None


CANDIDATES = (
    _learned("dts", "dts", "segments", **SHARED, **ANGLES, beta=BETA, gamma=5.0),
    _learned("dts default", "dts"),
    _learned("dts quantized", "dts", "segments", 1, **SHARED, **QUANTIZED),
    _learned("vae", "vae", "latent_dim", **SHARED, **ANGLES),
    _learned("beta_vae", "beta_vae", "latent_dim", **SHARED, **ANGLES),
    _learned("beta_tcvae", "beta_tcvae", "latent_dim", **SHARED, **ANGLES, beta=BETA),
    _learned("dts lstm forced", "dts", "segments", **FORCED),
    _learned("vae lstm forced", "vae", "latent_dim", **FORCED),
    LatentCandidate("sinusoid", _fitted_by_hand),
    _components("pca", PCA, (0.66, 0.39, 0.42), spectral=False),
    _components("ica", FastICA, (0.68, 0.39, 0.43), spectral=False),
    _components("spectral pca", PCA, (0.76, 0.52, 0.50), spectral=True),
)


def measure(candidates: Sequence[LatentCandidate], n_seeds: int) -> list[dict[str, Any]]:
    values_of: dict[tuple[str, str], list[float]] = {}
    for seed, (planting, knobs) in product(range(FIRST_SEED, FIRST_SEED + n_seeds), PLANTINGS.items()):
        planted = planted_series(n_windows=N_WINDOWS, seed=seed, **knobs)
        data = divide(planted.series(), SPLIT, seed)
        test = (data.splits[data.offsets[:-1]] == 2).numpy()
        factors = {n: v[test].astype(int) if n in NOMINAL else v[test] for n, v in planted.factors.items()}
        for candidate in candidates:
            start = time.process_time()
            means, variances = candidate.make(data, seed, len(planted.factors) + 1)
            values = _scores(means[test], None if variances is None else variances[test], factors)
            listing = " ".join(f"{metric} {value:.3f}" for metric, value in values.items())
            say(f"seed {seed} {planting} {candidate.model}: {listing} ({time.process_time() - start:.0f} s)")
            for metric, value in values.items():
                values_of.setdefault((candidate.model, f"{planting} {metric}".strip()), []).append(value)
    return [
        {
            "model": candidate.model,
            "control": candidate.control,
            "metric": metric,
            "published": candidate.published.get(metric),
            "value": statistics.fmean(values),
            "std": statistics.stdev(values) if len(values) > 1 else None,
            "n_seeds": n_seeds,
            "selected": "valid" if candidate.settings else None,
            "looks": 1,
            "settings": dict(candidate.settings),
        }
        for candidate in candidates
        for (model, metric), values in values_of.items()
        if model == candidate.model
    ]


def _scores(means: Floats, variances: Floats | None, factors: Mapping[str, NDArray[Any]]) -> dict[str, float]:
    states = active_units(means, variances).states
    active = [k for k, state in enumerate(states) if variances is None or state != "passive"]
    if not active:
        return dict.fromkeys(("info_m", "info_e", "info_c", "mcc", "active"), 0.0)
    means = means[:, active]
    scores = info_mec(means, factors)
    return {
        "info_m": scores.info_m.value,
        "info_e": scores.info_e.value,
        "info_c": scores.info_c.value,
        "mcc": mcc(means, factors).value,
        "active": float(len(active)),
    }

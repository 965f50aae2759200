"""Sparse codes of any encoder's vectors: readable latents of a model that has none.

The encoder stays as it is. Its vectors of windows are rebuilt from few of many directions, by
:mod:`distaff_timeseries.sparse_autoencoder`, and how much a window has of each direction is a latent. Such latents come
out of anything, so beside what they explain stands what they explain of nothing: the same vectors with every column
shuffled. What a latent does to a window is what a linear read-out of the vectors says.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from distaff.model.base import Session
from distaff.model.config import Choices, ModelConfig
from distaff.model.registry import model_class, names
from distaff.series.blocks import blocks
from distaff.series.fitted_heads import with_prefix, without_prefix
from distaff.series.forecasting import Encoding
from distaff.series.gradient import GradientSeriesConfig
from distaff.series.heads.ridge import Moments, solve
from distaff.series.latents import Codes, LatentRange
from distaff.series.model import SeriesModel
from distaff.series.seasons import evenly
from distaff_data.datasets.series import Series
from distaff_data.datasets.windows import Windows, slide
from distaff_data.errors import InputError
from distaff_timeseries.sparse_autoencoder import SparseAutoencoder, fit_autoencoder, shuffled_columns

_MOST = 20_000  # windows of a split, evenly spaced


class SparseCodesConfig(GradientSeriesConfig):
    """Settings of SparseCodes.

    Attributes:
        base: The encoder: the name of a model of series, which is fitted with its defaults and the run's seed, or the
            folder of a fitted one, such as ``workspace/runs/RUN/model``.
        n_codes: Directions; those that explain nothing stay unused.
        n_active: Directions that a vector is rebuilt from.
    """

    base: str = "timedrl"
    n_codes: Annotated[int, Field(ge=2), Choices(16, 32, 64, 128)] = 32
    n_active: Annotated[int, Field(ge=1), Choices(2, 4, 8)] = 4
    lr: Annotated[float, Field(gt=0)] = 1e-2
    batch_size: Annotated[int, Field(ge=1)] = 256
    max_epochs: Annotated[int, Field(ge=1)] = 60
    eval_every: Annotated[int, Field(ge=1)] = 2
    patience: Annotated[int, Field(ge=1)] = 5


class SparseCodes(SeriesModel):
    """Latents of a frozen encoder: how much of few directions, of many, a window's vector has; never less than none."""

    name: ClassVar[str] = "sparse_codes"
    Config: ClassVar[type[ModelConfig]] = SparseCodesConfig
    config: SparseCodesConfig

    # --------------------------------------------------------------------------------------------------------- the fit

    def _fit_encoder(self, data: Series, session: Session) -> None:
        """Fit or read the encoder, and fit two autoencoders to its vectors: of them, and of their shuffled columns."""
        self.base = self._encoder(data, session)
        self.scaler = self.base.scaler
        windows = [
            evenly(slide(data, self.length_for(data), split=of, device=self.device), _MOST) for of in ("train", "valid")
        ]
        vectors, valid = map(self._vectors, windows)
        n_codes, n_active = self.config.n_codes, self.config.n_active
        self.network = fit_autoencoder(vectors, valid, n_codes, n_active, self.config, session, "codes")
        judged = valid if len(valid) > 1 else vectors
        self.explained = self.network.explained(judged)
        nothing, other = (shuffled_columns(of, session.generator(-2)) for of in (vectors, valid))
        quiet = replace(session, report=lambda _: None)
        null = fit_autoencoder(nothing, other, n_codes, n_active, self.config, quiet, "shuffled")
        self.explained_of_nothing = null.explained(other if len(valid) > 1 else nothing)
        self._read_out(windows, (vectors, valid))

    def _encoder(self, data: Series, session: Session) -> SeriesModel:
        base = self.config.base
        if base in names():
            made = model_class(base)
            if not issubclass(made, SeriesModel) or made is type(self):
                raise InputError("base is no encoder of series", value=base)
            model: SeriesModel = made(seq_len=self.length_for(data), horizons=self.config.horizons)
            model.fit(data, seed=session.seed, device=str(session.device))
            return model
        if not Path(base).is_dir():
            raise InputError("base is neither a model's name nor the folder of a fitted one", value=base)
        model = SeriesModel.load(base)
        if model.data.channels != data.channels:
            raise InputError(f"the encoder was fitted to other channels than those of {data.name!r}", value=base)
        if model.length != self.length_for(data):
            rows = f"windows of {model.length} rows, not {self.length_for(data)}; set seq_len={model.length}"
            raise InputError(f"the encoder was fitted to {rows}", value=base)
        model.device = session.device
        return model

    def _vectors(self, windows: Windows) -> Tensor:
        """Return the encoder's vectors of windows, ``(n, D)``; ``(0, 1)`` of none."""
        if not len(windows):
            return torch.zeros(0, 1, device=self.device)
        return torch.cat([self._vectors_of(*self.take(windows, block)) for block in blocks(windows)])

    def _vectors_of(self, values: Tensor, mask: Tensor) -> Tensor:
        return self.base.encode(values, mask).instances.flatten(1).float()

    def _read_out(self, windows: Sequence[Windows], vectors: Sequence[Tensor]) -> None:
        """Fit a ridge from vectors to windows, its penalty chosen on validation windows, and what it leaves of each."""
        width, n_outputs = vectors[0].shape[1] + 1, windows[0].length * len(windows[0].data.channels)
        train, valid = (Moments.empty(width, n_outputs, vectors[0].device) for _ in windows)
        for moments, some, rows in zip((train, valid), windows, vectors, strict=True):
            for block in blocks(some) if len(some) else ():
                values, _ = self.take(some, block)
                moments.add(_with_one(rows[block.to(rows.device)]).double(), values.flatten(1).double())
        self._windows = solve(train, valid)
        weights, judged = self._windows.double(), valid if valid.n else train
        left = (weights * (judged.gram @ weights - 2 * judged.cross)).sum(0) + judged.square
        self._left = (left / judged.n).view(-1, len(windows[0].data.channels)).mean(0).clamp(min=0).float()

    # --------------------------------------------------------------------------------------------------------- answers

    @torch.no_grad()
    def encode(self, values: Tensor, mask: Tensor) -> Encoding:
        """Return the codes as one vector ``(b, 1, K)``, in the level and the scale in which the encoder saw the window."""
        encoding = self.base.encode(values, mask)
        codes = self.network.codes(encoding.instances.flatten(1).float())
        scale = encoding.scale.square().mean(1, keepdim=True).sqrt()
        return Encoding(codes.unsqueeze(1), None, encoding.level, scale)

    @torch.no_grad()
    def latents(self, values: Tensor, mask: Tensor) -> Codes:
        """Return the codes, which are certain."""
        codes = self.network.codes(self._vectors_of(values, mask))
        return Codes(codes, torch.zeros_like(codes))

    @torch.no_grad()
    def decode(self, codes: Tensor) -> Tensor:
        """Return the windows that the read-out has of the vectors of codes ``(b, K)``, ``(b, T, C)``."""
        windows: Tensor = _with_one(self.network.decode(codes)) @ self._windows
        return windows.view(len(codes), -1, len(self._left))

    def noise_variance(self, codes: Tensor) -> Tensor:
        """Return what the read-out leaves of validation windows, of each channel, ``(b, C)``."""
        return self._left.expand(len(codes), -1)

    def segments(self) -> tuple[LatentRange, ...]:
        """Return none: the codes are not divided."""
        return ()

    def notes(self) -> tuple[str, ...]:
        """Return what the codes explain of the vectors, beside what they explain of shuffled columns."""
        shares = f"{self.explained:.1%} of the vectors' variance, of shuffled columns {self.explained_of_nothing:.1%}"
        notes = [f"{self.config.n_active} of {self.config.n_codes} codes a window explain {shares}"]
        if self.explained <= self.explained_of_nothing:
            notes.append("nothing joins the columns of these vectors: the codes are as good as drawn by lot")
        return tuple(notes)

    # ----------------------------------------------------------------------------------------------------- saved parts

    def encoder_state(self) -> dict[str, Tensor]:
        """Return the encoder with its name and settings, the autoencoder, the read-out, and what both explain."""
        manifest = {"model": self.base.name, "settings": self.base.config.model_dump(mode="json")}
        return {
            "base_manifest": torch.frombuffer(bytearray(json.dumps(manifest).encode()), dtype=torch.uint8).clone(),
            "explained": torch.tensor([self.explained, self.explained_of_nothing], dtype=torch.float64),
            "windows": self._windows,
            "left": self._left,
            **with_prefix("network.", dict(self.network.state_dict())),
            **with_prefix("base.", {name: tensor.clone() for name, tensor in self.base.state().items()}),
        }

    def load_encoder_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back the encoder, the autoencoder and the read-out."""
        manifest = json.loads(bytes(tensors["base_manifest"].tolist()))
        made = model_class(manifest["model"])
        assert issubclass(made, SeriesModel)
        self.base = made(**manifest["settings"])
        self.base.bind(self.data)
        self.base.load_state(without_prefix("base.", tensors))
        network = without_prefix("network.", tensors)
        width, n_codes = network["directions"].shape
        self.network = SparseAutoencoder(width, n_codes, self.config.n_active, torch.Generator())
        self.network.load_state_dict(network)
        self.network.eval()
        self._windows, self._left = tensors["windows"], tensors["left"]
        self.explained, self.explained_of_nothing = tensors["explained"].tolist()


def _with_one(vectors: Tensor) -> Tensor:
    """Return vectors ``(n, D)`` with a 1 at the end, ``(n, D + 1)``."""
    return torch.cat([vectors, vectors.new_ones(len(vectors), 1)], 1)

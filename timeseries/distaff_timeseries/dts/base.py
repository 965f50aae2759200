"""The model behind DTS, VAE, beta-VAE and beta-TCVAE: one objective with three weights."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from distaff.model.base import Session
from distaff.model.config import ModelConfig
from distaff.series.forecasting import Encoding
from distaff.series.gradient import train_encoder
from distaff.series.latents import Codes, LatentRange
from distaff.series.model import SeriesModel
from distaff_data.datasets.series import Series
from distaff_data.datasets.windows import Windows, slide
from distaff_timeseries.dts.autoencoder import Autoencoder, Sizes
from distaff_timeseries.dts.bottleneck import Posterior
from distaff_timeseries.dts.config import VAEConfig, VariationalSeriesConfig
from distaff_timeseries.dts.decomposition import decompose

_LEAST_SHARE = 0.01  # of the values' likelihood, where the spectrum comes first
_STEEPEST = 4.0  # norm of the gradient a value of a window; about its median once training has begun


class ClippedAdamW(torch.optim.AdamW):
    """AdamW whose gradients together have a norm of at most ``most``."""

    def __init__(self, parameters: Iterable[nn.Parameter], most: float, *, lr: float, weight_decay: float) -> None:
        super().__init__(parameters, lr=lr, weight_decay=weight_decay, fused=True)
        self.most = most

    def step(self, closure: Any = None) -> Any:
        """Clip, and step."""
        nn.utils.clip_grad_norm_([p for group in self.param_groups for p in group["params"]], self.most)
        return super().step(closure)


@dataclass(frozen=True)
class LossWeights:
    """The price of mutual information (below 0 it is rewarded), total correlation and the latents' own divergences."""

    information: float
    total_correlation: float
    dimension: float


class VariationalNetwork(nn.Module):
    """The autoencoder, and how many steps it was trained: saved with it, so that a resumed fit knows where it is."""

    steps: Tensor

    def __init__(self, autoencoder: Autoencoder) -> None:
        super().__init__()
        self.autoencoder = autoencoder
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))


@dataclass(frozen=True)
class WindowBatch:
    """Windows of a step: scaled values and mask ``(b, T, C)``, and entities ``(b,)``."""

    values: Tensor
    mask: Tensor
    entities: Tensor


class VariationalModel(SeriesModel):
    """An autoencoder that is trained on -J, J = E[log p(x|z)] less the weighted parts of the divergence.

    The epoch is chosen by J on validation windows, with no label.
    """

    monitor: ClassVar[str] = "pretext"
    lower_is_better = SeriesModel.lower_is_better | {"pretext"}
    Config: ClassVar[type[ModelConfig]] = VariationalSeriesConfig
    config: VAEConfig
    network: VariationalNetwork

    @property
    @abstractmethod
    def weights(self) -> LossWeights:
        """The price of each part of the divergence."""

    @property
    def autoencoder(self) -> Autoencoder:
        """The networks."""
        return self.network.autoencoder

    def assemble(self, data: Series) -> VariationalNetwork:
        """Return untrained networks for some data."""
        return VariationalNetwork(self.make_autoencoder(data))

    def make_autoencoder(self, data: Series, n_values: int | None = None, commitment: float = 0.0) -> Autoencoder:
        """Return an untrained autoencoder for some data."""
        c = self.config
        return Autoencoder(
            Sizes(len(data.channels), self.length_for(data)),
            latent_dim=c.latent_dim,
            encoder=c.encoder,
            decoder=c.decoder,
            hidden=c.hidden,
            teacher_forcing=c.teacher_forcing,
            noise=c.noise,
            n_values=n_values,
            commitment=commitment,
            spectrum=c.spectrum,
            n_angles=c.angles,
        )

    def _fit_encoder(self, data: Series, session: Session) -> None:
        """Build the networks and train them."""
        self.network = self.build(data, session.generator(), session.device)
        train_encoder(self, data, session)

    def build(self, data: Series, generator: torch.Generator, device: torch.device) -> VariationalNetwork:
        """Return untrained networks, and keep the training windows."""
        self._windows = slide(data, self.length_for(data), split="train", step=self.config.window_step, device=device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(generator.initial_seed())
            return self.assemble(data).to(device)

    def batches(self, data: Series, generator: torch.Generator) -> Iterator[WindowBatch]:
        """Yield every training window once, but for one left over."""
        order = torch.randperm(len(self._windows), generator=generator)
        for block in order.split(self.config.batch_size):
            if len(block) > 1:
                yield self.batch(self._windows, block)

    def batch(self, windows: Windows, block: Tensor) -> WindowBatch:
        """Return some windows."""
        return WindowBatch(*self.take(windows, block), windows.entities[block])

    @property
    def progress(self) -> float:
        """The share of the longest training that is done, from 0 to 1."""
        steps = self.config.max_epochs * math.ceil(len(self._windows) / self.config.batch_size)
        return float(self.network.steps) / max(steps, 1)

    def losses(self, batch: WindowBatch) -> dict[str, Tensor]:
        """Return the terms of -J, weighted as they are at this point of the training."""
        growth = min(self.progress / self.config.warmup, 1.0) if self.config.warmup > 0 else 1.0
        posterior = self.autoencoder.posterior(batch.values, batch.mask)
        self.network.steps += 1
        first = self.config.spectrum_first
        values_share = _LEAST_SHARE ** (1 - self.progress / first) if self.progress < first else 1.0
        terms = self.objective(batch, posterior, len(self._windows), growth, values_share)
        return terms | self.extra_losses(batch, posterior)

    def extra_losses(self, batch: WindowBatch, posterior: Posterior) -> dict[str, Tensor]:
        """Return what else is minimised in training; nothing here."""
        return {}

    def objective(
        self, batch: WindowBatch, posterior: Posterior, n: int, growth: float = 1.0, values_share: float = 1.0
    ) -> dict[str, Tensor]:
        """Return the terms of -J of a batch, for N windows in all, with penalties and the values at a share of their weight.

        Rewarded mutual information counts up to log M: no batch of M windows can show more.
        """
        likelihood = self.autoencoder.log_likelihood(posterior.z, batch.values, batch.mask, values_share)
        terms = {"reconstruction": -likelihood.mean()}
        if posterior.logvar is None:
            return terms | {"commitment": posterior.commitment}
        weights = self.weights
        divergence = decompose(
            posterior.z, posterior.mean, posterior.logvar, n, self.config.estimator, self.config.angles
        )
        information = divergence.information
        if weights.information < 0:
            information = information.clamp(max=math.log(len(batch.values)))
        dimension_kl = divergence.dimension_kl
        if self.config.free_bits > 0:
            dimension_kl = dimension_kl.clamp(min=self.config.free_bits)
        return terms | {
            "information": growth * weights.information * information,
            "total_correlation": growth * weights.total_correlation * divergence.total_correlation,
            "dimension": growth * weights.dimension * dimension_kl.sum(),
        }

    def optimizer(self) -> torch.optim.Optimizer:
        """Return AdamW, its gradient cut to a norm of 4 a value of a window: under little noise, errors are steep."""
        c, sizes = self.config, self.autoencoder.sizes
        most = _STEEPEST * sizes.length * sizes.n_channels
        return ClippedAdamW(self.network.parameters(), most, lr=c.lr, weight_decay=c.weight_decay)

    def pretext_loss(self, windows: Windows, block: Tensor) -> Tensor:
        """Return -J with its full weights."""
        batch = self.batch(windows, block)
        terms = self.objective(batch, self.autoencoder.posterior(batch.values, batch.mask), len(windows))
        return torch.stack(list(terms.values())).sum()

    def watched(self, data: Series) -> Mapping[str, float]:
        """Return nothing: no more is reported of a validation than the objective."""
        return {}

    # ---------------------------------------------------------------------------------------------------- after training

    @torch.no_grad()
    def latents(self, values: Tensor, mask: Tensor) -> Codes:
        """Return posterior means and variances of windows."""
        self.network.eval()
        posterior = self.autoencoder.posterior(values, mask)
        variances = torch.zeros_like(posterior.mean) if posterior.logvar is None else posterior.logvar.exp()
        return Codes(posterior.mean, variances, self.config.angles)

    @torch.no_grad()
    def decode(self, codes: Tensor) -> Tensor:
        """Return the mean of the windows that have these latents."""
        self.network.eval()
        decoded: Tensor = self.autoencoder.decode(codes)
        return decoded

    @torch.no_grad()
    def noise_variance(self, codes: Tensor) -> Tensor:
        """Return the variance of the likelihood, scaled, ``(b, C)``."""
        return self.autoencoder.noise_logvar(codes).exp()

    def segments(self) -> tuple[LatentRange, ...]:
        """Return the segments of the latents; none here."""
        return ()

    def encode(self, values: Tensor, mask: Tensor) -> Encoding:
        """Return one vector of posterior means ``(b, 1, K)``."""
        means = self.latents(values, mask).means
        return Encoding(
            means.unsqueeze(1), None, means.new_zeros(len(values), values.shape[2]), means.new_ones(len(values), 1)
        )

    def reconstruct(self, values: Tensor, mask: Tensor) -> Tensor:
        """Return the mean of the windows that have the window's posterior means."""
        return self.decode(self.latents(values, mask).means)

    def encoder_state(self) -> dict[str, Tensor]:
        """Return the networks' parameters."""
        return dict(self.network.state_dict())

    def load_encoder_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Build the networks for the bound data, and fill them."""
        self.network = self.assemble(self.data)
        self.network.load_state_dict(tensors)
        self.network.eval()

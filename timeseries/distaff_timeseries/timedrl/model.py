"""TimeDRL (Chang et al., ICDE 2024): time-stamp embeddings from patches and an instance embedding from [CLS], one loss each.

Where this departs from the authors' code, which departs from their paper:

* The predictive loss compares with the patches that the encoder saw. The code compares with patches before instance
  normalisation, whose level nobody could predict: ``target="raw"``.
* Tokens are embedded by a linear map, as the paper's equations have it, not by a circular convolution that mixes [CLS] with
  the first and last patches: ``token_embedding="conv"``, or ``"causal_conv"``, which mixes without that.
* There are as many position vectors as tokens, not 5000; they begin small.
* Both views are encoded in one pass, and the better epoch is chosen by the pretext loss on validation windows, never by a
  downstream metric, let alone one of the test split.
* Missing values count in no statistic and no loss.

What is ours: tokens may be the proportions of MiniRocket's kernels in a patch (``tokens="proportions"``), the classifier may
read more than the instance embedding (``features``), and both may keep the level that instance normalisation takes out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from distaff.model.base import Session
from distaff.model.config import ModelConfig
from distaff.series.forecasting import Encoding
from distaff.series.gradient import train_encoder
from distaff.series.model import SeriesModel
from distaff_data.datasets.series import Series
from distaff_data.datasets.windows import Windows, slide
from distaff_timeseries.patches import Normalised, instance_norm, joined
from distaff_timeseries.timedrl.config import TimeDRLConfig
from distaff_timeseries.timedrl.finetuning import finetune
from distaff_timeseries.timedrl.network import Geometry, TimeDRLNetwork

_COLLAPSED = 0.02
_LOOKED_AT = 1024  # windows by which collapse is judged
_THRESHOLDS_FROM = 128  # windows whose convolutions give the kernels' thresholds


class TimeDRL(SeriesModel):
    """Time-stamp and instance embeddings of series, disentangled by two losses on two slots of a Transformer."""

    name: ClassVar[str] = "timedrl"
    any_length: ClassVar[bool] = True
    monitor: ClassVar[str] = "pretext"
    lower_is_better = SeriesModel.lower_is_better | {"pretext"}
    Config: ClassVar[type[ModelConfig]] = TimeDRLConfig
    config: TimeDRLConfig
    network: TimeDRLNetwork

    def build(self, data: Series, generator: torch.Generator, device: torch.device) -> TimeDRLNetwork:
        """Return the untrained network, and keep the training windows."""
        length = self.length_for(data)
        self._windows = slide(data, length, split="train", step=self.config.window_step, device=device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(generator.initial_seed())
            network = TimeDRLNetwork(self.config, self.geometry(data)).to(device)
        self._raw = self._has_raw_target(data)
        if network.kernels is not None:
            sample = torch.linspace(0, len(self._windows) - 1, min(len(self._windows), _THRESHOLDS_FROM)).long()
            normal = self._normalised(*self.take(self._windows, sample))
            network.kernels.learn_thresholds(network.apart(normal.values))
        return network

    def _fit_encoder(self, data: Series, session: Session) -> None:
        """Train by the pretext, and then by the classes where that is asked for."""
        self.network = self.build(data, session.generator(), session.device)
        train_encoder(self, data, session)
        if self.config.finetune_epochs:
            finetune(self.network, self._instances, self.labelled, self.config, data, session)

    @property
    def least_length(self) -> int:
        """Rows of a patch."""
        return self.network.geometry.patch_len

    def geometry(self, data: Series) -> Geometry:
        """Return the sizes for some data."""
        c, n_channels, length = self.config, len(data.channels), self.length_for(data)
        apart = not data.classes if c.channel_independent is None else c.channel_independent
        patch_len = min(c.patch_len, length)
        return Geometry(n_channels, n_channels if apart else 1, length, patch_len, min(c.stride, patch_len))

    def batches(self, data: Series, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield every training window once; scaled values and mask."""
        order = torch.randperm(len(self._windows), generator=generator)
        for block in order.split(self.config.batch_size):
            if len(block) * self.network.geometry.n_groups > 1:  # batch normalisation needs two
                yield self.take(self._windows, block)

    def losses(self, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        """Return the predictive and the weighted contrastive loss."""
        values, mask = batch
        normal, geometry = self._normalised(values, mask), self.network.geometry
        target = values if self._raw else normal.values
        predictive, contrastive = self.network.losses(
            self.network.tokens(normal.values),
            *map(geometry.patches, (target, mask.to(values.dtype))),
            stop_gradient=self.config.stop_gradient,
        )
        return {"predictive": predictive, "contrastive": self.config.contrastive_weight * contrastive}

    def optimizer(self) -> torch.optim.Optimizer:
        """Return AdamW over all parameters."""
        c = self.config
        return torch.optim.AdamW(self.network.parameters(), lr=c.lr, weight_decay=c.weight_decay, fused=True)

    def pretext_loss(self, windows: Windows, block: Tensor) -> Tensor:
        """Return the sum of both losses, without dropout."""
        return torch.stack(list(self.losses(self.take(windows, block)).values())).sum()

    def watched(self, data: Series) -> Mapping[str, float]:
        """Return how far instance embeddings spread."""
        return {"spread": self.spread(data)}

    @torch.no_grad()
    def spread(self, data: Series) -> float:
        """Return the deviation of training windows' instance embeddings of unit length, times sqrt(d); 0 once collapsed.

        Chen and He (SimSiam, CVPR 2021) watch the same number; it is 1 for embeddings spread evenly over the sphere.
        """
        windows = slide(data, self.length_for(data), split="train", device=self.device)
        chosen = torch.linspace(0, len(windows) - 1, min(len(windows), _LOOKED_AT)).long()
        instances = [self.encode(*self.take(windows, block)).instances.flatten(0, 1) for block in chosen.split(256)]
        unit = F.normalize(torch.cat(instances), dim=1)
        return float(unit.std(0, correction=0).mean() * self.config.d_model**0.5)

    def notes(self) -> tuple[str, ...]:
        """Return a warning when the instance embeddings have collapsed."""
        spread = self.spread(self.data)
        if spread > _COLLAPSED:
            return ()
        return (f"instance embeddings have collapsed: they spread {spread:.3g} of what an even spread would be",)

    def vectors(self, values: Tensor, mask: Tensor) -> Tensor:
        """Return the network's vectors of windows, ``(b, G, T_p + 1, d)``: the instance first, then the time stamps."""
        network = self.network
        encoded: Tensor = network(network.tokens(self._normalised(values, mask).values))
        return encoded.view(len(values), network.geometry.n_groups, *encoded.shape[1:])

    @torch.no_grad()
    def encode(self, values: Tensor, mask: Tensor) -> Encoding:
        """Return the vectors of one pass without dropout: two views would be the same."""
        self.network.eval()
        encoded, normal, geometry = self.vectors(values, mask), self._normalised(values, mask), self.network.geometry
        scale = normal.std
        if geometry.n_groups != geometry.n_channels:
            scale = scale.square().mean(1, keepdim=True).sqrt()
        n_rows = values.shape[1] * geometry.n_channels // geometry.n_groups
        window = normal.values.transpose(1, 2).reshape(len(values), geometry.n_groups, n_rows)
        window_too = window if self.config.concat_window else None
        return Encoding(encoded[:, :, 0], encoded[:, :, 1:], normal.mean, scale, window_too)

    @torch.no_grad()
    def features(self, values: Tensor, mask: Tensor) -> Tensor:
        """Return the features that the setting of that name lists, side by side, ``(b, F)``."""
        encoding = self.encode(values, mask)
        over_time = encoding.timestamps
        assert over_time is not None
        available = {
            "instance": lambda: encoding.instances,
            "mean": lambda: over_time.mean(2),
            "std": lambda: over_time.std(2),
            "max": lambda: over_time.amax(2),
            "proportions": lambda: self._proportions(values, mask),
        }
        return torch.cat([available[name]().flatten(1) for name in self.config.features], 1)

    def _proportions(self, values: Tensor, mask: Tensor) -> Tensor:
        kernels = self.network.kernels
        assert kernels is not None
        shares = kernels.proportions(self.network.apart(self._normalised(values, mask).values))
        return shares.view(len(values), -1)

    @torch.no_grad()
    def reconstruct(self, values: Tensor, mask: Tensor) -> Tensor:
        """Return the patches that the predictive loss compares with the window's, averaged where they overlap."""
        self.network.eval()
        normal, g = self._normalised(values, mask), self.network.geometry
        pieces = self.network.reconstruct(self.vectors(values, mask)[:, :, 1:])
        rows = joined(pieces.unflatten(3, (g.n_channels // g.n_groups, -1)), values.shape[1], g.stride)
        if self._raw:
            return rows
        return rows * normal.std.unsqueeze(1) + normal.mean.unsqueeze(1)

    def encoder_state(self) -> dict[str, Tensor]:
        """Return the network's parameters and statistics."""
        return dict(self.network.state_dict())

    def load_encoder_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Build the network for the bound data, and fill it."""
        self._raw = self._has_raw_target(self.data)
        self.network = TimeDRLNetwork(self.config, self.geometry(self.data))
        self.network.load_state_dict(tensors)
        self.network.eval()

    def _instances(self, windows: Windows, block: Tensor) -> Tensor:
        """Return instance embeddings of some windows, side by side, ``(b, G * d)``, with gradients."""
        return self.vectors(*self.take(windows, block))[:, :, 0].flatten(1)

    def _has_raw_target(self, data: Series) -> bool:
        return self.config.target == "raw" or (self.config.target is None and bool(data.classes))

    def _normalised(self, values: Tensor, mask: Tensor) -> Normalised:
        """Return windows as the encoder sees them."""
        if self.config.instance_norm:
            return instance_norm(values, mask)
        shape = values.shape[0], values.shape[2]
        return Normalised(values, values.new_zeros(shape), values.new_ones(shape))

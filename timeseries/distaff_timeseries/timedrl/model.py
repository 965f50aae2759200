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
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn

from distaff.model.base import Session
from distaff.model.config import Choices, Listed, ModelConfig, Span
from distaff.series.forecasting import Encoding
from distaff.series.gradient import GradientSeriesConfig, GradientSeriesModel
from distaff.series.model import SeriesModel
from distaff_data.datasets.series import Series
from distaff_data.datasets.windows import Windows, slide
from distaff_timeseries.kernels import Kernels
from distaff_timeseries.patches import Normalised, instance_norm, joined, n_patches, patches
from distaff_timeseries.timedrl.bodies import Architecture
from distaff_timeseries.timedrl.dropout import dropout
from distaff_timeseries.timedrl.encoder import Encoder, Position, TokenEmbedding
from distaff_timeseries.timedrl.finetuning import finetune

_COLLAPSED = 0.02
_LOOKED_AT = 1024  # windows by which collapse is judged
_THRESHOLDS_FROM = 128  # windows whose convolutions give the kernels' thresholds

Feature = Literal["instance", "mean", "std", "max", "proportions"]


class TimeDRLConfig(GradientSeriesConfig):
    """Settings of TimeDRL.

    Attributes:
        patch_len: P, rows of a patch; cut to the window where that is shorter.
        stride: S, rows between patches.
        channel_independent: Whether channels are encoded one by one with shared weights; when None they are for forecasting
            and not where the dataset has labels, as in all published configurations.
        d_model: Numbers of an embedding.
        architecture: The encoder's body; see :mod:`distaff_timeseries.timedrl.bodies`.
        n_heads: Attention heads of a Transformer.
        n_layers: Layers of the body.
        dropout: Share of numbers dropped; the only difference between the two views.
        contrastive_weight: Lambda, weight of the instance-contrastive loss.
        stop_gradient: Off, only to show that instance embeddings then collapse.
        instance_norm: Whether a window loses its own level and scale before encoding; forecasts get them back.
        target: What the predictive loss compares with; see the module.
        tokens: What a patch gives the encoder: its values, or the shares of its rows at which each of many fixed
            convolutions is above its threshold; see :mod:`distaff_timeseries.kernels`.
        n_proportions: How many convolutions, about.
        features: What the classifier reads: the ``instance`` embedding, the ``mean``, ``std`` and ``max`` over time of the
            time-stamp embeddings, and the ``proportions`` of the whole window where tokens are proportions.
        token_embedding: How a patch becomes a token; see the module.
        kernel: Width of the convolution of ``conv``.
        position: Position vectors.
        window_step: Rows between the starts of training windows.
        beside_window: Whether the forecasting head sees the normalised window itself beside the embeddings, which join it
            only where validation errors say so: a ridge on the raw window that the encoder may better.
        precision: Of products while training; ``bfloat16`` pays on GPUs and on CPUs that multiply it. Normalisation, losses
            and everything after training stay in ``float32``.
        weight_decay: AdamW's.
        finetune_epochs: Epochs, at most, in which the encoder learns classes too after its pretext, from the training
            windows whose labels count (``label_share``); validation chooses the epoch. With ``max_epochs=0`` it learns
            nothing but them.
        finetune_lr: AdamW's learning rate then.
    """

    lr: Annotated[float, Field(gt=0), Span(1e-5, 3e-3, log=True)] = 3e-4
    batch_size: Annotated[int, Field(ge=2)] = 32
    max_epochs: Annotated[int, Field(ge=0)] = 10
    eval_every: Annotated[int, Field(ge=1)] = 1
    patch_len: Annotated[int, Field(ge=1), Choices(4, 8, 16)] = 16
    stride: Annotated[int, Field(ge=1), Choices(4, 8, 16)] = 16
    channel_independent: bool | None = None
    d_model: Annotated[int, Field(ge=2, multiple_of=2), Choices(32, 64, 128)] = 64
    architecture: Architecture = "transformer"
    n_heads: Annotated[int, Field(ge=1)] = 2
    n_layers: Annotated[int, Field(ge=1), Choices(1, 2, 3)] = 2
    dropout: Annotated[float, Field(ge=0, lt=1), Span(0.05, 0.3)] = 0.2
    contrastive_weight: Annotated[float, Field(ge=0), Span(0.05, 5.0, log=True)] = 0.5
    stop_gradient: bool = True
    instance_norm: bool = True
    target: Literal["normalized", "raw"] = "normalized"
    tokens: Literal["patches", "proportions"] = "patches"
    n_proportions: Annotated[int, Field(ge=84)] = 840
    features: Annotated[tuple[Feature, ...], Field(min_length=1), Listed] = ("instance",)
    token_embedding: TokenEmbedding = "linear"
    kernel: Annotated[int, Field(ge=1)] = 3
    position: Position = "learnable"
    window_step: Annotated[int, Field(ge=1)] = 1
    beside_window: bool = False
    precision: Literal["float32", "bfloat16"] = "float32"
    weight_decay: Annotated[float, Field(ge=0)] = 1e-4
    finetune_epochs: Annotated[int, Field(ge=0)] = 0
    finetune_lr: Annotated[float, Field(gt=0)] = 1e-4

    @model_validator(mode="after")
    def _heads_divide(self) -> TimeDRLConfig:
        if self.d_model % self.n_heads:
            raise ValueError(f"n_heads={self.n_heads} does not divide d_model={self.d_model}")
        if self.kernel % 2 == 0:
            raise ValueError("the kernel is an odd number of tokens")
        if "proportions" in self.features and self.tokens != "proportions":
            raise ValueError("there are proportions to read only where tokens are: set tokens=proportions")
        return self


@dataclass(frozen=True)
class Geometry:
    """Sizes that follow from a configuration and a dataset: channels C, groups G, rows of a window T and of a patch P."""

    n_channels: int
    n_groups: int
    length: int
    patch_len: int
    stride: int

    @property
    def token(self) -> int:
        """Numbers in a token."""
        return self.n_channels * self.patch_len // self.n_groups

    @property
    def n_tokens(self) -> int:
        """Tokens of a window, [CLS] included."""
        return n_patches(self.length, self.patch_len, self.stride) + 1

    def patches(self, values: Tensor) -> Tensor:
        """``(b, G, T_p, token)`` of ``(b, T, C)``."""
        return patches(values, self.patch_len, self.stride, channel_independent=self.n_groups == self.n_channels)


class TimeDRLNetwork(nn.Module):
    """The encoder, the predictor of patches, and the predictor of the other view's instance embedding."""

    def __init__(self, config: TimeDRLConfig, geometry: Geometry) -> None:
        super().__init__()
        self.geometry, d = geometry, config.d_model
        own = geometry.n_channels // geometry.n_groups
        self.kernels = (
            Kernels(own, geometry.length, config.n_proportions, torch.default_generator)
            if config.tokens == "proportions"
            else None
        )
        width = geometry.token if self.kernels is None else self.kernels.n_features
        self.dropout, self.low_precision = config.dropout, config.precision == "bfloat16"
        # In the space of tokens, so that it takes the same way through the encoder as they do.
        self.cls = nn.Parameter(torch.randn(geometry.n_groups, 1, width))
        self.encoder = Encoder(
            token=width,
            n_tokens=geometry.n_tokens,
            d_model=d,
            architecture=config.architecture,
            n_heads=config.n_heads,
            n_layers=config.n_layers,
            dropout=config.dropout,
            token_embedding=config.token_embedding,
            kernel=config.kernel,
            position=config.position,
        )
        self.reconstruct = nn.Linear(d, geometry.token)
        self.predict = nn.Sequential(
            nn.Linear(d, d // 2), nn.BatchNorm1d(d // 2), nn.ReLU(), nn.Dropout(config.dropout), nn.Linear(d // 2, d)
        )

    def apart(self, values: Tensor) -> Tensor:
        """Groups of channels as windows of their own, ``(b * G, T, C / G)`` of ``(b, T, C)``."""
        b, length, _ = values.shape
        return values.reshape(b, length, self.geometry.n_groups, -1).transpose(1, 2).flatten(0, 1)

    def tokens(self, values: Tensor) -> Tensor:
        """Tokens ``(b, G, T_p, token)`` of windows ``(b, T, C)`` as the encoder sees them."""
        g = self.geometry
        if self.kernels is None:
            return g.patches(values)
        shares = self.kernels.local_proportions(self.apart(values), g.patch_len, g.stride)
        return (2 * shares - 1).view(len(values), g.n_groups, *shares.shape[1:])

    def forward(self, tokens: Tensor, views: int = 1) -> Tensor:
        """Tokens ``(b, G, T_p, token)`` to ``(views * b * G, T_p + 1, d)``: the instance first, then the time stamps."""
        cls = self.cls.expand(len(tokens), -1, -1, -1)
        return self.encoder(torch.cat([cls, tokens], 2).flatten(0, 1), views)  # type: ignore[no-any-return]

    def losses(self, tokens: Tensor, target: Tensor, measured: Tensor, *, stop_gradient: bool) -> tuple[Tensor, Tensor]:
        """Predictive and contrastive loss of two views, unweighted scalars.

        Args:
            tokens: To encode, ``(b, G, T_p, token)``.
            target: Patches to predict, ``(b, G, T_p, C * P / G)``.
            measured: Where those were measured, bool of the same shape.
            stop_gradient: Whether the other view's embedding is held fixed.
        """
        with torch.autocast(tokens.device.type, torch.bfloat16, enabled=self.low_precision):
            encoded = self(tokens, views=2)
            predicted = self.reconstruct(dropout(encoded[:, 1:], self.dropout, self.training))
        wanted, there = (part.flatten(0, 1).repeat(2, 1, 1) for part in (target, measured))
        away = (predicted.float() - wanted).square() * there
        first, second = encoded[:, 0].float().chunk(2)
        goals = (first.detach(), second.detach()) if stop_gradient else (first, second)
        # Each view through the predictor on its own: batch normalisation is over one view.
        alike = [
            F.cosine_similarity(goal, self.predict(view), dim=1).mean()
            for goal, view in zip(goals, (second, first), strict=True)
        ]
        return away.sum() / there.sum().clamp(min=1), -0.5 * (alike[0] + alike[1])


class TimeDRL(GradientSeriesModel):
    """Time-stamp and instance embeddings of series, disentangled by two losses on two slots of a Transformer."""

    name: ClassVar[str] = "timedrl"
    any_length: ClassVar[bool] = True
    monitor = "pretext"
    lower_is_better = SeriesModel.lower_is_better | {"pretext"}
    Config: ClassVar[type[ModelConfig]] = TimeDRLConfig
    config: TimeDRLConfig
    network: TimeDRLNetwork

    def build(self, data: Series, generator: torch.Generator, device: torch.device) -> nn.Module:
        """The network, and the training windows."""
        length = self.length_for(data)
        self._windows = slide(data, length, split="train", step=self.config.window_step, device=device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(generator.initial_seed())
            network = TimeDRLNetwork(self.config, self.geometry(data)).to(device)
        if network.kernels is not None:
            some = torch.linspace(0, len(self._windows) - 1, min(len(self._windows), _THRESHOLDS_FROM)).long()
            seen = self._seen(*self.take(self._windows, some))
            network.kernels.learn_thresholds(network.apart(seen.values))
        return network

    def _fit_encoder(self, data: Series, session: Session) -> None:
        """The pretext, and then the classes where that is asked for."""
        super()._fit_encoder(data, session)
        if self.config.finetune_epochs:
            finetune(self, data, session)

    @property
    def least_length(self) -> int:
        """A patch."""
        return self.network.geometry.patch_len

    def geometry(self, data: Series) -> Geometry:
        """Sizes for some data."""
        c, n_channels, length = self.config, len(data.channels), self.length_for(data)
        apart = not data.classes if c.channel_independent is None else c.channel_independent
        patch_len = min(c.patch_len, length)
        return Geometry(n_channels, n_channels if apart else 1, length, patch_len, min(c.stride, patch_len))

    def batches(self, data: Series, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """Every training window once; scaled values and mask."""
        order = torch.randperm(len(self._windows), generator=generator)
        for block in order.split(self.config.batch_size):
            if len(block) * self.network.geometry.n_groups > 1:  # batch normalisation needs two
                yield self.take(self._windows, block)

    def losses(self, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        """Predictive and weighted contrastive loss."""
        values, mask = batch
        seen, geometry = self._seen(values, mask), self.network.geometry
        target = seen.values if self.config.target == "normalized" else values
        predictive, contrastive = self.network.losses(
            self.network.tokens(seen.values),
            *map(geometry.patches, (target, mask.to(values.dtype))),
            stop_gradient=self.config.stop_gradient,
        )
        return {"predictive": predictive, "contrastive": self.config.contrastive_weight * contrastive}

    def optimizer(self) -> torch.optim.Optimizer:
        """AdamW."""
        c = self.config
        return torch.optim.AdamW(self.network.parameters(), lr=c.lr, weight_decay=c.weight_decay, fused=True)

    def finalize(self) -> None:
        """Nothing: encodings come from the network as it stands."""

    def pretext_loss(self, windows: Windows, block: Tensor) -> Tensor:
        """Both losses, without dropout."""
        return torch.stack(list(self.losses(self.take(windows, block)).values())).sum()

    def watched(self, data: Series) -> Mapping[str, float]:
        """How far instance embeddings spread."""
        return {"spread": self.spread(data)}

    @torch.no_grad()
    def spread(self, data: Series) -> float:
        """Deviation of instance embeddings of unit length over training windows, times sqrt(d); 0 where they collapsed.

        Chen and He (SimSiam, CVPR 2021) watch the same number; it is 1 for embeddings spread evenly over the sphere.
        """
        windows = slide(data, self.length_for(data), split="train", device=self.device)
        chosen = torch.linspace(0, len(windows) - 1, min(len(windows), _LOOKED_AT)).long()
        parts = [self.encode(*self.take(windows, block)).instances.flatten(0, 1) for block in chosen.split(256)]
        unit = F.normalize(torch.cat(parts), dim=1)
        return float(unit.std(0, correction=0).mean() * self.config.d_model**0.5)

    def notes(self) -> tuple[str, ...]:
        """Says so when the instance embeddings have collapsed."""
        spread = self.spread(self.data)
        if spread > _COLLAPSED:
            return ()
        return (f"instance embeddings have collapsed: they spread {spread:.3g} of what an even spread would be",)

    def vectors(self, values: Tensor, mask: Tensor) -> Tensor:
        """What the network makes of windows, ``(b, G, T_p + 1, d)``: the instance first, then the time stamps."""
        network = self.network
        encoded: Tensor = network(network.tokens(self._seen(values, mask).values))
        return encoded.view(len(values), network.geometry.n_groups, *encoded.shape[1:])

    @torch.no_grad()
    def encode(self, values: Tensor, mask: Tensor) -> Encoding:
        """One pass without dropout: two views would be the same."""
        self.network.eval()
        encoded, seen, geometry = self.vectors(values, mask), self._seen(values, mask), self.network.geometry
        scale = seen.std if geometry.n_groups == geometry.n_channels else seen.std.square().mean(1, keepdim=True).sqrt()
        window = seen.values.transpose(1, 2).reshape(len(values), geometry.n_groups, -1)
        beside = window if self.config.beside_window else None
        return Encoding(encoded[:, :, 0], encoded[:, :, 1:], seen.mean, scale, beside)

    @torch.no_grad()
    def features(self, values: Tensor, mask: Tensor) -> Tensor:
        """What the setting of that name lists, side by side, ``(b, F)``."""
        encoding = self.encode(values, mask)
        over_time = encoding.timestamps
        assert over_time is not None
        found = {
            "instance": lambda: encoding.instances,
            "mean": lambda: over_time.mean(2),
            "std": lambda: over_time.std(2),
            "max": lambda: over_time.amax(2),
            "proportions": lambda: self._proportions(values, mask),
        }
        return torch.cat([found[name]().flatten(1) for name in self.config.features], 1)

    def _proportions(self, values: Tensor, mask: Tensor) -> Tensor:
        kernels = self.network.kernels
        assert kernels is not None
        shares = kernels.proportions(self.network.apart(self._seen(values, mask).values))
        return shares.view(len(values), -1)

    @torch.no_grad()
    def reconstruct(self, values: Tensor, mask: Tensor) -> Tensor:
        """What the predictive loss compares with the window: its patches, averaged where they overlap."""
        self.network.eval()
        seen, g = self._seen(values, mask), self.network.geometry
        pieces = self.network.reconstruct(self.vectors(values, mask)[:, :, 1:])
        rows = joined(pieces.unflatten(3, (g.n_channels // g.n_groups, -1)), values.shape[1], g.stride)
        if self.config.target == "raw":
            return rows
        return rows * seen.std.unsqueeze(1) + seen.mean.unsqueeze(1)

    def parts(self) -> dict[str, Tensor]:
        """The network's parameters and statistics."""
        return dict(self.network.state_dict())

    def put_parts(self, tensors: Mapping[str, Tensor]) -> None:
        """Build the network for the bound data, and fill it."""
        self.network = TimeDRLNetwork(self.config, self.geometry(self.data))
        self.network.load_state_dict(tensors)
        self.network.eval()

    def _seen(self, values: Tensor, mask: Tensor) -> Normalised:
        """What the encoder sees of a window."""
        if self.config.instance_norm:
            return instance_norm(values, mask)
        shape = values.shape[0], values.shape[2]
        return Normalised(values, values.new_zeros(shape), values.new_ones(shape))

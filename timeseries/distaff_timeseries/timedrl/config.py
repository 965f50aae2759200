"""Settings of TimeDRL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from distaff.model.config import Choices, Listed, Span
from distaff.series.gradient import GradientSeriesConfig
from distaff_data.errors import InputError
from distaff_timeseries.timedrl.bodies import Architecture
from distaff_timeseries.timedrl.encoder import Position, TokenEmbedding

Feature = Literal["instance", "mean", "std", "max", "proportions"]

_RENAMED = {"beside_window": "concat_window"}


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
        target: What the predictive loss compares with; when None ``raw`` where the dataset has labels, so that the embedding
            keeps the level of a window, and ``normalized`` elsewhere; see :mod:`distaff_timeseries.timedrl.model`.
        tokens: What a patch gives the encoder: its values, or the shares of its rows at which each of many fixed
            convolutions is above its threshold; see :mod:`distaff_timeseries.kernels`.
        n_proportions: How many convolutions, about.
        features: What the classifier reads: the ``instance`` embedding, the ``mean``, ``std`` and ``max`` over time of the
            time-stamp embeddings, and the ``proportions`` of the whole window where tokens are proportions.
        token_embedding: How a patch becomes a token; see :mod:`distaff_timeseries.timedrl.model`.
        kernel: Width of the convolution of ``conv``.
        position: Position vectors.
        window_step: Rows between the starts of training windows.
        concat_window: Whether the forecasting head sees the normalised window itself before the embeddings, which join it
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
    target: Literal["normalized", "raw"] | None = None
    tokens: Literal["patches", "proportions"] = "patches"
    n_proportions: Annotated[int, Field(ge=84)] = 840
    features: Annotated[tuple[Feature, ...], Field(min_length=1), Listed] = ("instance",)
    token_embedding: TokenEmbedding = "linear"
    kernel: Annotated[int, Field(ge=1)] = 3
    position: Position = "learnable"
    window_step: Annotated[int, Field(ge=1)] = 1
    concat_window: bool = False
    precision: Literal["float32", "bfloat16"] = "float32"
    weight_decay: Annotated[float, Field(ge=0)] = 1e-4
    finetune_epochs: Annotated[int, Field(ge=0)] = 0
    finetune_lr: Annotated[float, Field(gt=0)] = 1e-4

    @classmethod
    def parse(cls, settings: Mapping[str, Any]) -> Self:
        """Return settings; those that were saved under a name that has changed since are read by either."""
        for old, new in _RENAMED.items():
            if old in settings and new in settings:
                raise InputError(f"{old} is the old name of {new}; give one of them", column="setting", value=old)
        return super().parse({_RENAMED.get(name, name): value for name, value in settings.items()})

    @model_validator(mode="after")
    def _heads_divide(self) -> TimeDRLConfig:
        if self.d_model % self.n_heads:
            raise ValueError(f"n_heads={self.n_heads} does not divide d_model={self.d_model}")
        if self.kernel % 2 == 0:
            raise ValueError("the kernel is an odd number of tokens")
        if "proportions" in self.features and self.tokens != "proportions":
            raise ValueError("there are proportions to read only where tokens are: set tokens=proportions")
        return self

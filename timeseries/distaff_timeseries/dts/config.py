"""Settings of DTS and its relatives."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from distaff.model.config import Choices, Span
from distaff.series.gradient import GradientSeriesConfig
from distaff_timeseries.dts.autoencoder import CoderArchitecture, Noise
from distaff_timeseries.dts.decomposition import Estimator
from distaff_timeseries.dts.segments import Adversary, Segment, parse_segments


def _texts(value: object) -> object:
    return [text.strip() for text in value.split(",")] if isinstance(value, str) else value


class VariationalSeriesConfig(GradientSeriesConfig):
    """Settings of every autoencoder here.

    Attributes:
        encoder: Convolutions (``conv``), an LSTM, a network of the window's Fourier ``wave``s and their powers, or of its
            line and leading ``season``.
        decoder: Likewise; each is given the latents alone, the LSTM at every step. That of a ``season`` keeps size, period
            and direction apart; see :mod:`distaff_timeseries.dts.seasons`.
        hidden: Channels of convolutions, or the LSTMs' state.
        teacher_forcing: Gives an LSTM decoder the value before, as published LSTM autoencoders do; it then tends to ignore
            the latents.
        noise: Variance of the Gaussian likelihood, in scaled units: ``fixed`` at 1 (mean squared error), ``learned`` for
            each channel, or ``predicted`` from the latents for each window and channel, so that latents can hold the noise.
        spectrum: Weight of the likelihood of the window's log power spectrum beside that of its values. A wave whose phase
            is wrong is worth nothing as values; as a spectrum it is, so that latents find period and amplitude first.
        spectrum_first: Share of the training in which the values' likelihood grows from a hundredth to its full weight, so
            that the spectrum says which waves there are before the values say which way they go: the other way round a
            wave whose direction is not known yet is unlearned.
        angles: How many of the latents, the last ones, are angles: with a uniform prior on the circle, and from -pi to pi
            wherever latents are shown. A phase has no other single latent.
        estimator: How a batch stands for all windows; see :mod:`distaff_timeseries.dts.decomposition`.
        free_bits: Nats of divergence that cost a latent nothing.
        warmup: Share of the training in which the penalties grow to their full weight.
        window_step: Rows between the starts of training windows.
        weight_decay: AdamW's.
    """

    lr: Annotated[float, Field(gt=0), Span(3e-4, 5e-3, log=True)] = 1e-3
    batch_size: Annotated[int, Field(ge=2)] = 128
    max_epochs: Annotated[int, Field(ge=1)] = 60
    eval_every: Annotated[int, Field(ge=1)] = 1
    patience: Annotated[int, Field(ge=1)] = 10
    encoder: CoderArchitecture = "conv"
    decoder: CoderArchitecture = "conv"
    hidden: Annotated[int, Field(ge=2, multiple_of=2), Choices(32, 64, 128)] = 64
    teacher_forcing: bool = False
    noise: Noise = "predicted"
    spectrum: Annotated[float, Field(ge=0)] = 0.0
    spectrum_first: Annotated[float, Field(ge=0, lt=1)] = 0.0
    angles: Annotated[int, Field(ge=0)] = 0
    estimator: Estimator = "stratified"
    free_bits: Annotated[float, Field(ge=0)] = 0.0
    warmup: Annotated[float, Field(ge=0, le=1)] = 0.2
    window_step: Annotated[int, Field(ge=1)] = 1
    weight_decay: Annotated[float, Field(ge=0)] = 1e-4

    @model_validator(mode="after")
    def _forcing_has_a_decoder(self) -> Self:
        if self.teacher_forcing and self.decoder != "lstm":
            raise ValueError("teacher_forcing is for an LSTM: set decoder=lstm")
        return self

    @model_validator(mode="after")
    def _spectrum_can_come_first(self) -> Self:
        if self.spectrum_first > 0 and self.spectrum == 0:
            raise ValueError("spectrum_first needs a spectrum that counts: set spectrum=1")
        return self


def check_angles(n_angles: int, latent_dim: int) -> None:
    """Refuse angles that leave no other latent.

    Raises:
        ValueError: They do.
    """
    if n_angles >= latent_dim:
        raise ValueError(f"of {latent_dim} latents at most {latent_dim - 1} can be angles, not {n_angles}")


class VAEConfig(VariationalSeriesConfig):
    """Settings of the VAE.

    Attributes:
        latent_dim: K, latents of a window.
    """

    latent_dim: Annotated[int, Field(ge=1), Choices(6, 10, 16, 32)] = 10

    @model_validator(mode="after")
    def _some_latents_are_numbers(self) -> Self:
        check_angles(self.angles, self.latent_dim)
        return self


class BetaVAEConfig(VAEConfig):
    """Settings of the beta-VAE.

    Attributes:
        beta: Weight of the whole divergence.
    """

    beta: Annotated[float, Field(ge=0), Span(1.0, 16.0, log=True)] = 4.0


class BetaTCVAEConfig(VAEConfig):
    """Settings of the beta-TCVAE.

    Attributes:
        beta: Weight of the total correlation.
    """

    beta: Annotated[float, Field(ge=0), Span(1.0, 16.0, log=True)] = 6.0


class DTSConfig(VariationalSeriesConfig):
    """Settings of DTS.

    Attributes:
        segments: Latents by concept, in their order: ``class:4,group:4,free:8``. A segment whose concept has no labels in
            the data is free.
        alpha: Weight of the mutual information that is given back: 1 cancels its penalty, more rewards it.
        beta: Weight of the total correlation.
        gamma: Weight of the latents' own divergences.
        adversary: What is read from a segment against its will: other segments' ``labels``, their ``latents``, or nothing.
        eta: Weight of the heads that predict a segment's own concept.
        xi: Weight of the adversaries.
        bottleneck: ``gaussian``, or ``quantized`` (QLAE), which has no divergences to weigh.
        n_values: Values of a quantised latent.
        commitment: Weight of what rounding costs.
    """

    segments: Annotated[tuple[str, ...], Field(min_length=1), BeforeValidator(_texts)] = ("free:10",)
    alpha: Annotated[float, Field(ge=0), Span(0.5, 1.5)] = 1.0
    beta: Annotated[float, Field(ge=0), Span(1.0, 16.0, log=True)] = 5.0
    gamma: Annotated[float, Field(ge=0), Span(0.5, 4.0, log=True)] = 1.0
    adversary: Adversary = "labels"
    eta: Annotated[float, Field(ge=0)] = 1.0
    xi: Annotated[float, Field(ge=0)] = 1.0
    bottleneck: Literal["gaussian", "quantized"] = "gaussian"
    n_values: Annotated[int, Field(ge=2), Choices(8, 12, 16)] = 12
    commitment: Annotated[float, Field(ge=0)] = 1.0

    @model_validator(mode="after")
    def _segments_parse(self) -> Self:
        check_angles(self.angles, parse_segments(self.segments)[-1].stop)
        if self.angles and self.bottleneck == "quantized":
            raise ValueError("quantised latents are no angles: set angles=0")
        return self

    @property
    def parsed(self) -> tuple[Segment, ...]:
        """The segments."""
        return parse_segments(self.segments)

    @property
    def latent_dim(self) -> int:
        """K, latents of a window."""
        return self.parsed[-1].stop

"""DTS (Li et al., KDD 2022), and VAE, beta-VAE and beta-TCVAE, which are the same model with other weights.

No code of DTS is public and the paper's tables could not be read; this follows its abstract, the patent application
US 2022/0253696, and the papers they build on. Ours are: the latents given to the decoder at every step and no teacher
forcing by default, convolutions as the default architecture and Fourier waves as another, noise predicted from the latents,
the likelihood of the spectrum, the label-free adversary, free bits, and quantised latents as an option.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, get_args

from torch import Tensor

from distaff.model.base import Session
from distaff.model.config import ModelConfig
from distaff.series.latents import FREE, LatentRange
from distaff_data.datasets.series import Series
from distaff_data.errors import InputError
from distaff_timeseries.dts.adaptation import Adaptation, AdaptationMethod
from distaff_timeseries.dts.autoencoder import Autoencoder
from distaff_timeseries.dts.base import LossWeights, VariationalModel, VariationalNetwork, WindowBatch
from distaff_timeseries.dts.bottleneck import Posterior
from distaff_timeseries.dts.config import BetaTCVAEConfig, BetaVAEConfig, DTSConfig, VAEConfig
from distaff_timeseries.dts.reversal import schedule
from distaff_timeseries.dts.segments import SegmentHeads, concept_codes


class VAE(VariationalModel):
    """Variational autoencoder (Kingma and Welling 2014): every part of the divergence costs 1."""

    name: ClassVar[str] = "vae"
    control: ClassVar[bool] = True
    Config: ClassVar[type[ModelConfig]] = VAEConfig

    @property
    def weights(self) -> LossWeights:
        """A price of 1 for each part."""
        return LossWeights(1.0, 1.0, 1.0)


class BetaVAE(VariationalModel):
    """Beta-VAE (Higgins et al. 2017): every part costs beta."""

    name: ClassVar[str] = "beta_vae"
    control: ClassVar[bool] = True
    Config: ClassVar[type[ModelConfig]] = BetaVAEConfig
    config: BetaVAEConfig

    @property
    def weights(self) -> LossWeights:
        """A price of beta for each part."""
        beta = self.config.beta
        return LossWeights(beta, beta, beta)


class BetaTCVAE(VariationalModel):
    """Beta-TCVAE (Chen et al. 2018): the total correlation costs beta, the others 1."""

    name: ClassVar[str] = "beta_tcvae"
    control: ClassVar[bool] = True
    Config: ClassVar[type[ModelConfig]] = BetaTCVAEConfig
    config: BetaTCVAEConfig

    @property
    def weights(self) -> LossWeights:
        """A price of beta for the total correlation, and of 1 for the others."""
        return LossWeights(1.0, self.config.beta, 1.0)


class SegmentedNetwork(VariationalNetwork):
    """The autoencoder, with heads and adversaries of segments."""

    def __init__(self, autoencoder: Autoencoder, heads: SegmentHeads) -> None:
        super().__init__(autoencoder)
        self.heads = heads


class DTS(VariationalModel):
    """Independent latents in segments tied to concepts.

    J = E[log p(x|z)] + (alpha - 1) I(x; z) - beta TC(z) - gamma sum_j KL(q(z_j) || p(z_j)); the loss is -J, and eta times
    the loss of the segments' heads, and xi times that of the adversaries, whose gradient is reversed below them.
    """

    name: ClassVar[str] = "dts"
    Config: ClassVar[type[ModelConfig]] = DTSConfig
    config: DTSConfig  # type: ignore[assignment]
    network: SegmentedNetwork

    @property
    def weights(self) -> LossWeights:
        """The prices of the three parts, by alpha, beta and gamma."""
        c = self.config
        return LossWeights(1.0 - c.alpha, c.beta, c.gamma)

    @classmethod
    def adapters(cls, settings: Mapping[str, Any]) -> Mapping[str, Adaptation]:
        """Return DTS and its controls; ``settings`` are those of :class:`.AdaptationConfig` but for the method."""
        if "method" in settings:
            raise InputError("every method is shown; none is set", column="method", value=settings["method"])
        return {method: Adaptation(method=method, **settings) for method in reversed(get_args(AdaptationMethod))}

    def segments(self) -> tuple[LatentRange, ...]:
        """Return the segments' names and latents."""
        return tuple(LatentRange(s.name, s.concept, s.start, s.stop) for s in self.config.parsed)

    def assemble(self, data: Series) -> SegmentedNetwork:
        """Return untrained networks, with a head for each concept that the data has."""
        c = self.config
        autoencoder = self.make_autoencoder(data, c.n_values if c.bottleneck == "quantized" else None, c.commitment)
        n_classes = {concept: len(names) for concept, (_, names) in concept_codes(data).items()}
        tied = [segment.concept for segment in c.parsed if segment.concept != FREE]
        return SegmentedNetwork(autoencoder, SegmentHeads(c.parsed, n_classes, c.adversary, forgotten=tied))

    def _fit_encoder(self, data: Series, session: Session) -> None:
        """Train; refuses segments of concepts that the data lacks.

        Raises:
            InputError: A segment is tied to a concept of which the data has fewer than two values.
        """
        concepts = concept_codes(data)
        for segment in self.config.parsed:
            if segment.concept != FREE and segment.concept not in concepts:
                what = "classes" if segment.concept == "class" else "groups"
                raise InputError(f"dataset {data.name!r} has no two {what} to tie a segment to", value=segment.name)
        self._codes = {concept: codes for concept, (codes, _) in concepts.items()}
        super()._fit_encoder(data, session)

    def extra_losses(self, batch: WindowBatch, posterior: Posterior) -> dict[str, Tensor]:
        """Return the weighted losses of heads and adversaries."""
        heads = self.network.heads
        if not heads.heads and not heads.pairs:
            return {}
        device = posterior.z.device
        codes = {concept: codes[batch.entities].to(device) for concept, codes in self._codes.items()}
        main, against = heads(posterior.z, codes, schedule(self.progress))
        return {"concepts": self.config.eta * main, "adversaries": self.config.xi * against}

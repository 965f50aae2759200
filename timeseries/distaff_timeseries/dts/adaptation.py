"""Unsupervised domain adaptation: classes learned in a domain with labels, predicted in one without.

The source domain has windows and labels, the target domain windows alone. The methods share the backbone, the optimiser and
the number of steps:

* ``none``: trained on the source only, the control;
* ``dann``: the features' domain is read by an adversary whose gradient is reversed (Ganin et al. 2016);
* ``dann_information``: and the information of the predicted classes about target windows is maximised (Krause, Perona
  and Gomes 2010), the control for the part of DTS that needs neither latents nor a decoder;
* ``dts``: that too, and the features become latents of two segments. That of the class has a head for the source's classes
  and an adversary that reads the domain; that of the domain has a head for the domain and an adversary that reads the
  source's classes; both together are decoded, and J of :mod:`distaff_timeseries.dts.models` is maximised. Classes are
  predicted from the first segment alone.

The backbone is the 1-D CNN with which AdaTime (Ragab et al., TKDD 2023) compares such methods. Each domain is scaled by its
own training windows. The reversed gradient grows over the whole training; in AdaTime's own code a slip of precedence lets it
saturate within the first epoch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal, Self

import torch
from pydantic import Field
from torch import Tensor, nn

from distaff.model.config import ModelConfig
from distaff.model.fitting import pick_device
from distaff_data.datasets.series import Scaler, Series
from distaff_data.datasets.windows import slide
from distaff_data.errors import InputError
from distaff_timeseries.dts.autoencoder import gaussian_log_likelihood
from distaff_timeseries.dts.bottleneck import GaussianBottleneck, Posterior
from distaff_timeseries.dts.decomposition import decompose
from distaff_timeseries.dts.layers import WaveDecoder
from distaff_timeseries.dts.reversal import schedule
from distaff_timeseries.dts.segments import Segment, SegmentHeads, parse_segments

AdaptationMethod = Literal["none", "dann", "dann_information", "dts"]

_FEATURES = 128
_HIDDEN = 64
_DOMAINS = {"source": 0, "target": 1}


class AdaptationConfig(ModelConfig):
    """Settings of an adaptation.

    Attributes:
        method: See the module.
        epochs: Passes over the smaller domain's windows.
        batch_size: Windows of each domain in a step.
        lr: Adam's.
        weight_decay: Likewise.
        dropout: In the backbone.
        class_dim: Latents of the class.
        domain_dim: Latents of the domain.
        alpha: Of J, as are beta and gamma.
        beta: Weight of the total correlation.
        gamma: Weight of the latents' own divergences.
        rho: Weight of -J, which is divided by the values of a window, beside that of the classes, which is 1.
        xi: Weight of the adversaries.
        information: Weight of the predicted classes' information about the target's windows, which grows as the
            adversaries' does.
        domain_share: Weight of the domain's segment where the class's has 1: its adversary would have the backbone forget
            classes.
    """

    method: AdaptationMethod = "dts"
    epochs: Annotated[int, Field(ge=1)] = 40
    batch_size: Annotated[int, Field(ge=2)] = 32
    lr: Annotated[float, Field(gt=0)] = 1e-3
    weight_decay: Annotated[float, Field(ge=0)] = 1e-4
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    class_dim: Annotated[int, Field(ge=1)] = 64
    domain_dim: Annotated[int, Field(ge=1)] = 16
    alpha: Annotated[float, Field(ge=0)] = 1.0
    beta: Annotated[float, Field(ge=0)] = 5.0
    gamma: Annotated[float, Field(ge=0)] = 1.0
    rho: Annotated[float, Field(ge=0)] = 0.1
    xi: Annotated[float, Field(ge=0)] = 1.0
    information: Annotated[float, Field(ge=0)] = 1.0
    domain_share: Annotated[float, Field(ge=0)] = 0.01


class Backbone(nn.Module):
    """Three convolutions, each with batch normalisation and halved rows; their mean over time, ``(b, 128)``."""

    def __init__(self, n_channels: int, dropout: float) -> None:
        super().__init__()
        sizes, kernels = (n_channels, 64, 128, _FEATURES), (5, 8, 8)
        layers: list[nn.Module] = []
        for i, kernel in enumerate(kernels):
            layers += [
                nn.Conv1d(sizes[i], sizes[i + 1], kernel, padding=kernel // 2, bias=False),
                nn.BatchNorm1d(sizes[i + 1]),
                nn.ReLU(),
                nn.MaxPool1d(2, 2, padding=1),
            ]
            if i == 0:
                layers.append(nn.Dropout(dropout))
        self.layers = nn.Sequential(*layers)

    def forward(self, values: Tensor) -> Tensor:
        """Return features of windows ``(b, T, C)``, 0 where missing."""
        out: Tensor = self.layers(values.transpose(1, 2))
        return out.mean(2)


class AdaptationNetwork(nn.Module):
    """Backbone, heads and adversaries; of ``dts`` also the latents and their decoder."""

    def __init__(self, config: AdaptationConfig, n_channels: int, length: int, n_classes: int) -> None:
        super().__init__()
        self.backbone = Backbone(n_channels, config.dropout)
        self.bottleneck: GaussianBottleneck | None = None
        self.decoder: WaveDecoder | None = None
        self.segments: tuple[Segment, ...] = parse_segments([f"class:{_FEATURES}"])
        if config.method == "dts":
            self.segments = parse_segments([f"class:{config.class_dim}", f"group:{config.domain_dim}"])
            self.bottleneck = GaussianBottleneck(_FEATURES, self.segments[-1].stop)
            self.decoder = WaveDecoder(n_channels, length, _HIDDEN, self.segments[-1].stop)
            self.noise = nn.Parameter(torch.zeros(n_channels))
        self.heads = SegmentHeads(
            self.segments,
            {"class": n_classes, "group": len(_DOMAINS)},
            "none" if config.method == "none" else "labels",
            forgotten=("class", "group"),
            shares={"group": config.domain_share},
        )


@dataclass(frozen=True)
class _Domain:
    """Windows of a domain, scaled, with their codes, -1 where unknown."""

    values: Tensor
    mask: Tensor
    codes: Tensor
    number: int


class Adaptation:
    """A model that is fitted to a source and a target domain, and predicts the classes of the target's windows.

    Args:
        settings: Those of :class:`AdaptationConfig`.
    """

    def __init__(self, **settings: object) -> None:
        self.config = AdaptationConfig.parse(settings)
        self.classes: tuple[str, ...] = ()

    def fit(self, source: Series, target: Series, *, seed: int = 0, device: str = "auto") -> Self:
        """Fit to the training windows of both; the target's labels are not looked at.

        Args:
            source: Labelled windows, each an entity.
            target: Windows of the same length and channels.
            seed: Of every draw.
            device: ``auto``, ``cpu`` or ``cuda``.

        Raises:
            InputError: No labels in the source, or windows that do not fit each other.
        """
        self._check(source, target)
        self.device, self.classes = pick_device(device), source.classes
        self.scalers = {"source": Scaler.of(source), "target": Scaler.of(target)}
        length, n_channels = int(source.lengths[0]), len(source.channels)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network = AdaptationNetwork(self.config, n_channels, length, len(self.classes)).to(self.device)
            self._train(self._domain(source, "source"), self._domain(target, "target"))
        self.network.eval()
        return self

    @torch.no_grad()
    def represent(self, data: Series, domain: Literal["source", "target"] = "target") -> dict[str, Tensor]:
        """Return segments of all windows of some data: ``class``, and of ``dts`` ``group``, the domain's; ``(n, width)``."""
        values, _ = self._windows(data, domain)
        latents = []
        for block in values.split(256):
            features = self.network.backbone(block)
            bottleneck = self.network.bottleneck
            latents.append(features if bottleneck is None else bottleneck(features).mean)
        z = torch.cat(latents).cpu()
        return {segment.name: segment.of(z) for segment in self.network.segments}

    @torch.no_grad()
    def predict(self, data: Series, domain: Literal["source", "target"] = "target") -> Tensor:
        """Return codes of the classes of all windows of some data, into :attr:`classes`, int64 ``(n,)``."""
        return self._logits(data, domain).argmax(1).cpu()

    @torch.no_grad()
    def probabilities(self, data: Series, domain: Literal["source", "target"] = "target") -> Tensor:
        """Return the probability of each class for all windows of some data, float32 ``(n, K)``."""
        return torch.softmax(self._logits(data, domain), 1).cpu()

    def _logits(self, data: Series, domain: Literal["source", "target"]) -> Tensor:
        features = self.represent(data, domain)["class"].to(self.device)
        logits: Tensor = self.network.heads.heads["class"](features)
        return logits

    def _train(self, source: _Domain, target: _Domain) -> None:
        c = self.config
        domains = [source] if c.method == "none" else [source, target]
        optimizer = torch.optim.Adam(self.network.parameters(), lr=c.lr, weight_decay=c.weight_decay, fused=True)
        per_epoch = max(min(len(source.values), len(target.values)) // c.batch_size, 1)
        total = c.epochs * per_epoch
        streams = [_stream(domain, c.batch_size) for domain in domains]
        self._n = sum(len(domain.values) for domain in domains)
        self.network.train()
        for step in range(total):
            loss = self._loss([next(stream) for stream in streams], schedule(step / total))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()

    def _loss(self, batches: list[_Domain], reversal: float) -> Tensor:
        """Return the loss of one batch of each domain: batch normalisation sees them one by one."""
        c, network = self.config, self.network
        features = torch.cat([network.backbone(batch.values) for batch in batches])
        codes = {
            "class": torch.cat([b.codes if b.number == 0 else torch.full_like(b.codes, -1) for b in batches]),
            "group": torch.cat([torch.full_like(b.codes, b.number) for b in batches]),
        }
        posterior = None if network.bottleneck is None else network.bottleneck(features)
        z = features if posterior is None else posterior.z
        main, against = network.heads(z, codes, reversal)
        total: Tensor = main + c.xi * against
        if c.method in ("dann_information", "dts"):
            of_target = network.segments[0].of(z[codes["group"] == _DOMAINS["target"]])
            total = total - c.information * reversal * class_information(network.heads.heads["class"](of_target))
        if posterior is not None:
            values, mask = (torch.cat([getattr(b, name) for b in batches]) for name in ("values", "mask"))
            total = total - c.rho * self._objective(posterior, values, mask) / values[0].numel()
        return total

    def _objective(self, posterior: Posterior, values: Tensor, mask: Tensor) -> Tensor:
        """Return J of :mod:`distaff_timeseries.dts.models`, nats a window."""
        c, network = self.config, self.network
        assert posterior.logvar is not None
        assert network.decoder is not None
        logvar = network.noise.expand(len(values), -1)
        likelihood = gaussian_log_likelihood(network.decoder(posterior.z), logvar, values, mask).mean()
        divergence = decompose(posterior.z, posterior.mean, posterior.logvar, self._n)
        price = c.beta * divergence.total_correlation + c.gamma * divergence.dimension_kl.sum()
        objective: Tensor = likelihood + (c.alpha - 1) * divergence.information - price
        return objective

    def _windows(self, data: Series, domain: str, split: str | None = None) -> tuple[Tensor, Tensor]:
        windows = slide(data, int(data.lengths[0]), split=split, device=self.device)
        values, mask = windows.take(torch.arange(len(windows)))
        return self.scalers[domain].to(self.device).apply(values, mask), mask

    def _domain(self, data: Series, domain: str) -> _Domain:
        windows = slide(data, int(data.lengths[0]), split="train")
        values, mask = self._windows(data, domain, "train")
        return _Domain(values, mask, data.labels[windows.entities].to(self.device), _DOMAINS[domain])

    @staticmethod
    def _check(source: Series, target: Series) -> None:
        for data in (source, target):
            if not data.whole or int(data.lengths.min()) != int(data.lengths.max()):
                raise InputError(f"dataset {data.name!r} must have windows of one length, each an entity of its own")
        if len(source.classes) < 2:
            raise InputError(f"dataset {source.name!r}, the source, has no two classes to learn")
        if (len(source.channels), int(source.lengths[0])) != (len(target.channels), int(target.lengths[0])):
            raise InputError(
                f"windows of the source have {int(source.lengths[0])} rows of {len(source.channels)} channels, "
                f"those of the target {int(target.lengths[0])} of {len(target.channels)}"
            )


def class_information(logits: Tensor) -> Tensor:
    """Return I(x; y) in nats, a scalar, of classes y with ``(b, K)`` logits of b windows: H(mean of p) - mean of H(p)."""
    log_p = torch.log_softmax(logits, 1)
    mean = log_p.exp().mean(0)
    information: Tensor = (log_p.exp() * log_p).sum(1).mean() - torch.special.xlogy(mean, mean).sum()
    return information


def _stream(domain: _Domain, batch_size: int) -> Iterator[_Domain]:
    """Yield batches without end, each pass in another order; windows that fill no batch are left out of a pass."""
    n = len(domain.values)
    while True:
        order = torch.randperm(n)
        for start in range(0, max(n - batch_size + 1, 1), batch_size):
            chosen = order[start : start + batch_size].to(domain.values.device)
            yield _Domain(domain.values[chosen], domain.mask[chosen], domain.codes[chosen], domain.number)

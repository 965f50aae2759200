"""What Multi-VAE, MacridVAE and DGVAE share: settings, training, scores, intents."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from distaff.model.config import Choices, ModelConfig, Span
from distaff.model.gradient import GradientConfig
from distaff.recommenders.base import Intents
from distaff.recommenders.gradient import GradientRecommender
from distaff_data.datasets.content import Weighted
from distaff_data.datasets.csr import Csr
from distaff_data.datasets.interactions import Interactions
from distaff_graph.dgvae.branch import Half
from distaff_graph.dgvae.decoder import log_scores
from distaff_graph.dgvae.initialisation import start_together
from distaff_graph.dgvae.network import Codes, Network

_USERS = 512  # scored at once


class VariationalConfig(GradientConfig):
    """Settings of the variational family; defaults of the authors' run on Baby.

    Attributes:
        embedding_dim: d of vectors and codes.
        dropout: Share of the encoder's input left out.
        kl_cap: Weight of the divergence once it is full.
        kl_epochs: Epochs in which it grows to ``kl_cap``, whatever the batch size. The authors count steps towards
            20,000, which their 100 epochs of 38 never reach.
        kl_steps: The authors' schedule instead: min(kl_cap, step / kl_steps).
    """

    batch_size: Annotated[int, Field(ge=1), Choices(128, 256, 512)] = 512
    max_epochs: Annotated[int, Field(ge=1)] = 100
    eval_every: Annotated[int, Field(ge=1)] = 1
    patience: Annotated[int, Field(ge=1)] = 20
    embedding_dim: Annotated[int, Field(ge=1), Choices(32, 64, 128)] = 64
    dropout: Annotated[float, Field(ge=0, lt=1), Span(0.2, 0.7)] = 0.5
    kl_cap: Annotated[float, Field(ge=0), Span(0.01, 1, log=True)] = 0.2
    kl_epochs: Annotated[float, Field(gt=0)] = 100
    kl_steps: Annotated[int, Field(ge=1)] | None = None


class FactorConfig(VariationalConfig):
    """Settings of the halves with factors.

    Attributes:
        n_intents: K, factors.
        temperature: Of memberships and decoder.
        decoder_temperature: Of the decoder, where it has one of its own: softer scores than memberships.
        std: Deviation of the code's noise.
        start: Where vectors and prototypes begin: ``random``, as the authors have it, or ``spectral``, at a co-clustering
            of the training data (:mod:`distaff_graph.dgvae.initialisation`).
    """

    n_intents: Annotated[int, Field(ge=1), Choices(2, 3, 4, 6, 8)] = 3
    temperature: Annotated[float, Field(gt=0), Span(0.05, 0.3, log=True)] = 0.1
    decoder_temperature: Annotated[float, Field(gt=0)] | None = None
    std: Annotated[float, Field(ge=0), Span(0.03, 0.3, log=True)] = 0.075
    start: Literal["random", "spectral"] = "random"


class Variational(GradientRecommender):
    """A variational autoencoder of users' items: everything but which halves there are."""

    Config: ClassVar[type[ModelConfig]] = VariationalConfig
    config: VariationalConfig
    network: Network
    _text_weight = _mi_weight = 0.0

    @abstractmethod
    def make(self, data: Interactions, generator: torch.Generator, device: torch.device) -> Network:
        """The network, on the CPU."""

    def documents(self, history: Csr) -> Weighted | None:
        """Words of people who took these items; None where words play no part."""
        return None

    def build(self, data: Interactions, generator: torch.Generator, device: torch.device) -> Network:
        """The network, and every user's items and words."""
        self._users = Weighted.ones(data.train)
        self._n_active = int((data.train.counts() > 0).sum())
        self._device = device
        network = self.make(data, generator, device)
        self._texts = self.user_documents(data)
        return network.to(device)

    def user_documents(self, data: Interactions) -> Weighted | None:
        """Words of the data's users."""
        return self.documents(data.train)

    def batches(self, data: Interactions, generator: torch.Generator) -> Iterator[Tensor]:
        """Users with training interactions, shuffled."""
        active = torch.nonzero(data.train.counts() > 0).squeeze(1)
        yield from active[torch.randperm(active.numel(), generator=generator)].split(self.config.batch_size)

    def losses(self, batch: Tensor) -> dict[str, Tensor]:
        """Likelihoods, divergences and mutual information, weighted."""
        network = self.network
        network.steps += 1
        network.samples += len(batch)
        words = None if self._texts is None else self._texts.take(batch).to(self._device)
        return network.losses(
            self._users.take(batch).to(self._device), words, self._kl_weight(), self._text_weight, self._mi_weight
        )

    def _kl_weight(self) -> Tensor:
        c = self.config
        if c.kl_steps is not None:
            return (self.network.steps / c.kl_steps).clamp(max=c.kl_cap)
        return c.kl_cap * (self.network.samples / (c.kl_epochs * self._n_active)).clamp(max=1.0)

    @torch.no_grad()
    def finalize(self) -> None:
        """What scores are made of: the decoder's vectors and memberships."""
        self._things = self.network.rated.things()
        self._log_kinds = self.network.rated.log_memberships()

    def codes(self, items: Csr, words: Weighted | None) -> Codes:
        """Users' codes from their items ``(b, n_items)`` and words ``(b, n_words)``."""
        self.network.eval()
        with torch.no_grad():
            on_device = None if words is None else words.to(self._device)
            return self.network.codes(Weighted.ones(items).to(self._device), on_device)

    def parts(self, codes: Codes) -> Tensor:
        """What each factor adds to the probability that an item is the next, ``(b, K, n_items)``; they sum to 1."""
        with torch.no_grad():
            s = log_scores(self.network.rated.query(codes.z), self._things, self._log_kinds)
            return s.flatten(1).softmax(1).view_as(s)

    def predict(self, users: Tensor) -> Tensor:
        """Probabilities that each item is the user's next."""
        return self._by_block(users, lambda parts: parts.sum(1))

    def fold_in(self, history: Csr) -> Tensor:
        """The same for anyone, from the items they took and the words of those."""
        blocks = torch.arange(history.n_rows).split(_USERS)
        found = [history.take(rows) for rows in blocks]
        out = [self.parts(self.codes(part, self.documents(part))).sum(1) for part in found]
        return torch.cat(out) if out else self._things.new_zeros(0, history.n_cols)

    def user_codes(self, users: Tensor) -> Codes:
        """Codes of the data's users."""
        return self.codes(self._users.pattern.take(users), None if self._texts is None else self._texts.take(users))

    def state(self) -> dict[str, Tensor]:
        """The network's parameters."""
        return {f"network.{name}": value for name, value in self.network.state_dict().items()}

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Build the network for the data and take its parameters back."""
        self._users, self._device = Weighted.ones(self.data.train), torch.device("cpu")
        self.network = self.make(self.data, torch.Generator(), self._device)
        own = {n.removeprefix("network."): v for n, v in tensors.items() if n.startswith("network.")}
        self.network.load_state_dict(own)
        self._texts = self.user_documents(self.data)
        self.finalize()

    def _by_block(self, users: Tensor, of: Callable[[Tensor], Tensor]) -> Tensor:
        out = [of(self.parts(self.user_codes(block))) for block in users.split(_USERS)]
        return torch.cat(out) if users.numel() else self._things.new_zeros(0, len(self._things))


class Factored(Variational):
    """One with factors: its score is a sum over them."""

    Config: ClassVar[type[ModelConfig]] = FactorConfig
    config: FactorConfig

    def build(self, data: Interactions, generator: torch.Generator, device: torch.device) -> Network:
        """The network, at its start."""
        network = super().build(data, generator, device)
        if self.config.start == "spectral":
            seed = int(torch.randint(1 << 31, (), generator=generator))
            start_together(network, self._users, self._texts, seed)
        return network

    def half(self, n_things: int, generator: torch.Generator) -> Half:
        """A half over so many things."""
        c = self.config
        return Half(
            n_things,
            c.embedding_dim,
            c.n_intents,
            generator,
            temperature=c.temperature,
            decoder_temperature=c.decoder_temperature or c.temperature,
            std=c.std,
            dropout=c.dropout,
        )

    def intents(self) -> Intents:
        """Items' memberships c, and of each user the probability that a factor brings the next item."""
        everyone = torch.arange(self.data.n_users).split(_USERS)
        mixes = torch.cat([self.parts(self.user_codes(users)).sum(2) for users in everyone])
        return Intents.from_loadings(mixes.cpu(), self._log_kinds.exp().cpu())

    def intent_scores(self, users: Tensor, intent: int) -> Tensor:
        """The part of :meth:`predict` that a factor adds; the parts sum to it."""
        return self._by_block(users, lambda parts: parts[:, intent].clone())

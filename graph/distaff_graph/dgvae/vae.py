"""The settings, training, scores and intents of Multi-VAE, MacridVAE and DGVAE."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from distaff.model.base import Session
from distaff.model.config import Choices, ModelConfig, Span
from distaff.model.distributed import ALONE, World
from distaff.model.gradient import GradientConfig
from distaff.recommenders.base import Recommender
from distaff.recommenders.gradient import adam, train_recommender
from distaff.recommenders.intents import Intents, as_shares
from distaff_data.datasets.content import Weighted
from distaff_data.datasets.csr import Csr
from distaff_data.datasets.interactions import Interactions
from distaff_graph.dgvae.branch import Branch
from distaff_graph.dgvae.decoder import log_scores
from distaff_graph.dgvae.initialisation import start_together
from distaff_graph.dgvae.network import DGVAENetwork, FactorCodes

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
    """Settings of the models with factors.

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


@dataclass(frozen=True)
class UserRows:
    """The data's users as the network reads them.

    Attributes:
        items: The training items of each, ``(n_users, n_items)``.
        documents: The words of each, ``(n_users, n_words)``; None where words play no part.
        device: The device of :meth:`take`.
    """

    items: Weighted
    documents: Weighted | None
    device: torch.device

    def take(self, users: Tensor) -> tuple[Weighted, Weighted | None]:
        """Return the items and the words of some users, on the device."""
        documents = None if self.documents is None else self.documents.take(users).to(self.device)
        return self.items.take(users).to(self.device), documents


@dataclass(frozen=True)
class ItemTable:
    """The items as the decoder reads them.

    Attributes:
        vectors: ``(n_items, d)``.
        log_memberships: Log c, ``(n_items, K)``.
    """

    vectors: Tensor
    log_memberships: Tensor


class VariationalRecommender(Recommender):
    """A variational autoencoder of users' items; its network holds the branches that a model has.

    It is the :class:`~distaff.model.gradient.Objective` of its own training. Where the branches have factors, its score is a
    sum over them.

    Attributes:
        network: The parameters, from :meth:`build` on.
        world: The processes of the fit.
        rows: The data's users as the network reads them, from :meth:`build` on.
        table: The items as the decoder reads them, from :meth:`finalize` on.
    """

    monitor: ClassVar[str] = "recall@20"
    Config: ClassVar[type[ModelConfig]] = VariationalConfig
    config: VariationalConfig
    network: DGVAENetwork
    world: World = ALONE
    rows: UserRows
    table: ItemTable

    # ------------------------------------------------------------------------------------------ what a model implements

    @abstractmethod
    def make(self, data: Interactions, generator: torch.Generator, device: torch.device) -> DGVAENetwork:
        """Return the network, on the CPU."""

    def documents(self, history: Csr) -> Weighted | None:
        """Return the words of people who took these items; None where words play no part."""
        return None

    def user_documents(self, data: Interactions) -> Weighted | None:
        """Return the words of the data's users."""
        return self.documents(data.train)

    def term_weights(self) -> tuple[float, float]:
        """Return the weights of the words' terms and of the mutual information."""
        return 0.0, 0.0

    # -------------------------------------------------------------------------------------------------------- training

    def _fit(self, data: Interactions, session: Session) -> None:
        self.world = session.world
        self.network = self.build(data, session.generator(), session.device)
        train_recommender(self, data, session)

    def build(self, data: Interactions, generator: torch.Generator, device: torch.device) -> DGVAENetwork:
        """Return the network, and prepare every user's items and words."""
        network = self.make(data, generator, device)
        self.rows = UserRows(Weighted.ones(data.train), self.user_documents(data), device)
        return network.to(device)

    def batches(self, data: Interactions, generator: torch.Generator) -> Iterator[Tensor]:
        """Yield the users with training interactions, shuffled."""
        active = torch.nonzero(data.train.counts() > 0).squeeze(1)
        yield from active[torch.randperm(active.numel(), generator=generator)].split(self.config.batch_size)

    def losses(self, batch: Tensor) -> dict[str, Tensor]:
        """Return likelihoods, divergences and mutual information, weighted."""
        network = self.network
        network.steps += 1
        network.samples += len(batch)
        return network.losses(*self.rows.take(batch), self._kl_weight(), *self.term_weights())

    def optimizer(self) -> torch.optim.Optimizer:
        """Return Adam over all parameters."""
        return adam(self.network, self.config.lr)

    @torch.no_grad()
    def finalize(self) -> None:
        """Compute the decoder's vectors and memberships, of which scores are made."""
        branch = self.network.item_branch
        self.table = ItemTable(branch.decoded(), branch.log_memberships())

    def _kl_weight(self) -> Tensor:
        c = self.config
        if c.kl_steps is not None:
            return (self.network.steps / c.kl_steps).clamp(max=c.kl_cap)
        n_active = int((self.rows.items.pattern.counts() > 0).sum())
        return c.kl_cap * (self.network.samples / (c.kl_epochs * n_active)).clamp(max=1.0)

    # ---------------------------------------------------------------------------------------------- codes and scores

    def codes(self, items: Weighted, documents: Weighted | None) -> FactorCodes:
        """Return users' codes from their items ``(b, n_items)`` and words ``(b, n_words)``, both on the device."""
        self.network.eval()
        with torch.no_grad():
            return self.network.codes(items, documents)

    def new_codes(self, history: Csr, documents: Weighted | None) -> FactorCodes:
        """Return the codes of anyone, from the items they took and their words."""
        device = self.rows.device
        return self.codes(Weighted.ones(history).to(device), None if documents is None else documents.to(device))

    def user_codes(self, users: Tensor) -> FactorCodes:
        """Return the codes of the data's users."""
        return self.codes(*self.rows.take(users))

    def parts(self, codes: FactorCodes) -> Tensor:
        """Return each factor's part of the probability that an item is the next, ``(b, K, n_items)``; they sum to 1."""
        with torch.no_grad():
            query = self.network.item_branch.query(codes.z)
            s = log_scores(query, self.table.vectors, self.table.log_memberships)
            return s.flatten(1).softmax(1).view_as(s)

    def predict(self, users: Tensor) -> Tensor:
        """Return the probabilities that each item is the user's next."""
        return self._by_block(users, lambda parts: parts.sum(1))

    def fold_in(self, history: Csr) -> Tensor:
        """Return the same for anyone, from the items they took and the words of those."""
        blocks = [history.take(rows) for rows in torch.arange(history.n_rows).split(_USERS)]
        scores = [self.parts(self.new_codes(block, self.documents(block))).sum(1) for block in blocks]
        return torch.cat(scores) if scores else self.table.vectors.new_zeros(0, history.n_cols)

    def intents(self) -> Intents:
        """Return items' memberships c, and of each user the probability that a factor brings the next item."""
        if not self._has_factors:
            return super().intents()
        mixes = self._mixes(torch.arange(self.data.n_users))
        return Intents.from_loadings(mixes, self.table.log_memberships.exp().cpu())

    def user_mixes(self, users: Tensor) -> Tensor:
        """Return the probabilities that each factor brings a user's next item."""
        if not self._has_factors:
            return super().user_mixes(users)
        return as_shares(self._mixes(users))

    def intent_scores(self, users: Tensor, intent: int) -> Tensor:
        """Return the part of :meth:`predict` that a factor adds; the parts sum to it."""
        if not self._has_factors:
            return super().intent_scores(users, intent)
        return self._by_block(users, lambda parts: parts[:, intent].clone())

    def all_intent_scores(self, users: Tensor) -> Tensor:
        """Return the parts of all factors."""
        if not self._has_factors:
            return super().all_intent_scores(users)
        return torch.cat([self.parts(self.user_codes(block)) for block in users.split(_USERS)])

    @property
    def _has_factors(self) -> bool:
        return self.network.item_branch.prototypes is not None

    def _mixes(self, users: Tensor) -> Tensor:
        """Return the probabilities ``(b, K)`` as they come, which sum to 1 but for rounding."""
        return torch.cat([self.parts(self.user_codes(block)).sum(2) for block in users.split(_USERS)]).cpu()

    def _by_block(self, users: Tensor, reduce: Callable[[Tensor], Tensor]) -> Tensor:
        scores = [reduce(self.parts(self.user_codes(block))) for block in users.split(_USERS)]
        return torch.cat(scores) if users.numel() else self.table.vectors.new_zeros(0, len(self.table.vectors))

    # ---------------------------------------------------------------------------------------------------------- saving

    def numbers_per_user(self) -> int:
        """Return d, of each factor where there are factors."""
        return self.config.embedding_dim * getattr(self.config, "n_intents", 1)

    def state(self) -> dict[str, Tensor]:
        """Return the network's parameters."""
        return {f"network.{name}": value for name, value in self.network.state_dict().items()}

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Build the network for the data and restore its parameters."""
        # By name of the class: a subclass' build learns from the data what was saved with the parameters.
        self.network = VariationalRecommender.build(self, self.data, torch.Generator(), torch.device("cpu"))
        saved = {n.removeprefix("network."): v for n, v in tensors.items() if n.startswith("network.")}
        self.network.load_state_dict(saved)
        self.finalize()


def factor_branch(config: FactorConfig, n_columns: int, generator: torch.Generator) -> Branch:
    """Return a branch with factors over so many items or words."""
    return Branch(
        n_columns,
        config.embedding_dim,
        config.n_intents,
        generator,
        temperature=config.temperature,
        decoder_temperature=config.decoder_temperature or config.temperature,
        std=config.std,
        dropout=config.dropout,
    )


def initialise(config: FactorConfig, network: DGVAENetwork, rows: UserRows, generator: torch.Generator) -> None:
    """Let the network begin where its settings say."""
    if config.start == "spectral":
        start_together(network, rows.items, rows.documents, int(torch.randint(1 << 31, (), generator=generator)))

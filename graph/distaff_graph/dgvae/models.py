"""The three models: Multi-VAE, MacridVAE and DGVAE."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, ClassVar, Literal

import pyarrow as pa
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from distaff.model.config import Choices, ModelConfig, Span
from distaff.recommenders.base import Unlearned
from distaff_data.datasets.content import MAX_DF, MIN_DF, Content, Lexicon, Weighted
from distaff_data.datasets.csr import Csr
from distaff_data.datasets.interactions import Interactions
from distaff_data.errors import InputError
from distaff_data.tables.interactions import has_content
from distaff_data.warehouse import Warehouse
from distaff_graph.dgvae.branch import Branch, ItemGraph
from distaff_graph.dgvae.item_graph import mix, nearest, nearest_documents
from distaff_graph.dgvae.network import DGVAENetwork
from distaff_graph.dgvae.vae import (
    FactorConfig,
    ItemTable,
    VariationalConfig,
    VariationalRecommender,
    factor_branch,
    initialise,
)
from distaff_graph.dgvae.words import FactorWords

_TEXT, _WORDS = "text", "words"


class MultiVAEConfig(VariationalConfig):
    """Settings of Multi-VAE; defaults from its paper.

    Attributes:
        n_hidden: Width of the tanh layer on either side of the code.
    """

    embedding_dim: Annotated[int, Field(ge=1), Choices(64, 128, 200)] = 200
    n_hidden: Annotated[int, Field(ge=1), Choices(200, 600)] = 600


class MultiVAE(VariationalRecommender):
    """Multi-VAE (Liang et al., WWW 2018): one Gaussian code a user, a multinomial over items.

    The code of MacridVAE without factors, prototypes and unit lengths, with the tanh layers of its own paper. New users'
    scores follow from their items.
    """

    name: ClassVar[str] = "multivae"
    control: ClassVar[bool] = True
    Config: ClassVar[type[ModelConfig]] = MultiVAEConfig
    config: MultiVAEConfig

    def make(self, data: Interactions, generator: torch.Generator, device: torch.device) -> DGVAENetwork:
        """Return a network of one branch without factors."""
        c = self.config
        return DGVAENetwork(
            Branch(
                data.n_items,
                c.embedding_dim,
                1,
                generator,
                temperature=1.0,
                decoder_temperature=1.0,
                std=1.0,
                dropout=c.dropout,
                n_hidden=c.n_hidden,
                spherical=False,
            )
        )


class MacridVAE(VariationalRecommender):
    """MacridVAE (Ma et al., NeurIPS 2019), as DGVAE builds on it: users' items divided among K factors, a code for each.

    Item i belongs to factor k by softmax_k(v_i . p_k / temperature), and p_i is the sum over factors of membership times
    exp(z_k . v_i / temperature). The encoder is one linear layer, as in DGVAE's code; there is no item graph and no text.
    """

    name: ClassVar[str] = "macridvae"
    Config: ClassVar[type[ModelConfig]] = FactorConfig
    config: FactorConfig

    def make(self, data: Interactions, generator: torch.Generator, device: torch.device) -> DGVAENetwork:
        """Return a network of one branch with factors."""
        return DGVAENetwork(factor_branch(self.config, data.n_items, generator))

    def build(self, data: Interactions, generator: torch.Generator, device: torch.device) -> DGVAENetwork:
        """Return the network, at its start."""
        network = super().build(data, generator, device)
        initialise(self.config, network, self.rows, generator)
        return network


class DGVAEConfig(FactorConfig):
    """Settings of DGVAE; defaults of the authors' run on Baby, but for the start.

    Attributes:
        text_weight: lambda_text, of the words' likelihood and divergence.
        mi_weight: lambda_reg, of the mutual information.
        n_neighbours: k of the item graph, the item itself included.
        text_share: Share of the text modality in the item graph; the others divide the rest equally.
        item_graph: Spread a user's items over the graph before they are encoded.
        start: As above; ``spectral`` here, so that a factor has words and items that belong together. ``random`` takes
            more epochs for lists that are as good or a little better, and its factors matter nearly equally to everybody.
        min_df: Least number of people whose items have a word.
        max_df: Largest share of people whose items have it.
    """

    text_weight: Annotated[float, Field(ge=0), Span(0.02, 2, log=True)] = 0.2
    mi_weight: Annotated[float, Field(ge=0), Span(0.02, 2, log=True)] = 0.4
    n_neighbours: Annotated[int, Field(ge=1), Choices(5, 10, 20)] = 10
    text_share: Annotated[float, Field(ge=0, le=1), Span(0, 1)] = 0.96
    item_graph: bool = True
    start: Literal["random", "spectral"] = "spectral"
    min_df: Annotated[int, Field(ge=1)] = MIN_DF
    max_df: Annotated[float, Field(gt=0, le=1)] = MAX_DF


class DGVAE(VariationalRecommender):
    """DGVAE (Zhou and Miao, TMM 2024): a branch over items and one over words that read each other, factor by factor.

    Items have words, feature vectors or both (``distaff ingest items``). The item graph joins each item to its nearest
    neighbours in every modality; where there are no text features, the items' words by tf-idf are the text modality. Each
    branch gives codes z_k, and z_k = C|T_k + T|C_k, where C|T is read from the ratings by the words and T|C the other way
    round. Both decoders read that sum, so that a factor has items and words.

    Departures from the authors' code, none of which changes an equation: no identity graph over words and no dense graph
    over items; the decoder in logarithms; the weight of the divergence grows by epochs (``kl_steps`` is their schedule);
    words of different fields are never joined; vectors and prototypes start at a co-clustering of the training data
    (``start="random"`` is theirs), without which a factor's words and items have little to do with each other. An item
    nobody took in training has the mean vector of its neighbours in the graph instead of an untrained one. New people's
    scores follow from their items and the words of those, or from words alone.

    Raises:
        InputError: The dataset has no words.
    """

    name: ClassVar[str] = "dgvae"
    ablations: ClassVar[tuple[str, ...]] = ("macridvae_graph",)
    Config: ClassVar[type[ModelConfig]] = DGVAEConfig
    config: DGVAEConfig
    lexicon: Lexicon
    _given: Weighted | None  # documents that came with the data
    _neighbours: Weighted | None
    _words: FactorWords

    @classmethod
    def suits(cls, warehouse: Warehouse, dataset: str) -> bool:
        """Return whether the items have words or features."""
        return has_content(warehouse, dataset)

    def build(self, data: Interactions, generator: torch.Generator, device: torch.device) -> DGVAENetwork:
        """Return the network at its start, over the words and the item graph of the content."""
        c = self.config
        if data.read_content is None:
            raise InputError(
                f"dataset {data.name!r} has no words; load items' text with: distaff ingest items {data.name} FILE..., "
                "or train macridvae, which needs none"
            )
        content = data.read_content()
        self.lexicon = Lexicon.build(content, data.train, min_df=c.min_df, max_df=c.max_df)
        self._given = content.user_words
        self._neighbours = item_graph(content, self.lexicon, c.n_neighbours, c.text_share)
        network = super().build(data, generator, device)
        initialise(c, network, self.rows, generator)
        return network

    def make(self, data: Interactions, generator: torch.Generator, device: torch.device) -> DGVAENetwork:
        """Return a network of both branches, and the graph."""
        item_branch = factor_branch(self.config, data.n_items, generator)
        word_branch = factor_branch(self.config, len(self.lexicon.words), generator)
        graph = self._neighbours if self.config.item_graph else None
        return DGVAENetwork(item_branch, word_branch, None if graph is None else ItemGraph.build(graph, device))

    def term_weights(self) -> tuple[float, float]:
        """Return the weights of the words' terms and of the mutual information."""
        return self.config.text_weight, self.config.mi_weight

    @property
    def words(self) -> FactorWords:
        """The words that the factors speak in."""
        return self._words

    def documents(self, history: Csr) -> Weighted:
        """Return the words of the items that people took."""
        return self.lexicon.documents(history)

    def user_documents(self, data: Interactions) -> Weighted:
        """Return the documents given with the data, or those of training items."""
        return self.documents(data.train) if self._given is None else self._given

    def unlearn(self, users: Tensor, seed: int) -> Unlearned:
        """Take users out, also of the words that were given with the data."""
        if self._given is not None:
            remaining = torch.ones(self.data.n_users, dtype=torch.bool)
            remaining[users] = False
            self._given = self._given.take(remaining.nonzero().squeeze(1))
        return super().unlearn(users, seed)

    @torch.no_grad()
    def finalize(self) -> None:
        """Compute vectors and memberships; those of items without training interactions from their neighbours."""
        super().finalize()
        assert self.rows.documents is not None
        self._words = FactorWords(self, self.lexicon, self.rows.documents)
        taken = self.rows.items.pattern
        cold = torch.bincount(taken.indices, minlength=taken.n_cols) == 0
        if self._neighbours is not None and bool(cold.any()):
            self.table = _with_cold(self.table, self.network.item_branch, self._neighbours, cold)

    def score_words(
        self,
        people: Mapping[str, Iterable[str] | Mapping[str, float]],
        *,
        histories: Mapping[str, Iterable[object]] | None = None,
        top_k: int = 20,
    ) -> pa.Table:
        """Return top-k lists for people the model was not trained on, by words they chose and, where given, items they took.

        Args:
            people: Words by person, with how often each counts where it is a mapping.
            histories: Items by person; unknown items are ignored, known ones are not listed.
            top_k: List length.

        Returns:
            Arrow table ``user_id, rank, item_id, score``.

        Raises:
            InputError: A word that the model does not know, or a person without words.
        """
        return self.words.recommend(people, histories or {}, top_k)

    def state(self) -> dict[str, Tensor]:
        """Return the parameters, the words, and the item graph."""
        text = torch.frombuffer(bytearray("\n".join(self.lexicon.words.to_pylist()).encode()), dtype=torch.uint8)
        out = {**super().state(), "words": text, "idf": self.lexicon.idf}
        for name, matrix in (
            ("item_words", self.lexicon.item_words),
            ("user_words", self._given),
            ("item_graph", self._neighbours),
        ):
            out |= {} if matrix is None else pack(name, matrix)
        return out

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore the words and the item graph, then the parameters."""
        words = pa.array(bytes(tensors["words"].numpy()).decode().split("\n"), pa.string())
        n_items, n_words = self.data.n_items, len(words)
        self.lexicon = Lexicon(words, tensors["idf"], unpack(tensors, "item_words", n_words))
        self._given = unpack(tensors, "user_words", n_words)
        self._neighbours = unpack(tensors, "item_graph", n_items)
        super().load_state(tensors)


def item_graph(content: Content, lexicon: Lexicon, k: int, text_share: float) -> Weighted | None:
    """Return the frozen graph of items; None where items have neither features nor words."""
    neighbours = {name: nearest(vectors, k) for name, vectors in content.features.items()}
    if _TEXT not in neighbours and lexicon.item_words is not None:
        neighbours[_WORDS] = nearest_documents(lexicon.items(), k)
    if not neighbours:
        return None
    text = _TEXT if _TEXT in neighbours else _WORDS
    others = max(len(neighbours) - (text in neighbours), 1)
    share = text_share if text in neighbours and len(neighbours) > 1 else 1.0 * (text in neighbours)
    return mix(neighbours, {name: share if name == text else (1.0 - share) / others for name in neighbours})


def _with_cold(table: ItemTable, branch: Branch, neighbours: Weighted, cold: Tensor) -> ItemTable:
    """Return the table with the mean vectors of their neighbours for cold items, bool ``(n_items,)``, that have any."""
    graph = neighbours.scipy()[cold.numpy()]
    graph.data[cold.numpy()[graph.indices]] = 0
    means = torch.from_numpy(graph @ table.vectors.cpu().numpy()).to(table.vectors)
    has_neighbours = means.any(1)
    rows = torch.nonzero(cold).squeeze(1).to(means.device)[has_neighbours]
    vectors = table.vectors.index_copy(0, rows, F.normalize(means[has_neighbours]))
    assert branch.prototypes is not None
    logits = vectors[rows] @ F.normalize(branch.prototypes).T / branch.temperature
    return ItemTable(vectors, table.log_memberships.index_copy(0, rows, logits.log_softmax(1)))


def pack(name: str, matrix: Weighted) -> dict[str, Tensor]:
    """Return a matrix as tensors of a model's state, their names behind its own."""
    arrays = {"indptr": matrix.pattern.indptr, "indices": matrix.pattern.indices, "values": matrix.values}
    return {f"{name}.{array}": value for array, value in arrays.items()}


def unpack(tensors: Mapping[str, Tensor], name: str, n_cols: int) -> Weighted | None:
    """Return the matrix that :func:`pack` wrote; None where there was none."""
    if f"{name}.values" not in tensors:
        return None
    indptr, indices, values = (tensors[f"{name}.{array}"] for array in ("indptr", "indices", "values"))
    return Weighted(Csr(indptr, indices, n_cols), values)

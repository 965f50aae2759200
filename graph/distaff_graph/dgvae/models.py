"""The three models: Multi-VAE, MacridVAE and DGVAE."""

from __future__ import annotations

from collections.abc import Mapping
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
from distaff_graph.dgvae.branch import Half, ItemGraph
from distaff_graph.dgvae.item_graph import mix, nearest, nearest_documents
from distaff_graph.dgvae.network import Network
from distaff_graph.dgvae.vae import FactorConfig, Factored, Variational, VariationalConfig
from distaff_graph.dgvae.words import Speaking

_TEXT, _WORDS = "text", "words"


class MultiVAEConfig(VariationalConfig):
    """Settings of Multi-VAE; defaults from its paper.

    Attributes:
        n_hidden: Width of the tanh layer on either side of the code.
    """

    embedding_dim: Annotated[int, Field(ge=1), Choices(64, 128, 200)] = 200
    n_hidden: Annotated[int, Field(ge=1), Choices(200, 600)] = 600


class MultiVAE(Variational):
    """Multi-VAE (Liang et al., WWW 2018): one Gaussian code a user, a multinomial over items.

    The code of MacridVAE without factors, prototypes and unit lengths, with the tanh layers of its own paper. New users'
    scores follow from their items.
    """

    name: ClassVar[str] = "multivae"
    control: ClassVar[bool] = True
    Config: ClassVar[type[ModelConfig]] = MultiVAEConfig
    config: MultiVAEConfig

    def make(self, data: Interactions, generator: torch.Generator, device: torch.device) -> Network:
        """One half without factors."""
        c = self.config
        return Network(
            Half(
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


class MacridVAE(Factored):
    """MacridVAE (Ma et al., NeurIPS 2019), as DGVAE builds on it: users' items divided among K factors, a code for each.

    Item i belongs to factor k by softmax_k(v_i . p_k / temperature), and p_i is the sum over factors of membership times
    exp(z_k . v_i / temperature). The encoder is one linear layer, as in DGVAE's code; there is no item graph and no text.
    """

    name: ClassVar[str] = "macridvae"
    Config: ClassVar[type[ModelConfig]] = FactorConfig
    config: FactorConfig

    def make(self, data: Interactions, generator: torch.Generator, device: torch.device) -> Network:
        """One half with factors."""
        return Network(self.half(data.n_items, generator))


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


class DGVAE(Speaking):
    """DGVAE (Zhou and Miao, TMM 2024): a half over items and one over words that read each other, factor by factor.

    Items have words, feature vectors or both (``distaff ingest items``). The item graph joins each item to its nearest
    neighbours in every modality; where there are no text features, the items' words by tf-idf are the text modality. Each
    half gives codes z_k; z_k = C|T_k + T|C_k is what words read of ratings and ratings of words, and both decoders read
    it, so that a factor has items and words.

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
    Config: ClassVar[type[ModelConfig]] = DGVAEConfig
    config: DGVAEConfig

    def build(self, data: Interactions, generator: torch.Generator, device: torch.device) -> Network:
        """Words and item graph from the content, then the network."""
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
        return super().build(data, generator, device)

    def make(self, data: Interactions, generator: torch.Generator, device: torch.device) -> Network:
        """Both halves, and the graph."""
        rated = self.half(data.n_items, generator)
        written = self.half(len(self.lexicon.words), generator)
        graph = self._neighbours if self.config.item_graph else None
        return Network(rated, written, None if graph is None else ItemGraph.build(graph, device))

    @property
    def _text_weight(self) -> float:  # type: ignore[override]
        return self.config.text_weight

    @property
    def _mi_weight(self) -> float:  # type: ignore[override]
        return self.config.mi_weight

    def documents(self, history: Csr) -> Weighted:
        """The words of what people took."""
        return self.lexicon.documents(history)

    def user_documents(self, data: Interactions) -> Weighted:
        """Given with the data, or made of training items."""
        return self.documents(data.train) if self._given is None else self._given

    def unlearn(self, users: Tensor, seed: int) -> Unlearned:
        """The words that were given with the data have a row for each user too."""
        if self._given is not None:
            kept = torch.ones(self.data.n_users, dtype=torch.bool)
            kept[users] = False
            self._given = self._given.take(kept.nonzero().squeeze(1))
        return super().unlearn(users, seed)

    @torch.no_grad()
    def finalize(self) -> None:
        """Vectors and memberships; those of items without training interactions from their neighbours in the graph."""
        super().finalize()
        rated = self.network.rated
        cold = torch.bincount(self._users.pattern.indices, minlength=len(self._things)) == 0
        if self._neighbours is None or not bool(cold.any()):
            return
        graph = self._neighbours.scipy()[cold.numpy()]
        graph.data[cold.numpy()[graph.indices]] = 0
        found = torch.from_numpy(graph @ self._things.cpu().numpy()).to(self._things)
        where = torch.nonzero(cold).squeeze(1).to(found.device)[found.any(1)]
        self._things = self._things.index_copy(0, where, F.normalize(found[found.any(1)]))
        assert rated.prototypes is not None
        kinds = self._things[where] @ F.normalize(rated.prototypes).T / rated.temperature
        self._log_kinds = self._log_kinds.index_copy(0, where, kinds.log_softmax(1))

    def state(self) -> dict[str, Tensor]:
        """The parameters, the words, and the item graph."""
        text = torch.frombuffer(bytearray("\n".join(self.lexicon.words.to_pylist()).encode()), dtype=torch.uint8)
        out = {**super().state(), "words": text, "idf": self.lexicon.idf}
        for name, matrix in (
            ("item_words", self.lexicon.item_words),
            ("user_words", self._given),
            ("item_graph", self._neighbours),
        ):
            out |= {} if matrix is None else _pack(name, matrix)
        return out

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Take them back."""
        words = pa.array(bytes(tensors["words"].numpy()).decode().split("\n"), pa.string())
        n_items, n_words = self.data.n_items, len(words)
        self.lexicon = Lexicon(words, tensors["idf"], _unpack(tensors, "item_words", n_words))
        self._given = _unpack(tensors, "user_words", n_words)
        self._neighbours = _unpack(tensors, "item_graph", n_items)
        super().load_state(tensors)


def item_graph(content: Content, lexicon: Lexicon, k: int, text_share: float) -> Weighted | None:
    """The frozen graph of items; None where items have neither features nor words of their own."""
    found = {name: nearest(vectors, k) for name, vectors in content.features.items()}
    if _TEXT not in found and lexicon.item_words is not None:
        found[_WORDS] = nearest_documents(lexicon.items(), k)
    if not found:
        return None
    text = _TEXT if _TEXT in found else _WORDS
    others = max(len(found) - (text in found), 1)
    share = text_share if text in found and len(found) > 1 else 1.0 * (text in found)
    return mix(found, {name: share if name == text else (1.0 - share) / others for name in found})


def _pack(name: str, matrix: Weighted) -> dict[str, Tensor]:
    parts = {"indptr": matrix.pattern.indptr, "indices": matrix.pattern.indices, "values": matrix.values}
    return {f"{name}.{part}": value for part, value in parts.items()}


def _unpack(tensors: Mapping[str, Tensor], name: str, n_cols: int) -> Weighted | None:
    if f"{name}.values" not in tensors:
        return None
    indptr, indices, values = (tensors[f"{name}.{part}"] for part in ("indptr", "indices", "values"))
    return Weighted(Csr(indptr, indices, n_cols), values)

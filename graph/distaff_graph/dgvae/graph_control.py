"""DGVAE without its words, and the graph of items alone left: the control that tells which of the two brings what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from distaff.model.config import Choices, ModelConfig, Span
from distaff_data.datasets.content import MAX_DF, MIN_DF, Lexicon, Weighted
from distaff_data.datasets.interactions import Interactions
from distaff_data.errors import InputError
from distaff_data.tables.interactions import has_content
from distaff_data.warehouse import Warehouse
from distaff_graph.dgvae.branch import ItemGraph
from distaff_graph.dgvae.models import MacridVAE, item_graph, pack, unpack
from distaff_graph.dgvae.network import DGVAENetwork
from distaff_graph.dgvae.vae import FactorConfig, factor_branch

_GRAPH = "item_graph"


class GraphMacridVAEConfig(FactorConfig):
    """Settings of MacridVAE over DGVAE's graph of items.

    Attributes:
        n_neighbours: k of the item graph, the item itself included.
        text_share: Share of the text modality in the item graph; the others divide the rest equally.
        min_df: Least number of people whose items have a word.
        max_df: Largest share of people whose items have it.
    """

    n_neighbours: Annotated[int, Field(ge=1), Choices(5, 10, 20)] = 10
    text_share: Annotated[float, Field(ge=0, le=1), Span(0, 1)] = 0.96
    min_df: Annotated[int, Field(ge=1)] = MIN_DF
    max_df: Annotated[float, Field(gt=0, le=1)] = MAX_DF


class GraphMacridVAE(MacridVAE):
    """MacridVAE whose users' items spread over DGVAE's graph of items before they are encoded.

    DGVAE differs from MacridVAE in two things at once: it has words, and a graph of items that is made of their words and
    features. Beside this model what is left of its lead is the words'.

    Raises:
        InputError: The items have neither words nor features.
    """

    name: ClassVar[str] = "macridvae_graph"
    control: ClassVar[bool] = True
    Config: ClassVar[type[ModelConfig]] = GraphMacridVAEConfig
    config: GraphMacridVAEConfig
    _neighbours: Weighted

    @classmethod
    def suits(cls, warehouse: Warehouse, dataset: str) -> bool:
        """Return whether the items have words or features."""
        return has_content(warehouse, dataset)

    def build(self, data: Interactions, generator: torch.Generator, device: torch.device) -> DGVAENetwork:
        """Return the network at its start, over the graph of the items' content."""
        c = self.config
        content = None if data.read_content is None else data.read_content()
        lexicon = None if content is None else Lexicon.build(content, data.train, min_df=c.min_df, max_df=c.max_df)
        graph = (
            None if content is None or lexicon is None else item_graph(content, lexicon, c.n_neighbours, c.text_share)
        )
        if graph is None:
            raise InputError(
                f"the items of dataset {data.name!r} have no words and no features to make a graph of; load them with: "
                f"distaff ingest items {data.name} FILE..., or train macridvae, which needs none"
            )
        self._neighbours = graph
        return super().build(data, generator, device)

    def make(self, data: Interactions, generator: torch.Generator, device: torch.device) -> DGVAENetwork:
        """Return a network of one branch with factors, and the graph."""
        graph = ItemGraph.build(self._neighbours, device)
        return DGVAENetwork(factor_branch(self.config, data.n_items, generator), None, graph)

    def state(self) -> dict[str, Tensor]:
        """Return the parameters and the item graph."""
        return {**super().state(), **pack(_GRAPH, self._neighbours)}

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore the item graph, then the parameters."""
        graph = unpack(tensors, _GRAPH, self.data.n_items)
        assert graph is not None
        self._neighbours = graph
        super().load_state(tensors)

"""GraphSAGE, GAT, GIN, LightGCN and the graph VAE as controls, in the library's own code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, cast

from pydantic import Field
from torch import Tensor, nn

from distaff.model.config import Choices, ModelConfig, Span
from distaff_graph.encoders.model import Drawn, EncoderConfig, EncoderRecommender

if TYPE_CHECKING:
    from distaff_graph.encoders.networks import GraphAutoencoder


class GraphSAGE(EncoderRecommender):
    """GraphSAGE (Hamilton, Ying and Leskovec, NeurIPS 2017): a node's own row and the mean of its neighbours', mapped.

    Over all neighbours, not a sample of them, and from a learned table instead of features.
    """

    name: ClassVar[str] = "graphsage"
    control: ClassVar[bool] = True

    def make_encoder(self, n_numbers: int) -> nn.Module:
        """Return the library's GraphSAGE."""
        return _named("GraphSAGE", n_numbers, self.config)


class GATConfig(EncoderConfig):
    """Settings of GAT.

    Attributes:
        heads: Attentions a layer; the embedding is divided among them.
    """

    heads: Annotated[int, Field(ge=1), Choices(1, 2, 4)] = 4


class GAT(EncoderRecommender):
    """GAT (Veličković et al., ICLR 2018): neighbours' rows weighted by a learned attention, several at once.

    From a learned table instead of features; heads that do not divide the embedding are as many as do.
    """

    name: ClassVar[str] = "gat"
    control: ClassVar[bool] = True
    Config: ClassVar[type[ModelConfig]] = GATConfig
    config: GATConfig

    def make_encoder(self, n_numbers: int) -> nn.Module:
        """Return the library's GAT."""
        heads = next(h for h in range(self.config.heads, 0, -1) if self.config.embedding_dim % h == 0)
        return _named("GAT", n_numbers, self.config, heads=heads)


class GIN(EncoderRecommender):
    """GIN (Xu et al., ICLR 2019): a node's own row and the sum of its neighbours', through a perceptron of two layers.

    From a learned table instead of features. Sums grow with a node's degree, and so do the vectors.
    """

    name: ClassVar[str] = "gin"
    control: ClassVar[bool] = True

    def make_encoder(self, n_numbers: int) -> nn.Module:
        """Return the library's GIN."""
        return _named("GIN", n_numbers, self.config)


class LightGCNPyG(EncoderRecommender):
    """LightGCN (He et al., SIGIR 2020) of the library's own convolutions: what our ``lightgcn`` is checked against.

    The mean of a table and its neighbours' of every order; nothing else is learned. ``dropout`` plays no part.
    """

    name: ClassVar[str] = "lightgcn_pyg"
    control: ClassVar[bool] = True

    def make_encoder(self, n_numbers: int) -> nn.Module:
        """Return the library's convolutions, and the mean of their layers."""
        from distaff_graph.encoders.networks import LightConvolutions

        return LightConvolutions(self.config.n_layers)


class VGAEConfig(EncoderConfig):
    """Settings of VGAE.

    Attributes:
        loss: As above; ``edges`` is the paper's.
        reg: As above; the paper has none.
        kl_weight: Weight of the divergence from the prior, a mean over nodes; the paper's is 1 over their number.
    """

    loss: Literal["bpr", "softmax", "edges", "infonce"] = "edges"
    reg: Annotated[float, Field(ge=0)] = 0.0

    kl_weight: Annotated[float, Field(ge=0), Span(1e-5, 1e-1, log=True)] = 1e-3


class VGAE(EncoderRecommender):
    """VGAE (Kipf and Welling, 2016): a Gaussian code a node, and an edge as likely as the sigmoid of an inner product.

    The graph VAE, beside DGVAE, which is one of another kind: no factors, no words, and a code for each node. An
    interaction stands against ``n_negatives`` pairs that are none. From a learned table, where the paper has features or the
    identity.
    """

    name: ClassVar[str] = "vgae"
    control: ClassVar[bool] = True
    Config: ClassVar[type[ModelConfig]] = VGAEConfig
    config: VGAEConfig

    def make_encoder(self, n_numbers: int) -> nn.Module:
        """Return the library's VGAE over graph convolutions."""
        from distaff_graph.encoders.networks import GraphAutoencoder, VariationalEncoder

        return GraphAutoencoder(VariationalEncoder(n_numbers, self.config.n_layers, self.config.dropout))

    def losses(self, batch: Drawn) -> dict[str, Tensor]:
        """Return the loss of the interactions, the squared norm and the divergence."""
        losses, encoder = super().losses(batch), cast("GraphAutoencoder", self.network.encoder)
        return {**losses, "kl": self.config.kl_weight * encoder.divergence()}


def _named(name: str, n_numbers: int, c: EncoderConfig, **more: Any) -> nn.Module:
    from distaff_graph.encoders.networks import named_encoder

    return named_encoder(name, n_numbers, c.embedding_dim, c.n_layers, c.dropout, **more)

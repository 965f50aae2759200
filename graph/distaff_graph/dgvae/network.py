"""Both halves and what joins them, as one module: users' codes, and the parts of the objective."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from distaff_data.datasets.content import Weighted
from distaff_graph.dgvae.branch import Half, ItemGraph
from distaff_graph.dgvae.coupling import mutual_information, read
from distaff_graph.dgvae.decoder import mixture_loss


@dataclass(frozen=True)
class Codes:
    """Users' codes ``(b, K, d)``.

    Attributes:
        z: What the decoders read; the sum of the next two where there are two halves.
        rated: Its part that is made of ratings, C|T; z itself where there is one half.
        written: Its part that is made of words, T|C; None where there is one half.
    """

    z: Tensor
    rated: Tensor
    written: Tensor | None


class Network(nn.Module):
    """The parameters.

    Args:
        rated: The half over items.
        written: The half over words, or None.
        graph: The frozen graph of items, or None.
    """

    def __init__(self, rated: Half, written: Half | None = None, graph: ItemGraph | None = None) -> None:
        super().__init__()
        self.rated, self.written, self.graph = rated, written, graph
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.register_buffer("samples", torch.zeros((), dtype=torch.int64))
        self.steps: Tensor
        self.samples: Tensor

    def codes(self, items: Weighted, words: Weighted | None) -> Codes:
        """Users' codes in evaluation, from their items and words."""
        rated, _ = self.rated.encode(items, self.rated.log_memberships(), self.graph)
        if self.written is None or words is None:
            return Codes(rated, rated, None)
        written, _ = self.written.encode(words, self.written.log_memberships())
        return join(rated, written)

    def losses(
        self, items: Weighted, words: Weighted | None, kl_weight: Tensor, text_weight: float, mi_weight: float
    ) -> dict[str, Tensor]:
        """The parts of the objective on a batch of users; memberships and codes are sampled.

        Args:
            items: What the users took, ``(b, n_items)``.
            words: Their documents, ``(b, n_words)``.
            kl_weight: Of both divergences.
            text_weight: Of the words' likelihood and divergence.
            mi_weight: Of the mutual information.
        """
        kinds = self.rated.log_memberships(sample=True)
        mean, log_variance = self.rated.encode(items, kinds, self.graph)
        z = self.rated.code(mean, log_variance)
        out = {"kl": kl_weight * self.rated.divergence(mean, log_variance)}
        if self.written is not None and words is not None:
            word_kinds = self.written.log_memberships(sample=True)
            mean, log_variance = self.written.encode(words, word_kinds)
            codes = join(z, self.written.code(mean, log_variance))
            z = codes.z
            assert codes.written is not None
            likelihood = mixture_loss(self.written.query(z), self.written.things(), word_kinds, words)
            out["text"] = text_weight * likelihood
            out["text_kl"] = text_weight * kl_weight * self.written.divergence(mean, log_variance)
            out["mi"] = mi_weight * mutual_information(codes.rated, codes.written)
        out["rating"] = mixture_loss(self.rated.query(z), self.rated.things(), kinds, items)
        return out


def join(rated: Tensor, written: Tensor) -> Codes:
    """Each half read by the other: z = C|T + T|C."""
    of_words, of_ratings = read(rated, written) @ written, read(written, rated) @ rated
    return Codes(of_words + of_ratings, of_ratings, of_words)

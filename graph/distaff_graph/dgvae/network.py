"""The branches and their coupling as one module: users' codes, and the terms of the objective."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from distaff_data.datasets.content import Weighted
from distaff_graph.dgvae.branch import Branch, ItemGraph
from distaff_graph.dgvae.coupling import attention, mutual_information_bound
from distaff_graph.dgvae.decoder import mixture_loss

_BRANCHES_0_1 = {"rated": "item_branch", "written": "word_branch"}  # names up to 0.1, in saved models and checkpoints


@dataclass(frozen=True)
class FactorCodes:
    """Users' codes ``(b, K, d)``.

    Attributes:
        z: The codes that the decoders read; the sum of the next two where there are two branches.
        interactions: The part of z that comes from interactions, C|T; z itself where there is one branch.
        text: The part of z that comes from words, T|C; None where there is one branch.
    """

    z: Tensor
    interactions: Tensor
    text: Tensor | None


class DGVAENetwork(nn.Module):
    """The parameters.

    Args:
        item_branch: The branch over items.
        word_branch: The branch over words, or None.
        graph: The frozen graph of items, or None.
    """

    def __init__(self, item_branch: Branch, word_branch: Branch | None = None, graph: ItemGraph | None = None) -> None:
        super().__init__()
        self.item_branch, self.word_branch, self.graph = item_branch, word_branch, graph
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.register_buffer("samples", torch.zeros((), dtype=torch.int64))
        self.steps: Tensor
        self.samples: Tensor

    def codes(self, items: Weighted, words: Weighted | None) -> FactorCodes:
        """Return users' codes in evaluation, from their items and words."""
        interactions, _ = self.item_branch.encode(items, self.item_branch.log_memberships(), self.graph)
        if self.word_branch is None or words is None:
            return FactorCodes(interactions, interactions, None)
        text, _ = self.word_branch.encode(words, self.word_branch.log_memberships())
        return join(interactions, text)

    def losses(
        self, items: Weighted, words: Weighted | None, kl_weight: Tensor, text_weight: float, mi_weight: float
    ) -> dict[str, Tensor]:
        """Return the terms of the objective on a batch of users; memberships and codes are sampled.

        Args:
            items: The items that the users took, ``(b, n_items)``.
            words: Their documents, ``(b, n_words)``.
            kl_weight: Weight of both divergences.
            text_weight: Weight of the words' likelihood and divergence.
            mi_weight: Weight of the mutual information.
        """
        memberships = self.item_branch.log_memberships(sample=True)
        mean, log_variance = self.item_branch.encode(items, memberships, self.graph)
        z = self.item_branch.code(mean, log_variance)
        out = {"kl": kl_weight * self.item_branch.divergence(mean, log_variance)}
        if self.word_branch is not None and words is not None:
            word_memberships = self.word_branch.log_memberships(sample=True)
            mean, log_variance = self.word_branch.encode(words, word_memberships)
            codes = join(z, self.word_branch.code(mean, log_variance))
            z = codes.z
            assert codes.text is not None
            likelihood = mixture_loss(self.word_branch.query(z), self.word_branch.decoded(), word_memberships, words)
            out["text"] = text_weight * likelihood
            out["text_kl"] = text_weight * kl_weight * self.word_branch.divergence(mean, log_variance)
            out["mi"] = mi_weight * mutual_information_bound(codes.interactions, codes.text)
        out["rating"] = mixture_loss(self.item_branch.query(z), self.item_branch.decoded(), memberships, items)
        return out

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Restore parameters, also those saved by 0.1, whose branches had other names."""
        return super().load_state_dict({_current(name): value for name, value in state_dict.items()}, strict, assign)


def join(interactions: Tensor, text: Tensor) -> FactorCodes:
    """Return the codes of two branches that read each other: z = C|T + T|C."""
    from_words = attention(interactions, text) @ text
    from_items = attention(text, interactions) @ interactions
    return FactorCodes(from_words + from_items, from_items, from_words)


def _current(name: str) -> str:
    """Return the name that a parameter has today."""
    branch, _, parameter = name.partition(".")
    return f"{_BRANCHES_0_1[branch]}.{parameter}" if branch in _BRANCHES_0_1 else name

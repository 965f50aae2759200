"""DGVAE's words: of factors, of users, behind a recommendation, and as handles to steer by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import torch
import torch.nn.functional as F
from scipy.sparse import csr_matrix
from torch import Tensor

from distaff.recommenders.lists import lists_of, top_k_of
from distaff.recommenders.relevance import MIN_ITEMS, Distributions
from distaff.recommenders.words import Reasons, spoken_by
from distaff_data.datasets.content import Lexicon, Weighted
from distaff_data.errors import InputError
from distaff_graph.dgvae.branch import Branch
from distaff_graph.dgvae.coupling import attention
from distaff_graph.dgvae.decoder import log_scores
from distaff_graph.dgvae.network import FactorCodes
from distaff_graph.dgvae.vae import VariationalRecommender

_USERS = 128  # whose words are held at once


class FactorWords:
    """The words that the factors of a fitted model speak in: the :class:`~distaff.recommenders.words.Words` of DGVAE.

    Args:
        model: A model whose network has a branch over words.
        lexicon: Its words.
        documents: The words of each of its users, ``(n_users, n_words)``.
    """

    def __init__(self, model: VariationalRecommender, lexicon: Lexicon, documents: Weighted) -> None:
        branch = model.network.word_branch
        assert branch is not None
        self._model, self._lexicon, self._documents = model, lexicon, documents
        self._word_branch: Branch = branch

    @property
    def vocabulary(self) -> pa.StringArray:
        """All words that the model knows."""
        return self._lexicon.words

    @property
    def naming(self) -> Tensor:
        """The words of at least ``MIN_ITEMS`` items; all where only people's documents are known."""
        counts = self._lexicon.item_words
        if counts is None:
            return torch.ones(len(self.vocabulary), dtype=torch.bool)
        return torch.bincount(counts.pattern.indices, minlength=len(self.vocabulary)) >= MIN_ITEMS

    def factor_words(self) -> Distributions:
        """Return the words of people's training documents, not of the decoder over words.

        That decoder's words of a factor differ from person to person, and many only even out the words of the other factors.
        The items' decoder, in contrast, tells to whom a factor matters, whatever the start.
        """
        return self._spoken[0]

    def word_shares(self) -> Tensor:
        """Return the mean of :meth:`user_words` over all users with training items."""
        return self._spoken[1]

    def user_words(self, users: Tensor) -> Tensor:
        """Return the sums of :meth:`word_parts` over factors."""
        shares = [self.word_parts(self._model.user_codes(block)).sum(1) for block in users.split(_USERS)]
        return torch.cat(shares) if shares else torch.empty(0, len(self.vocabulary))

    def word_parts(self, codes: FactorCodes) -> Tensor:
        """Return the probability that a factor brings a word as the next, ``(b, K, n_words)``; it sums to 1 over both."""
        with torch.no_grad():
            branch = self._word_branch
            s = log_scores(branch.query(codes.z), branch.decoded(), branch.log_memberships())
            return s.flatten(1).softmax(1).view_as(s).cpu()

    @torch.no_grad()
    def reasons(self, user: int, items: Tensor) -> Reasons:
        """Return the exact reasons: codes are linear in a user's words and items but for lengths and mutual reading."""
        users = torch.tensor([user])
        taken, document = self._model.rows.take(users)
        assert document is not None
        codes = self._model.user_codes(users)
        item_branch, word_branch, table = self._model.network.item_branch, self._word_branch, self._model.table
        from_items = _Encoded.of(item_branch, taken, self._item_weights(taken))
        from_words = _Encoded.of(word_branch, document, word_branch.weight[document.pattern.indices.long()])
        listed = items.to(table.vectors.device)
        parts = self._model.parts(codes)[0][:, listed].T
        shares = parts / parts.sum(1, keepdim=True).clamp(min=1e-30)
        centred = (table.vectors[listed] - table.vectors.mean(0)) / item_branch.decoder_temperature
        assert codes.text is not None
        text, interactions = ((shares * (centred @ code[0].T)).sum(1) for code in (codes.text, codes.interactions))
        return Reasons(
            factors=shares.cpu(),
            text=text.cpu(),
            interactions=interactions.cpu(),
            words=document.pattern.indices.long().cpu(),
            word_effects=from_words.effects(attention(from_items.codes, from_words.codes), shares, centred).cpu(),
            taken=taken.pattern.indices.long().cpu(),
            taken_effects=from_items.effects(attention(from_words.codes, from_items.codes), shares, centred).cpu(),
        )

    def parts_with_words(self, user: int, words: Tensor, by: Tensor) -> Tensor:
        """Return the parts from the user's items and a document with other weights of some words."""
        users = torch.tensor([user])
        document = self._documents.take(users)
        strongest = float(document.values.max()) if document.values.numel() else 1.0
        dense = torch.from_numpy(document.scipy().toarray())
        dense[0].index_add_(0, words, by.float() * strongest)
        changed = Weighted.from_scipy(csr_matrix(dense.numpy()))
        return self._model.parts(self._model.new_codes(self._model.data.train.take(users), changed))[0]

    def recommend(
        self,
        people: Mapping[str, Iterable[str] | Mapping[str, float]],
        histories: Mapping[str, Iterable[object]],
        top_k: int,
    ) -> pa.Table:
        """Return lists for people by the words they chose; see :meth:`~distaff_graph.dgvae.models.DGVAE.score_words`."""
        names = list(people)
        chosen = {name: _weights(people[name]) for name in names}
        for name in names:
            if not chosen[name]:
                raise InputError(f"no word is given for {name!r}", value=name)
        positions = [self._lexicon.positions(chosen[name]) for name in names]
        rows = np.repeat(np.arange(len(names)), [len(words) for words in positions])
        counts = np.concatenate([list(chosen[name].values()) for name in names])
        document = self._lexicon.weigh(rows, torch.cat(positions).numpy(), counts, len(names))
        data = self._model.data
        history = data.histories(histories.get(name, ()) for name in names)
        scores = self._model.parts(self._model.new_codes(history, document)).sum(1)
        best, best_scores = top_k_of(scores, history, top_k)
        return lists_of(pa.array(names, pa.string()), data.item_ids, best, best_scores)

    @cached_property
    def _spoken(self) -> tuple[Distributions, Tensor]:
        """The factors' words and p(word) ``(n_words,)``, by one pass over everybody."""
        active = torch.nonzero(self._model.data.train.counts() > 0).squeeze(1)
        overall = torch.zeros(len(self.vocabulary), dtype=torch.float64)
        shares = []
        for users in active.split(_USERS):
            codes = self._model.user_codes(users)
            shares.append(self._model.parts(codes).sum(2).cpu())
            overall += self.word_parts(codes).double().sum((0, 1))
        return spoken_by(torch.cat(shares), self._documents.take(active)), overall / len(active)

    def _item_weights(self, taken: Weighted) -> Tensor:
        """Return each taken item's addition to the encoder: its row of ((A A + I) / 2) W, or of W without a graph."""
        weight, rows = self._model.network.item_branch.weight, taken.pattern.indices.long()
        graph = self._model.network.graph
        if graph is None:
            return weight[rows]
        spread = torch.zeros(len(weight), len(rows), device=weight.device)
        spread[rows, torch.arange(len(rows), device=rows.device)] = 1.0
        return graph.two_hops(spread).T @ weight


@dataclass(frozen=True)
class _Encoded:
    """A user as one branch encodes them.

    Attributes:
        codes: ``(1, K, d)``.
        lengths: Lengths of the codes before they were made 1, ``(K,)``.
        values: The encoder's inputs x c_k at x's entries, ``(K, nnz)``.
        weights: The encoder's row of each entry, ``(nnz, d)``.
    """

    codes: Tensor
    lengths: Tensor
    values: Tensor
    weights: Tensor

    @classmethod
    def of(cls, branch: Branch, x: Weighted, weights: Tensor) -> _Encoded:
        """Return a user's row x, whose entries have these rows of the encoder, as encoded."""
        values = branch.inputs(x, branch.log_memberships().exp())
        means = weights[:, : weights.shape[1] // 2]
        raw = values @ means + branch.bias[: means.shape[1]]
        return cls(F.normalize(raw).unsqueeze(0), raw.norm(dim=1).clamp(min=1e-12), values, means)

    def effects(self, reading: Tensor, shares: Tensor, vectors: Tensor) -> Tensor:
        """Return the effect of each entry ``(n, nnz)`` on items ``(n, d)``, through the weights by which it is read."""
        return (shares @ (reading[0] / self.lengths)) @ self.values * (vectors @ self.weights.T)


def _weights(words: Iterable[str] | Mapping[str, float]) -> dict[str, float]:
    return dict(words) if isinstance(words, Mapping) else dict.fromkeys(words, 1.0)

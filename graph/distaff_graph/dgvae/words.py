"""DGVAE's words: of factors, of users, behind a recommendation, and as handles to steer by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pyarrow as pa
import torch
import torch.nn.functional as F
from scipy.sparse import csr_matrix
from torch import Tensor

from distaff.recommenders.base import lists_of, top_k_of
from distaff.recommenders.relevance import MIN_ITEMS, Membership
from distaff.recommenders.words import Reasons, Worded, spoken_by
from distaff_data.datasets.content import Lexicon, Weighted
from distaff_data.errors import InputError
from distaff_graph.dgvae.branch import Half
from distaff_graph.dgvae.coupling import read
from distaff_graph.dgvae.decoder import log_scores
from distaff_graph.dgvae.network import Codes
from distaff_graph.dgvae.vae import Factored

_USERS = 128  # whose words are held at once


class Speaking(Factored, Worded):
    """The part of :class:`~distaff_graph.dgvae.models.DGVAE` that speaks."""

    lexicon: Lexicon
    _spoken_found: tuple[Membership, Tensor]
    _spoken_of: Tensor | None = None

    @property
    def words(self) -> pa.StringArray:
        """The words."""
        return self.lexicon.words

    def word_parts(self, codes: Codes) -> Tensor:
        """The probability that a factor brings a word as the next, ``(b, K, n_words)``; it sums to 1 over both."""
        with torch.no_grad():
            half = self._written
            s = log_scores(half.query(codes.z), half.things(), half.log_memberships())
            return s.flatten(1).softmax(1).view_as(s).cpu()

    @property
    def naming(self) -> Tensor:
        """Words of at least ``MIN_ITEMS`` items; all where only people's documents are known."""
        counts = self.lexicon.item_words
        if counts is None:
            return torch.ones(len(self.words), dtype=torch.bool)
        return torch.bincount(counts.pattern.indices, minlength=len(self.words)) >= MIN_ITEMS

    def factor_words(self) -> Membership:
        """Of people's training documents, not of the decoder over words.

        What the decoder says of a factor differs from person to person, and much of it only evens out what its other factors
        say. Whom a factor matters to is told by the items' decoder, whatever the start.
        """
        return self._spoken[0]

    def word_shares(self) -> Tensor:
        """The mean of :meth:`user_words` over all users with training items."""
        return self._spoken[1]

    @property
    def _spoken(self) -> tuple[Membership, Tensor]:
        """What is found by a pass over everybody, once a fit: the factors' words, and p(word) ``(n_words,)``."""
        if self._spoken_of is not self._things:
            assert self._texts is not None
            active = torch.nonzero(self.data.train.counts() > 0).squeeze(1)
            overall = torch.zeros(len(self.words), dtype=torch.float64)
            shares = []
            for users in active.split(_USERS):
                codes = self.user_codes(users)
                shares.append(self.parts(codes).sum(2).cpu())
                overall += self.word_parts(codes).double().sum((0, 1))
            found = spoken_by(torch.cat(shares), self._texts.take(active))
            self._spoken_found, self._spoken_of = (found, overall / len(active)), self._things
        return self._spoken_found

    def user_words(self, users: Tensor) -> Tensor:
        """Sums of :meth:`word_parts` over factors."""
        found = [self.word_parts(self.user_codes(block)).sum(1) for block in users.split(_USERS)]
        return torch.cat(found) if found else torch.empty(0, len(self.words))

    @torch.no_grad()
    def reasons(self, user: int, items: Tensor) -> Reasons:
        """Exact: codes are linear in a user's words and items, but for their lengths and the reading of one by the other."""
        users = torch.tensor([user])
        taken = Weighted.ones(self.data.train.take(users)).to(self._device)
        assert self._texts is not None
        document = self._texts.take(users).to(self._device)
        codes = self.user_codes(users)
        rated, written = self.network.rated, self._written
        z_c, len_c, in_c = _encoded(rated, taken, self._item_weights(taken))
        z_t, len_t, in_t = _encoded(written, document, written.weight[document.pattern.indices.long()])
        at = items.to(self._device)
        parts = self.parts(codes)[0][:, at].T
        shares = parts / parts.sum(1, keepdim=True).clamp(min=1e-30)
        centred = (self._things[at] - self._things.mean(0)) / rated.decoder_temperature
        assert codes.written is not None
        lifts = [(shares * (centred @ part[0].T)).sum(1) for part in (codes.written, codes.rated)]
        by_word = (shares @ (read(z_c, z_t)[0] / len_t)) @ in_t[0] * (centred @ in_t[1].T)
        by_item = (shares @ (read(z_t, z_c)[0] / len_c)) @ in_c[0] * (centred @ in_c[1].T)
        return Reasons(
            factors=shares.cpu(),
            written=lifts[0].cpu(),
            rated=lifts[1].cpu(),
            words=document.pattern.indices.long().cpu(),
            word_effects=by_word.cpu(),
            taken=taken.pattern.indices.long().cpu(),
            taken_effects=by_item.cpu(),
        )

    def parts_with_words(self, user: int, words: Tensor, by: Tensor) -> Tensor:
        """From the user's items and a document with other weights of some words."""
        users = torch.tensor([user])
        assert self._texts is not None
        own = self._texts.take(users)
        strongest = float(own.values.max()) if own.values.numel() else 1.0
        dense = torch.from_numpy(own.scipy().toarray())
        dense[0].index_add_(0, words, by.float() * strongest)
        changed = Weighted.from_scipy(csr_matrix(dense.numpy()))
        return self.parts(self.codes(self.data.train.take(users), changed))[0]

    def score_words(
        self,
        people: Mapping[str, Iterable[str] | Mapping[str, float]],
        *,
        histories: Mapping[str, Iterable[object]] | None = None,
        top_k: int = 20,
    ) -> pa.Table:
        """Top-k lists for people the model was not trained on, from words they chose and, where given, items they took.

        Args:
            people: Words by person, with how often each counts where it is a mapping.
            histories: Items by person; unknown items are ignored, known ones are not listed.
            top_k: List length.

        Returns:
            Arrow table ``user_id, rank, item_id, score``.

        Raises:
            InputError: A word that the model does not know, or a person without words.
        """
        names = list(people)
        chosen = {name: _weights(people[name]) for name in names}
        for name in names:
            if not chosen[name]:
                raise InputError(f"no word is given for {name!r}", value=name)
        found = [self.lexicon.positions(chosen[name]) for name in names]
        rows = np.repeat(np.arange(len(names)), [len(part) for part in found])
        counts = np.concatenate([list(chosen[name].values()) for name in names])
        document = self.lexicon.weigh(rows, torch.cat(found).numpy(), counts, len(names))
        history = self.data.histories((histories or {}).get(name, ()) for name in names)
        best, scores = top_k_of(self.parts(self.codes(history, document)).sum(1), history, top_k)
        return lists_of(pa.array(names, pa.string()), self.data.item_ids, best, scores)

    @property
    def _written(self) -> Half:
        half = self.network.written
        assert half is not None
        return half

    def _item_weights(self, taken: Weighted) -> Tensor:
        """What each taken item adds to the encoder: its row of ((A A + I) / 2) W, or of W without a graph."""
        weight, rows = self.network.rated.weight, taken.pattern.indices.long()
        graph = self.network.graph
        if graph is None:
            return weight[rows]
        spread = torch.zeros(len(weight), len(rows), device=weight.device)
        spread[rows, torch.arange(len(rows), device=rows.device)] = 1.0
        return graph.two_hops(spread).T @ weight


def _encoded(half: Half, x: Weighted, weights: Tensor) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor]]:
    """A user's codes ``(1, K, d)``, their lengths before they were made 1 ``(K,)``, and the encoder's inputs.

    The inputs are x c_k at x's entries ``(K, nnz)`` and each entry's row of the encoder ``(nnz, d)``.
    """
    memberships = half.log_memberships().exp()
    values, means = half.inputs(x, memberships), weights[:, : weights.shape[1] // 2]
    raw = values @ means + half.bias[: means.shape[1]]
    return F.normalize(raw).unsqueeze(0), raw.norm(dim=1).clamp(min=1e-12), (values, means)


def _weights(words: Iterable[str] | Mapping[str, float]) -> dict[str, float]:
    return dict(words) if isinstance(words, Mapping) else dict.fromkeys(words, 1.0)

"""Recommenders whose factors speak in words: what such a model offers, and how coherent words are.

A model mixes :class:`Worded` into :class:`~distaff.recommenders.base.Recommender`. The command line, the table
``factor_words`` and the dashboard's page *Words* then work for it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from distaff.recommenders.relevance import Membership, relevance
from distaff_data.datasets.content import Weighted

KEPT = 200  # words kept of each factor
LAMBDA = 0.6  # of relevance: words have longer tails than items, and 0.6 is what Sievert and Shirley found for them
_NAMING = 2


@dataclass(frozen=True)
class Reasons:
    """Why a user is recommended some items.

    Effects are log odds against the average item: what is added to the logarithm of an item's score, weighing a factor
    by its share of that score.

    Attributes:
        factors: Share of each item's score that each factor brings, ``(n, K)``; rows sum to 1.
        written: Effect of the user's words, ``(n,)``.
        rated: Effect of what the user took, ``(n,)``.
        words: Positions of the user's words, ``(n_own_words,)``.
        word_effects: Effect of each word, ``(n, n_own_words)``; with a constant of the model they sum to ``written``.
        taken: Positions of the items the user took, ``(n_taken,)``.
        taken_effects: Effect of each, ``(n, n_taken)``; with a constant they sum to ``rated``.
    """

    factors: Tensor
    written: Tensor
    rated: Tensor
    words: Tensor
    word_effects: Tensor
    taken: Tensor
    taken_effects: Tensor

    def content_shares(self) -> Tensor:
        """The words' part of what lifts each item, ``(n,)`` between 0 and 1; one half where nothing does."""
        written, rated = self.written.clamp(min=0), self.rated.clamp(min=0)
        total = written + rated
        return torch.where(total > 0, written / total.clamp(min=1e-12), 0.5)


class Worded(ABC):
    """What a recommender with words offers beside its scores. Positions are those of :attr:`words` and of the data."""

    @property
    @abstractmethod
    def words(self) -> pa.StringArray:
        """The words."""

    @property
    @abstractmethod
    def naming(self) -> Tensor:
        """Which words may stand for a factor or a person, bool ``(n_words,)``: not those of a few items alone."""

    @abstractmethod
    def factor_words(self) -> Membership:
        """Words of each factor, by :func:`spoken_by`, ``(K, n_words)``."""

    @abstractmethod
    def word_shares(self) -> Tensor:
        """p(word) over all users, float64 ``(n_words,)``."""

    @abstractmethod
    def user_words(self, users: Tensor) -> Tensor:
        """p(word | user), ``(b, n_words)``."""

    @abstractmethod
    def reasons(self, user: int, items: Tensor) -> Reasons:
        """Why a user is recommended these items."""

    @abstractmethod
    def parts_with_words(self, user: int, words: Tensor, by: Tensor) -> Tensor:
        """The parts of the scores that a user would have with more or less of some words, ``(K, n_items)``.

        Args:
            user: Position.
            words: Positions, int64 ``(n,)``.
            by: What is added to each word's weight, in units of the user's strongest word, ``(n,)``.
        """


def spoken_by(shares: Tensor, documents: Weighted) -> Membership:
    """The words of the people to whom a factor matters most, as these people's documents have them.

    A person weighs as much as the factor's share in them exceeds its mean share; a factor that exceeds it in nobody, such as
    an only one, is everybody's. A word counts once a person: how often it is repeated tells how talkative the texts of one
    person's items are, how many have it what a group shares.

    Args:
        shares: Each person's shares of factors, ``(n, K)``.
        documents: The words people have, ``(n, n_words)``; only where entries are counts.

    Returns:
        p(word | factor), and its lift over the p(word) of everybody, float64 ``(K, n_words)``; a word that none of a
        factor's people has is 0 in both.
    """
    has = documents.scipy().astype(np.float64)
    has.data[:] = 1.0
    weights = (shares - shares.mean(0)).clamp(min=0).double()
    weights = torch.where(weights.sum(0) > 0, weights, 1.0)
    found = torch.from_numpy(np.asarray(has.T @ weights.numpy())).T
    everybody = torch.from_numpy(np.asarray(has.sum(0))).flatten()
    probability = found / found.sum(1, keepdim=True).clamp(min=1e-300)
    return Membership(probability, probability * (everybody.sum() / everybody.clamp(min=1.0)))


def top_words(found: Membership, n: int, among: Tensor, weight: float = LAMBDA) -> Tensor:
    """The most relevant words of each row, best first, int64 ``(K, n)``; fewer where fewer may be taken.

    Args:
        found: Probabilities and lifts of words.
        n: How many.
        among: Which words may be taken, bool ``(n_words,)``.
        weight: Lambda of relevance.
    """
    scores = relevance(found.probability, found.lift, weight).masked_fill(~among, -torch.inf)
    return scores.topk(min(n, int(among.sum())), dim=1).indices


def word_rows(model: Worded) -> pa.Table:
    """The rows of ``factor_words``: of each factor the ``KEPT`` most relevant words, or as many as its people have."""
    found = model.factor_words()
    best = top_words(found, KEPT, model.naming)
    scores = relevance(found.probability, found.lift, LAMBDA)
    factor, place = torch.nonzero(found.probability.gather(1, best) > 0, as_tuple=True)
    word = best[factor, place]
    return pa.table(
        {
            "factor": factor.numpy(),
            "word": model.words.take(pa.array(word.numpy())),
            "rank": (place + 1).numpy(),
            "relevance": scores[factor, word].numpy(),
            "probability": found.probability[factor, word].numpy(),
            "lift": found.lift[factor, word].numpy(),
        }
    )


def names(model: object) -> dict[int, str]:
    """Factors named by their two most relevant words; none where the model has no words to name them by."""
    if not isinstance(model, Worded) or not bool(model.naming.any()):
        return {}
    best = top_words(model.factor_words(), _NAMING, model.naming).tolist()
    return {k: " · ".join(model.words[word].as_py() for word in row) for k, row in enumerate(best)}


def coherence(words: Tensor, documents: Weighted) -> Tensor:
    """Mean normalised pointwise mutual information of the pairs of words in each row.

    NPMI (Bouma 2009) is 1 for words that only occur together, 0 for independent ones and -1 for ones that never meet.

    Args:
        words: Positions, ``(K, n)``.
        documents: Texts by words; only where entries are counts.

    Returns:
        float64 ``(K,)``.
    """
    own, places = torch.unique(words, return_inverse=True)
    matrix = documents.scipy()[:, own.numpy()]
    matrix.data[:] = 1.0
    n_documents = matrix.shape[0]
    joint = torch.from_numpy((matrix.T @ matrix).toarray()).double() / n_documents
    single = joint.diagonal()
    pmi = (joint / (single[:, None] * single[None, :]).clamp(min=1e-300)).log()
    # Of words in every text -log p is 0: they always meet, which tells nothing.
    npmi = torch.where(joint > 0, pmi / -joint.clamp(max=1 - 1e-12).log(), -1.0)
    pairs = npmi[places.unsqueeze(2), places.unsqueeze(1)]
    upper = torch.ones(words.shape[1], words.shape[1]).triu(1).bool()
    return pairs[:, upper].mean(1)

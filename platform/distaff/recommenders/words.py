"""The words of recommenders whose factors speak in words, and how coherent words are.

Such a model gives an object with the methods of :class:`Words` as :attr:`~distaff.recommenders.base.Recommender.words`. The
command line, the table ``factor_words`` and the dashboard's page *Words* then work for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from distaff.recommenders.relevance import Distributions, relevance
from distaff_data.datasets.content import Weighted

KEPT = 200  # words kept of each factor
LAMBDA = 0.6  # of relevance: words have longer tails than items, and 0.6 is what Sievert and Shirley found for them
_DESCRIBING = 2


@dataclass(frozen=True)
class Reasons:
    """The reasons for which a user is recommended some items.

    Effects are log odds against the average item: what is added to the logarithm of an item's score, weighing a factor
    by its share of that score.

    Attributes:
        factors: Share of each item's score that each factor brings, ``(n, K)``; rows sum to 1.
        text: Effect of the user's words, ``(n,)``.
        interactions: Effect of what the user took, ``(n,)``.
        words: Positions of the user's words, ``(n_user_words,)``.
        word_effects: Effect of each word, ``(n, n_user_words)``; with a constant of the model they sum to ``text``.
        taken: Positions of the items the user took, ``(n_taken,)``.
        taken_effects: Effect of each, ``(n, n_taken)``; with a constant they sum to ``interactions``.
    """

    factors: Tensor
    text: Tensor
    interactions: Tensor
    words: Tensor
    word_effects: Tensor
    taken: Tensor
    taken_effects: Tensor

    def content_shares(self) -> Tensor:
        """Return the words' part of what lifts each item, ``(n,)`` between 0 and 1; 0.5 where nothing does."""
        text, interactions = self.text.clamp(min=0), self.interactions.clamp(min=0)
        total = text + interactions
        return torch.where(total > 0, text / total.clamp(min=1e-12), 0.5)


class Words(Protocol):
    """The words of a fitted recommender. Positions are those of :attr:`vocabulary` and of the model's data."""

    @property
    def vocabulary(self) -> pa.StringArray:
        """All words that the model knows."""

    @property
    def naming(self) -> Tensor:
        """The words that may stand for a factor or a person, bool ``(n_words,)``: not those of a few items alone."""

    def factor_words(self) -> Distributions:
        """Return the words of each factor, by :func:`spoken_by`, ``(K, n_words)``."""

    def word_shares(self) -> Tensor:
        """Return p(word) over all users, float64 ``(n_words,)``."""

    def user_words(self, users: Tensor) -> Tensor:
        """Return p(word | user), ``(b, n_words)``."""

    def reasons(self, user: int, items: Tensor) -> Reasons:
        """Return the reasons for which a user is recommended these items."""

    def parts_with_words(self, user: int, words: Tensor, by: Tensor) -> Tensor:
        """Return the parts of the scores that a user would have with more or less of some words, ``(K, n_items)``.

        Args:
            user: Position.
            words: Positions, int64 ``(n,)``.
            by: The addition to each word's weight, in units of the user's strongest word, ``(n,)``.
        """


def spoken_by(shares: Tensor, documents: Weighted) -> Distributions:
    """Return the words of the people to whom a factor matters most, as these people's documents have them.

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
    mass = torch.from_numpy(np.asarray(has.T @ weights.numpy())).T
    everybody = torch.from_numpy(np.asarray(has.sum(0))).flatten()
    probability = mass / mass.sum(1, keepdim=True).clamp(min=1e-300)
    return Distributions(probability, probability * (everybody.sum() / everybody.clamp(min=1.0)))


def top_words(words: Distributions, n: int, among: Tensor, weight: float = LAMBDA) -> Tensor:
    """Return the most relevant words of each row, best first, int64 ``(K, n)``; fewer where fewer may be taken.

    Args:
        words: Probabilities and lifts of words.
        n: Number of words a row.
        among: The words that may be taken, bool ``(n_words,)``.
        weight: Lambda of relevance.
    """
    scores = relevance(words.probability, words.lift, weight).masked_fill(~among, -torch.inf)
    return scores.topk(min(n, int(among.sum())), dim=1).indices


def word_rows(words: Words) -> pa.Table:
    """Return the rows of ``factor_words``: each factor's ``KEPT`` most relevant words, or as many as its people have."""
    spoken = words.factor_words()
    best = top_words(spoken, KEPT, words.naming)
    scores = relevance(spoken.probability, spoken.lift, LAMBDA)
    factor, place = torch.nonzero(spoken.probability.gather(1, best) > 0, as_tuple=True)
    word = best[factor, place]
    return pa.table(
        {
            "factor": factor.numpy(),
            "word": words.vocabulary.take(pa.array(word.numpy())),
            "rank": (place + 1).numpy(),
            "relevance": scores[factor, word].numpy(),
            "probability": spoken.probability[factor, word].numpy(),
            "lift": spoken.lift[factor, word].numpy(),
        }
    )


def word_descriptions(words: Words | None) -> dict[int, str]:
    """Return each factor's two most relevant words, which no test stands behind; none of a model without words."""
    if words is None or not bool(words.naming.any()):
        return {}
    best = top_words(words.factor_words(), _DESCRIBING, words.naming).tolist()
    return {k: " · ".join(words.vocabulary[word].as_py() for word in row) for k, row in enumerate(best)}


def coherence(words: Tensor, documents: Weighted) -> Tensor:
    """Return the mean normalised pointwise mutual information of the pairs of words in each row.

    NPMI (Bouma 2009) is 1 for words that only occur together, 0 for independent ones and -1 for ones that never meet.

    Args:
        words: Positions, ``(K, n)``.
        documents: Texts by words; only where entries are counts.

    Returns:
        float64 ``(K,)``.
    """
    distinct, places = torch.unique(words, return_inverse=True)
    matrix = documents.scipy()[:, distinct.numpy()]
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

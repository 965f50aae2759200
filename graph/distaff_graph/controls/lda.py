"""Latent Dirichlet allocation (Blei, Ng and Jordan, JMLR 2003): users as documents, items as words."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from distaff.model.base import Session
from distaff.model.config import Choices, ModelConfig, Span
from distaff_data.datasets.csr import Csr
from distaff_data.datasets.interactions import Interactions
from distaff_graph.controls.inner_products import InnerProducts
from distaff_graph.sparse import edge_dots, history_pattern, product, with_values

_TINY = 1e-30
# Updates of a user's weights; a fixed number, so that they do not depend on who else is in the block.
_UPDATES = 100


class LDAConfig(ModelConfig):
    """Settings of LDA.

    Attributes:
        n_intents: K, topics.
        user_prior: Dirichlet concentration of users' shares.
        item_prior: Dirichlet concentration of the topics over items.
        max_iterations: Upper limit of passes over the users.
    """

    n_intents: Annotated[int, Field(ge=1), Choices(16, 32, 64, 128, 256)] = 64
    user_prior: Annotated[float, Field(gt=0), Span(0.01, 1.0, log=True)] = 0.3
    item_prior: Annotated[float, Field(gt=0), Span(0.01, 1.0, log=True)] = 0.1
    max_iterations: Annotated[int, Field(ge=1)] = 30


class LDA(InnerProducts):
    """Scores are a user's expected topics times the topics' expected items, the probability of each item.

    The fit is scikit-learn's batch variational Bayes.
    """

    name: ClassVar[str] = "lda"
    Config: ClassVar[type[ModelConfig]] = LDAConfig
    config: LDAConfig

    def item_vectors(self, data: Interactions, session: Session) -> Tensor:
        """Return the topics' mean distributions, columns summing to 1, ``(n_items, K)``."""
        from sklearn.decomposition import LatentDirichletAllocation

        c = self.config
        fit = LatentDirichletAllocation(
            c.n_intents,
            doc_topic_prior=c.user_prior,
            topic_word_prior=c.item_prior,
            max_iter=c.max_iterations,
            random_state=session.seed,
        )
        fit.fit(data.train.scipy())
        topics = torch.from_numpy(fit.components_).float().T
        return (topics / topics.sum(0)).contiguous()

    def project(self, history: Csr, items: Tensor) -> Tensor:
        """Return posterior mean shares of the variational approximation for fixed topics, ``(b, K)``."""
        pattern, prior = history_pattern(history, items), self.config.user_prior
        counts = items.new_ones(history.n_rows, items.shape[1])
        for _ in range(_UPDATES):
            weights = torch.exp(torch.digamma(prior + counts))
            ratio = edge_dots(pattern, weights, items).clamp_(min=_TINY).reciprocal_()
            counts = weights * product(with_values(pattern, ratio), items)
        return (prior + counts) / (prior + counts).sum(1, keepdim=True)

"""Write a recommender of your own in a page, and hold it to what is promised of every model.

python examples/own_model.py
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

import distaff
from distaff.model.base import Session
from distaff.testing.data import checkerboard


class Neighbours(distaff.Recommender):
    """Items that were taken together."""

    name = "neighbours"

    def _fit(self, data: distaff.Interactions, session: Session) -> None:
        taken = data.train.dense()
        self.weights = (taken.T @ taken).fill_diagonal_(0)

    def predict(self, users: Tensor) -> Tensor:
        """Return the scores of users."""
        return self.fold_in(self.data.train.take(users))

    def fold_in(self, history) -> Tensor:  # type: ignore[no-untyped-def]
        """Return the scores of anybody with a history."""
        scores: Tensor = history.dense() @ self.weights
        return scores

    def state(self) -> dict[str, Tensor]:
        """Return what was learned."""
        return {"weights": self.weights}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Take back what was learned."""
        self.weights = state["weights"]


def main() -> None:
    """Print the list of a person of the checkerboard, whose even users take even items."""
    model = Neighbours().fit(checkerboard())
    print(model.recommend(["4"], k=5, exclude=["train"]))
    print(model.recommend_new({"visitor": ["1", "3"]}, k=5))
    print(torch.linalg.matrix_rank(model.weights).item(), "independent items")


if __name__ == "__main__":
    main()

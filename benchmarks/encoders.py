"""Encoders of PyTorch Geometric, our graph models and their controls: candidates of equal budgets on any dataset.

Every model has two configurations but those that have nothing to choose; encoders choose between the pairwise loss that
they are commonly trained by and the sampled softmax.
"""

from __future__ import annotations

from typing import Any

from benchmarks.protocol import Candidate

_TRAINED: dict[str, Any] = {"lr": 1e-2, "batch_size": 16_384, "max_epochs": 45, "eval_every": 3, "patience": 3}
_LOSSES = ({**_TRAINED}, {**_TRAINED, "loss": "softmax", "n_negatives": 16})


def candidates(*more: Candidate) -> tuple[Candidate, ...]:
    """Return the candidates, with those that suit one dataset only."""
    encoders = (Candidate(name, _LOSSES, seeded=True) for name in ("graphsage", "gat", "gin"))
    return (
        Candidate("popularity"),
        Candidate("ease", ({"penalty": 100}, {"penalty": 400})),
        Candidate("als", ({"embedding_dim": 32}, {"embedding_dim": 64}), seeded=True),
        *encoders,
        Candidate("vgae", ({**_TRAINED}, {**_TRAINED, "n_negatives": 8}), seeded=True),
        Candidate("lightgcn", ({**_TRAINED}, {**_TRAINED, "n_layers": 2}), seeded=True),
        Candidate("dccf", ({**_TRAINED, "n_intents": 32}, {**_TRAINED, "n_intents": 128}), seeded=True),
        *more,
    )

"""Choose a model's settings on validation data, with the controls at the same budget, and read the board.

python examples/sweep.py
"""

from __future__ import annotations

import tempfile
from contextlib import nullcontext

import distaff
from distaff.board.board import board
from distaff.runs.training import train
from distaff.sweeps import tuning
from distaff.sweeps.plan import Plan
from distaff_data.planted.samples import sample


def main() -> None:
    """Print the board of a planted dataset after two sweeps of four trials each."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = distaff.Workspace.create(folder + "/workspace")
        sample(workspace, "planted-interactions", n_users=200, n_items=100, n_events=6_000, n_intents=4)
        train(workspace, "popularity", "planted-interactions")
        for name in ("ease", "puresvd"):
            plan = Plan.make(workspace, name, "planted-interactions")
            sweep = tuning.tune(workspace, plan, name, budget=4)
            tuning.retrain(workspace, sweep, 1, lambda seed: nullcontext(lambda epoch: None))
        print(board(workspace, "planted-interactions").frame())


if __name__ == "__main__":
    main()

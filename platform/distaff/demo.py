"""The whole story on built-in data: planted intents, a model beside its controls, the board, the intents, the lists."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from distaff import runs
from distaff.board import board
from distaff.factors import explain_run
from distaff.scoring import score_run
from distaff_data.planted import sample
from distaff_data.workspace import Workspace

DATASET = "planted-interactions"
_CONTROLS: dict[str, dict[str, str]] = {
    "popularity": {},
    "ease": {},
    "puresvd": {"n_intents": "12"},
    "varimax": {"n_intents": "12"},
    "nmf": {"n_intents": "12"},
}
_SETTINGS = {"n_intents": "12", "max_epochs": "30", "batch_size": "8192", "samples_per_epoch": "65536"}


def run(root: Path, say: Callable[[str], None]) -> None:
    """Run the story in a workspace, telling each step; a demo run before is replaced."""
    workspace = Workspace.create(root)
    report = sample(workspace, DATASET, replace=True)
    say(f"1. {DATASET}: {report.users} users, {report.items} items, planted intents known")
    for name, settings in _CONTROLS.items():
        runs.train(workspace, name, DATASET, settings=settings)
    say(f"2. controls fitted: {', '.join(_CONTROLS)}")
    fitted = [runs.train(workspace, "dccf", DATASET, settings=_SETTINGS, seed=seed) for seed in (0, 1)]
    say(f"3. DCCF fitted with two seeds: {', '.join(r.run for r in fitted)}")
    table = board(workspace, DATASET)
    say("4. the board, test Recall@20:")
    for row in table.rows:
        mark = "control" if row.control else "model"
        say(f"   {row.model:<12}{mark:<9}{row.metrics['recall@20'].mean:.4f}")
    say(f"   {'by chance':<21}{table.noise_floor['recall@20']:.4f}")
    for run_id in (fitted[0].run, next(r for row in table.rows if row.model == "nmf" for r in row.runs)):
        found = explain_run(workspace, run_id)
        named = sum(f.name != "unnamed" for f in found.factors)
        say(
            f"5. {run_id}: {len(found.factors)} intents, {named} named, {found.effective_per_user:.1f} effective a user"
        )
    lists = score_run(workspace, fitted[0].run, top_k=10)
    say(f"6. top-10 lists of {lists.users} users published")
    say(f"Look around: distaff --workspace {root} dashboard")

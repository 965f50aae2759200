"""The whole story on built-in data: planted intents, a model beside its controls, the board, the intents, the lists."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from distaff.board.board import board
from distaff.factors.intents.evidence import explain_run
from distaff.factors.intents.report import FactorReport
from distaff.recommenders.score import score_run
from distaff.runs import training
from distaff_data.errors import InputError
from distaff_data.ingest import IngestReport
from distaff_data.planted.samples import sample
from distaff_data.workspace import Workspace

DATASET = "planted-interactions"
_CONTROLS: dict[str, dict[str, str]] = {
    "popularity": {},
    "ease": {},
    "puresvd": {"n_intents": "12"},
    "varimax": {"n_intents": "12"},
    "nmf": {"n_intents": "12"},
}
# Small enough for a minute; plait chooses the rest on the validation split.
_MODELS: dict[str, dict[str, str]] = {
    "dccf": {"n_intents": "12", "max_epochs": "12", "batch_size": "16384", "samples_per_epoch": "65536", "lr": "0.005"},
    "plait": {"n_intents": "6", "components": "ease:penalty=250,als:embedding_dim=16:reg=30:confidence=5"},
}


def run(root: Path, say: Callable[[str], None]) -> None:
    """Run the story in a workspace, telling each step; a demo run before is replaced."""
    workspace = Workspace.create(root)
    report = sample(workspace, DATASET, replace=True)
    assert isinstance(report, IngestReport)
    say(f"1. {DATASET}: {report.users} users, {report.items} items, planted intents known")
    for name, settings in _CONTROLS.items():
        training.train(workspace, name, DATASET, settings=settings)
    say(f"2. controls fitted: {', '.join(_CONTROLS)}")
    fitted = _fit_models(workspace, say)
    table = board(workspace, DATASET)
    say("4. the board, test Recall@20:")
    for row in (row for row in table.rows if row.chosen):
        mark = "control" if row.control else "model"
        say(f"   {row.model:<12}{mark:<9}{row.metrics['recall@20'].mean:.4f}")
    say(f"   {'by chance':<21}{table.noise_floor['recall@20']:.4f}")
    for run_id in fitted:
        _tell_intents(explain_run(workspace, run_id), say)
    lists = score_run(workspace, fitted[-1], top_k=10)
    say(f"6. top-10 lists of {lists.users} users published from {fitted[-1]}")
    say(f"Look around: distaff --workspace {root} dashboard")


def _fit_models(workspace: Workspace, say: Callable[[str], None]) -> list[str]:
    """Two seeds of each model; returns a run of each. One whose packages are missing is told and left out."""
    fitted = []
    for name, settings in _MODELS.items():
        try:
            seeds = [training.train(workspace, name, DATASET, settings=settings, seed=seed).run for seed in (0, 1)]
        except InputError as error:
            say(f"3. {name} left out: {error}")
            continue
        say(f"3. {name} fitted with two seeds: {', '.join(seeds)}")
        fitted.append(seeds[0])
    return fitted


def _tell_intents(report: FactorReport, say: Callable[[str], None]) -> None:
    say(f"5. {report.run}: {len(report.factors)} intents, {report.effective_per_user:.1f} effective a user")
    for factor in sorted(report.factors, key=lambda f: -f.effect)[:6]:
        doubt = f"  ! {factor.warnings[0]}" if factor.warnings else ""
        say(f"   {factor.name:<32} activity {factor.activity:.2f}  effect {factor.effect:.2f}{doubt}")

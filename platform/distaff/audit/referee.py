"""The audit of a run or of a dataset: one line a question, pass, fail or unknown, with the figure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from distaff.audit.controls import standard_controls, tuned_controls
from distaff.audit.factors import factor_findings
from distaff.audit.figures import figures_were_measured, fitted_to_the_dataset, no_record_removed
from distaff.audit.finding import Audit, Finding
from distaff.audit.history import Records
from distaff.audit.people import nobody_twice
from distaff.audit.selection import (
    chosen_on_validation,
    configurations_tried,
    seed_not_chosen_on_test,
    seeds_in_the_interval,
)
from distaff.audit.splits import split_findings
from distaff.runs import aliases, records
from distaff.runs.records import Run
from distaff_data.errors import UnknownNameError
from distaff_data.workspace import Workspace

CHECKS: Sequence[Callable[[Records], Finding]] = (
    chosen_on_validation,
    seed_not_chosen_on_test,
    configurations_tried,
    standard_controls,
    seeds_in_the_interval,
    tuned_controls,
    figures_were_measured,
    no_record_removed,
)
"""The questions that records of every kind answer, in the order of the lines."""


def audit(workspace: Workspace, subject: str) -> Audit:
    """Answer what a hostile reader would ask.

    Args:
        workspace: Where the records are.
        subject: Id or alias of a run, or the name of a dataset.

    Raises:
        UnknownNameError: There is neither such a run nor such a dataset.
    """
    run = _run(workspace, subject)
    dataset = subject if run is None else run.dataset
    history = Records.of(workspace, dataset, run)
    findings = [] if run is None else [fitted_to_the_dataset(history, run)]
    findings += [check(history) for check in CHECKS] + split_findings(workspace, dataset, history.kind)
    if history.kind == "interactions":
        findings.append(nobody_twice(history.interactions))
        shown = [run] if run is not None else [r for c in history.choice.chosen for r in c.runs]
        for each in shown:
            findings += factor_findings(workspace, each)
    return Audit(subject if run is None else run.run, dataset, findings)


def _run(workspace: Workspace, subject: str) -> Run | None:
    """Return the run that a name is of; None for a dataset.

    Raises:
        UnknownNameError: It is neither.
    """
    try:
        return records.find(workspace, aliases.resolve(workspace, subject))
    except UnknownNameError:
        datasets = [row["dataset"] for row in workspace.warehouse.rows("SELECT dataset FROM datasets")]
        if subject in datasets:
            return None
        raise UnknownNameError("run or dataset", subject, datasets) from None

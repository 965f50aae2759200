"""The blind-spot audit of a run: loaded, computed and published."""

from __future__ import annotations

from distaff.factors.intents.blind_spots import BlindSpotAudit, audit_blind_spots
from distaff.factors.intents.calibration import Calibration, calibrations
from distaff.factors.intents.tables import publish_audit, publish_calibrations
from distaff.recommenders.base import Recommender
from distaff.runs import records
from distaff_data.errors import InputError
from distaff_data.tables.interactions import load_attributes
from distaff_data.workspace import Workspace


def audit_run(
    workspace: Workspace,
    run_id: str,
    *,
    lens: str | None = None,
    split: str | None = None,
    calibrate: float | None = None,
    seed: int = 0,
) -> tuple[BlindSpotAudit, list[Calibration]]:
    """Audit a run's lists and publish what was found.

    Args:
        workspace: Where the run is.
        run_id: The run whose lists are audited.
        lens: Another run on the same dataset whose intents are counted, for models without intents; the run's own when None.
        split: Whose interactions are the data. When None, test, or else validation, or training; and calibration, whose
            weight is chosen by its price, is measured on validation where there is one.
        calibrate: Also re-rank everyone's list with this weight, from 0 to 1.
        seed: Of the bootstrap.

    Returns:
        The audit, and the lists' measures before and after calibration; none without.

    Raises:
        InputError: An unknown run, runs on different data, or a weight out of range; nothing is published.
        UnsupportedError: The model that gives the intents has none.
    """
    model = Recommender.load(records.model_folder(workspace, run_id))
    through = model if lens is None else Recommender.load(records.model_folder(workspace, lens))
    if not (model.data.user_ids.equals(through.data.user_ids) and model.data.item_ids.equals(through.data.item_ids)):
        raise InputError(f"runs {run_id!r} and {lens!r} were fitted to different users or items; audit by another run")
    intents = through.intents()
    steps = [] if calibrate is None else calibrations(model, intents, [calibrate], split=split, seed=seed)
    users = load_attributes(workspace.warehouse, model.data.name, "user")
    report = audit_blind_spots(model, intents, users, split=split, seed=seed)
    with workspace.warehouse.publish(f"blind_spots/{run_id}") as publication:
        publish_audit(publication, run_id, lens or run_id, report)
        if steps:
            publish_calibrations(publication.target(f"calibrations/{run_id}"), run_id, steps)
    return report, steps

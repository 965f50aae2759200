"""All scores against known factors at once."""

from __future__ import annotations

from collections.abc import Collection

from numpy.typing import ArrayLike

from distaff.disentanglement.dci import dci_of
from distaff.disentanglement.gaps import mcc_of, mig_of
from distaff.disentanglement.infomec import info_mec_of
from distaff.disentanglement.inputs import Columns
from distaff.disentanglement.result import Score
from distaff.disentanglement.study import LatentStudy


def score(
    latents: ArrayLike,
    factors: Columns,
    *,
    nominal: Collection[int | str] | None = None,
    in_time_order: bool = False,
    seed: int = 0,
) -> dict[str, Score]:
    """InfoM, InfoE, InfoC, DCI, MIG and MCC of latents ``(n, J)`` against factors ``(n, K)``, by name.

    Args:
        latents: Numbers of any type.
        factors: Columns, or columns by name.
        nominal: Which factors are nominal; by default integers, booleans and strings are, floats are not.
        in_time_order: Rows follow one another in time; see :func:`~distaff.disentanglement.infomec.info_mec`.
        seed: Of all that is drawn at random.
    """
    study = LatentStudy(latents, factors, nominal=nominal, in_time_order=in_time_order, seed=seed)
    info, trees = info_mec_of(study), dci_of(study)
    return {
        "info_m": info.info_m,
        "info_e": info.info_e,
        "info_c": info.info_c,
        "dci_d": trees.disentanglement,
        "dci_c": trees.completeness,
        "dci_i": trees.informativeness,
        "mig": mig_of(study),
        "mcc": mcc_of(study),
    }

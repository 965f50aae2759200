"""Measures of how disentangled a representation is: arrays in, numbers out.

Every function takes latents ``(n, J)`` and, where truth is known, factors ``(n, K)``, validates them, and takes a seed where
anything is drawn. ``score`` computes the usual ones together.
"""

from distaff.disentanglement.activity import ActiveUnits, active_units
from distaff.disentanglement.dci import DCI, completeness, dci, disentanglement
from distaff.disentanglement.dependence import (
    PairwiseDependence,
    distance_correlation,
    pairwise_dependence,
    total_correlation,
)
from distaff.disentanglement.gaps import mcc, mig, modularity, sap
from distaff.disentanglement.infomec import InfoMEC, info_c, info_m, info_mec
from distaff.disentanglement.interventional import beta_vae_score, factor_vae_score
from distaff.disentanglement.result import Reading, Score
from distaff.disentanglement.scoreboard import score
from distaff.disentanglement.similarity import UDR, cka, subspace_r2, udr
from distaff.disentanglement.study import mutual_information

__all__ = [
    "DCI",
    "UDR",
    "ActiveUnits",
    "InfoMEC",
    "PairwiseDependence",
    "Reading",
    "Score",
    "active_units",
    "beta_vae_score",
    "cka",
    "completeness",
    "dci",
    "disentanglement",
    "distance_correlation",
    "factor_vae_score",
    "info_c",
    "info_m",
    "info_mec",
    "mcc",
    "mig",
    "modularity",
    "mutual_information",
    "pairwise_dependence",
    "sap",
    "score",
    "subspace_r2",
    "total_correlation",
    "udr",
]

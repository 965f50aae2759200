"""Factors of a run and the evidence behind each."""

from distaff.factors.activity import Activity, effective_numbers, posterior_states
from distaff.factors.audits import audit_run
from distaff.factors.blind_spots import Audit, audit
from distaff.factors.calibration import Calibration, calibrations
from distaff.factors.effects import Effect, EffectCard, Ladder, effect_card
from distaff.factors.evidence import explain_run
from distaff.factors.notes import Note, annotate, notes_of
from distaff.factors.relevance import LAMBDA, relevance
from distaff.factors.report import Factor, FactorReport
from distaff.factors.rerank import Reranked, rerank
from distaff.factors.stability import Stability, compare_seeds

__all__ = [
    "LAMBDA",
    "Activity",
    "Audit",
    "Calibration",
    "Effect",
    "EffectCard",
    "Factor",
    "FactorReport",
    "Ladder",
    "Note",
    "Reranked",
    "Stability",
    "annotate",
    "audit",
    "audit_run",
    "calibrations",
    "compare_seeds",
    "effect_card",
    "effective_numbers",
    "explain_run",
    "notes_of",
    "posterior_states",
    "relevance",
    "rerank",
]

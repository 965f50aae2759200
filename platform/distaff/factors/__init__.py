"""Factors of a run and the evidence behind each."""

from distaff.factors.evidence import Factor, FactorReport, explain_run
from distaff.factors.relevance import LAMBDA, relevance

__all__ = ["LAMBDA", "Factor", "FactorReport", "explain_run", "relevance"]

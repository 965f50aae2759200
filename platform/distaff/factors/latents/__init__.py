"""Latents of models of series with the evidence behind each, and what each part of an embedding should not know.

:func:`explain_series_run` writes, for a run and whole or not at all:

* ``leakage``: every representation (instance and timestamp vectors, segments of latents) probed for every concept, beside
  chance and a floor of shuffled concepts. Models without latents have this alone.
* for models with latents (:class:`distaff.series.latents.Latent`), by latent: ``factors``, ``factor_effects``,
  ``factor_ladders``, ``factor_stability``, ``factor_dependences``, ``factor_examples``, ``factor_histograms`` and
  ``loadings`` with the entity ``window``; ``traversals``, the window of mean latents as one of them moves;
  ``reconstructions`` of a few windows of each split.
"""

from distaff.factors.latents.evidence import explain_series_run
from distaff.factors.latents.probes import Probe
from distaff.factors.latents.report import SeriesFactor, SeriesFactorReport

__all__ = ["Probe", "SeriesFactor", "SeriesFactorReport", "explain_series_run"]

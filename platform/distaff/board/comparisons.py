"""Comparison of configurations with the best control, over the units that both were measured on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np
import polars as pl

from distaff.board.selection import Configuration
from distaff.model.registry import model_class
from distaff.stats.corrections import holm
from distaff.stats.crossed import NO_SEED, Comparison, Side, Spread, compare_crossed, pooled_spread, spread_of
from distaff_data.arrays import Floats
from distaff_data.errors import InputError
from distaff_data.workspace import Workspace


class Units:
    """The values of each unit on one split, and the spread over seeds of each model, read once.

    Args:
        workspace: Where the runs are.
        candidates: All configurations, from which the spread of seeds may be borrowed.
        split: Whose values.
        metric: Which values.
    """

    def __init__(self, workspace: Workspace, candidates: Sequence[Configuration], split: str, metric: str) -> None:
        self._metric = metric
        runs = [run.run for configuration in candidates for run in configuration.runs]
        table = workspace.warehouse.frame(
            "SELECT run, unit, value FROM unit_metrics WHERE list_contains(?, run) AND split = ? AND metric = ?",
            [runs, split, metric],
        )
        self._values = {str(run): values for (run,), values in table.partition_by("run", as_dict=True).items()}
        self._spreads = self._spread_of_models(candidates)

    def compare(self, model: Configuration, control: Configuration) -> Comparison | None:
        """Return the comparison of two configurations; None where they have no unit in common."""
        both = self._wide(model).join(self._wide(control), on="unit", suffix="_control").sort("unit")
        if both.is_empty() or both.width == 1:
            return None
        n_seeds = self._wide(model).width - 1
        values = both.drop("unit").to_numpy().T
        sides = (
            Side(values[:n_seeds], self._spreads.get(model.model)),
            Side(values[n_seeds:], self._spreads.get(control.model)),
        )
        return compare_crossed(*sides, metric=self._metric, against=control.model)

    def _wide(self, configuration: Configuration) -> pl.DataFrame:
        """Return ``unit`` and a column for each seed, over the units that all seeds were measured on."""
        frames = [self._values[run.run] for run in configuration.runs if run.run in self._values]
        wide = pl.DataFrame({"unit": []}, {"unit": pl.String})
        for number, frame in enumerate(frames):
            column = frame.select("unit", pl.col("value").alias(f"seed_{number}"))
            wide = column if number == 0 else wide.join(column, on="unit")
        return wide

    def _spread_of_models(self, candidates: Sequence[Configuration]) -> dict[str, Spread]:
        """Return what a seed does to a model, pooled over its configurations with several."""
        seeded = {model: is_seeded(model) for model in {configuration.model for configuration in candidates}}
        spreads: dict[str, list[Spread]] = {}
        for configuration in candidates:
            if not seeded[configuration.model]:
                spreads[configuration.model] = [NO_SEED]
            elif sum(run.run in self._values for run in configuration.runs) < 2:
                continue  # one seed says nothing, and most configurations have no more
            elif (spread := spread_of(_matrix(self._wide(configuration)))) is not None:
                spreads.setdefault(configuration.model, []).append(spread)
        return {model: spread for model, found in spreads.items() if (spread := pooled_spread(found)) is not None}


def is_seeded(model: str) -> bool:
    """Tell whether a model's fit depends on its seed; one that is not installed may."""
    with suppress(InputError):
        return bool(model_class(model).seeded)
    return True


def corrected(comparisons: Mapping[int, Comparison]) -> dict[int, Comparison]:
    """Return comparisons with p-values corrected for how many there are."""
    tested = {key: c.p_value for key, c in comparisons.items() if c.p_value is not None}
    p_holm = dict(zip(tested, holm(list(tested.values())).tolist(), strict=True))
    return {key: replace(c, p_holm=p_holm.get(key)) for key, c in comparisons.items()}


def _matrix(wide: pl.DataFrame) -> Floats:
    values: Floats = wide.drop("unit").to_numpy().T.astype(np.float64)
    return values

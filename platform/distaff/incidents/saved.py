"""The files of a saved diagnoser, those of 0.1 among them: its diagnoses, the cases it has seen, and what was normal."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from distaff.incidents.rankings import Cause, Diagnosis, LearnedEdge
from distaff.stats.moments import ChannelMoments

_NORMAL = "normal/"  # before the name of a metric, a tensor's name
_DIAGNOSES, _CASES = "diagnoses.json", "cases.json"
_NORMAL_0_1 = "normal.json"  # one more up to 0.1
_MOMENTS = ("mean", "std", "mean_error", "spread_error", "blocks")


def write(folder: Path, diagnoses: Sequence[Diagnosis], cases: Collection[str]) -> tuple[str, ...]:
    """Write the diagnoses and the digests of cases, and return the files' names."""
    (folder / _DIAGNOSES).write_text(json.dumps([asdict(diagnosis) for diagnosis in diagnoses]))
    (folder / _CASES).write_text(json.dumps(sorted(cases)))
    return (_DIAGNOSES, _CASES)


def read_diagnoses(folder: Path) -> tuple[Diagnosis, ...]:
    """Return the diagnoses; none where there is no such file."""
    return tuple(map(_diagnosis, _read(folder / _DIAGNOSES, [])))


def read_cases(folder: Path) -> frozenset[str]:
    """Return the digests of cases; none where there is no such file."""
    return frozenset(_read(folder / _CASES, []))


def read_normal(folder: Path) -> dict[str, ChannelMoments]:
    """Return what is normal of each metric as 0.1 wrote it; later it is among the tensors."""
    return {metric: ChannelMoments(**moments) for metric, moments in _read(folder / _NORMAL_0_1, {}).items()}


def tensors_of(normal: Mapping[str, ChannelMoments]) -> dict[str, Tensor]:
    """Return what is normal of each metric: mean, spread, both's errors, and blocks, ``(5,)`` by ``normal/METRIC``."""
    return {
        _NORMAL + name: torch.tensor([float(getattr(moments, field)) for field in _MOMENTS], dtype=torch.float64)
        for name, moments in normal.items()
    }


def normal_of(tensors: Mapping[str, Tensor]) -> dict[str, ChannelMoments]:
    """Return what :func:`tensors_of` was given, from tensors that it may stand among."""
    normal = {}
    for name, tensor in tensors.items():
        if name.startswith(_NORMAL):
            mean, std, mean_error, spread_error, blocks = tensor.tolist()
            moments = ChannelMoments(mean, std, mean_error, spread_error, int(blocks))
            normal[name.removeprefix(_NORMAL)] = moments
    return normal


def _read(file: Path, otherwise: Any) -> Any:
    return json.loads(file.read_text()) if file.is_file() else otherwise


def _diagnosis(row: dict[str, Any]) -> Diagnosis:
    """Return a diagnosis from its JSON; 0.1 called an edge's subgraph its part."""
    causes = (Cause(**{**c, "path": tuple(c["path"]), "new_edges": tuple(c["new_edges"])}) for c in row["causes"])
    edges = (
        LearnedEdge(e["source"], e["target"], e["subgraph"] if "subgraph" in e else e["part"], e["weight"])
        for e in row["edges"]
    )
    likely = row.get("likely")
    head = (
        *(row.get("graph"), tuple(row.get("warnings", ())), None if likely is None else tuple(likely)),
        tuple(row.get("changes", ())),
        row.get("p_value"),
    )
    return Diagnosis(row["case"], tuple(causes), row["trigger"], tuple(row["alarms"]), tuple(edges), *head)

"""Places of the metrics of a causal graph: the KPI at the right, every cause left of what it acts on."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

_SWEEPS = 4


@dataclass(frozen=True)
class Layout:
    """The subgraph of a causal graph that is drawn.

    Attributes:
        places: ``x, y`` of each metric: hops to the KPI, negative; place within its column, around 0.
        edges: ``source, target, part, weight`` of each edge between them, and of the steps of paths that are no edge of it.
    """

    places: Mapping[str, tuple[int, float]]
    edges: Sequence[Mapping[str, Any]]


def layout(kpi: str | None, causes: Sequence[Mapping[str, Any]], edges: Iterable[Mapping[str, Any]]) -> Layout:
    """Return columns by the fewest hops to the KPI, ordered within so that neighbours are level with one another.

    Args:
        kpi: The metric that shows the incident.
        causes: Rows with ``metric`` and ``path``; the metrics of all of them are drawn.
        edges: The causal graph; edges between drawn metrics are kept.
    """
    metrics = dict.fromkeys([*([kpi] if kpi else []), *(m for c in causes for m in (*c["path"], c["metric"]))])
    among = {
        (e["source"], e["target"], e["part"]): e for e in edges if e["source"] in metrics and e["target"] in metrics
    }
    joined = {(source, target) for source, target, _ in among}
    steps = {step for c in causes for step in pairwise(c["path"])} - joined
    edges = [*among.values(), *({"source": s, "target": t, "part": "path", "weight": None} for s, t in sorted(steps))]
    hops = _hops(kpi, list(metrics), edges)
    return Layout(_places(hops, edges), edges)


def _hops(kpi: str | None, metrics: Sequence[str], edges: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Return the fewest edges to the KPI; one column further out than all others for metrics without a way to it."""
    causes_of = defaultdict(list)
    for edge in edges:
        causes_of[edge["target"]].append(edge["source"])
    hops = {kpi: 0} if kpi in metrics else {}
    queue = deque(hops)
    while queue:
        target = queue.popleft()
        for source in causes_of[target]:
            if source not in hops:
                hops[source] = hops[target] + 1
                queue.append(source)
    last = max(hops.values(), default=-1) + 1
    return {metric: hops.get(metric, last) for metric in metrics}


def _places(hops: Mapping[str, int], edges: Sequence[Mapping[str, Any]]) -> dict[str, tuple[int, float]]:
    """Return the places: the neighbours' mean height orders each column (Sugiyama's barycentres), over a few sweeps."""
    columns = defaultdict(list)
    near = defaultdict(list)
    for metric, hop in hops.items():
        columns[hop].append(metric)
    for edge in edges:
        near[edge["source"]].append(edge["target"])
        near[edge["target"]].append(edge["source"])
    height = {m: _spread(i, len(column)) for column in columns.values() for i, m in enumerate(column)}
    for _ in range(_SWEEPS):
        for hop in sorted(columns):
            middle = {m: sum(height[n] for n in near[m]) / len(near[m]) if near[m] else height[m] for m in columns[hop]}
            columns[hop].sort(key=middle.__getitem__)
            height.update({m: _spread(i, len(columns[hop])) for i, m in enumerate(columns[hop])})
    return {metric: (-hop, height[metric]) for metric, hop in hops.items()}


def _spread(place: int, size: int) -> float:
    return place - (size - 1) / 2

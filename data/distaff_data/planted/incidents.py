"""Incidents with planted causes: a structural vector autoregression that changes state when one of its parts fails.

Metrics form a connected acyclic graph whose single sink is the KPI (the design of CIRCA's simulator, Li et al., KDD 2022,
extended). Edges act within a row or some rows later:

    x_t = A' x_t + sum_l B_l' x_{t-l} + season_t + e_t

At the onset the system goes over to a second state: a fault changes one metric's own mechanism, and some of the failing
metric's outgoing edges disappear or appear, while all other edges stay. Both edge sets are stored, so that a graph
learner can be scored on each. A fault is made as strong as it takes to move the KPI by three standard deviations, judged
against the same noise without the fault; in some cases it is left so weak that the KPI does not show it: negatives.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from distaff_data.arrays import Bools, Floats, Ints
from distaff_data.datasets.incidents import Case, Incidents, TrueEdge
from distaff_data.errors import InputError

FAULTS = ("shift", "scale", "weight", "freeze", "delay")
_METRICS = ("cpu", "memory", "latency", "errors", "requests", "disk")
_WARM_UP = 100  # rows simulated and thrown away, so that no case begins at rest
_MEMORY = 0.3  # how much of its last value a metric keeps
_EXPLAINED = 0.6  # share of a metric's variance that its causes explain, about
_SEEN, _UNSEEN = 3.0, 0.5  # deviations of the KPI, in standard deviations, that show and that do not
_DOUBLINGS = 12
_DELAY = 10  # rows by which a delayed metric comes late


@dataclass(frozen=True)
class IncidentsParameters:
    """Parameters of planted incidents; see :func:`planted_incidents`."""

    n_cases: int
    n_entities: int
    metrics_per_entity: int
    n_lags: int
    n_normal: int
    n_fault: int
    edges_per_metric: float
    lagged_share: float
    changed_edges: int
    ramp_share: float
    invisible_share: float
    season: float
    missing: float
    step: float
    seed: int

    def __post_init__(self) -> None:
        for name, least in (("n_cases", 1), ("n_entities", 2), ("metrics_per_entity", 1), ("n_lags", 1)):
            if getattr(self, name) < least:
                raise InputError(f"must be {least} or more", column=name, value=getattr(self, name))
        for name in ("n_normal", "n_fault"):
            if getattr(self, name) < 20:
                raise InputError("must be 20 or more rows", column=name, value=getattr(self, name))
        for name in ("lagged_share", "ramp_share", "invisible_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError("must lie between 0 and 1", column=name, value=getattr(self, name))
        for name in ("edges_per_metric", "changed_edges", "season"):
            if not getattr(self, name) >= 0:
                raise InputError("must be 0 or more", column=name, value=getattr(self, name))
        if not 0 <= self.missing < 0.5:
            raise InputError("must lie between 0 and 0.5", column="missing", value=self.missing)
        if not self.step > 0:
            raise InputError("must be above 0", column="step", value=self.step)

    @property
    def n_metrics(self) -> int:
        """Metrics of all entities, and the KPI."""
        return self.n_entities * self.metrics_per_entity + 1


@dataclass(frozen=True)
class _Faults:
    """One fault a case: everything ``(n_cases,)`` except the two states' edges ``(n_cases, L + 1, n, n)``."""

    root: Ints
    kind: Ints
    visible: Floats
    onset: Ints
    ramp: Ints
    weights: Floats
    after: Floats


def planted_incidents(
    *,
    n_cases: int = 20,
    n_entities: int = 8,
    metrics_per_entity: int = 2,
    n_lags: int = 2,
    n_normal: int = 600,
    n_fault: int = 300,
    edges_per_metric: float = 2.0,
    lagged_share: float = 0.5,
    changed_edges: int = 3,
    ramp_share: float = 0.3,
    invisible_share: float = 0.1,
    season: float = 0.3,
    missing: float = 0.0,
    step: float = 1.0,
    seed: int = 0,
    dataset: str = "planted-incidents",
) -> Incidents:
    """Plant incidents.

    Args:
        n_cases: Incidents; the graph is the same for all, what fails and what changes is not.
        n_entities: Entities besides that of the KPI.
        metrics_per_entity: Metrics of each.
        n_lags: Largest number of rows between cause and effect.
        n_normal: Rows before the onset, give or take a tenth.
        n_fault: Rows from the onset on, give or take as many.
        edges_per_metric: Mean number of causes of a metric.
        lagged_share: Share of edges that act in a later row.
        changed_edges: Outgoing edges of the failing metric that appear or disappear with the fault, at most.
        ramp_share: Share of faults that build up over a tenth of the faulty rows and do not set in at once.
        invisible_share: Share of faults that stay below what the KPI shows.
        season: Amplitude of a common slow cycle, in standard deviations of the noise.
        missing: Share of measurements that are lost.
        step: Seconds between rows.
        seed: Seed of everything.
        dataset: Name of the result.

    Raises:
        InputError: A parameter out of its range.
    """
    parameters = IncidentsParameters(**{name: value for name, value in locals().items() if name != "dataset"})
    rng = np.random.default_rng(np.random.SeedSequence([seed, 2]))
    edges = _draw_edges(parameters, rng)
    faults = _draw_faults(parameters, edges, rng)
    noise, cycle = _draw_noise(parameters, rng)
    strength = _calibrate(parameters, faults, noise, cycle)
    values = _simulate(faults, noise, cycle, strength)
    columns = _columns(parameters)
    scale = rng.lognormal(0.0, 2.0, parameters.n_metrics)  # a unit for each metric: its size must tell nothing
    offset = scale * rng.uniform(-20.0, 20.0, parameters.n_metrics)
    values = offset + scale * values
    values[rng.random(values.shape) < missing] = np.nan
    times: Floats = step * np.arange(values.shape[1], dtype=np.float64)
    cases = tuple(
        Case(
            name=f"c{i + 1:03}",
            columns=columns,
            times=times,
            values=values[i],
            onset=float(times[faults.onset[i]]),
            kpi=0,
            roots=(columns[faults.root[i]].partition("|")[0],),
            root_columns=(columns[faults.root[i]],),
            group=FAULTS[faults.kind[i]],
            visible=bool(faults.visible[i]),
        )
        for i in range(n_cases)
    )
    return Incidents(dataset, cases, truth=_truth(cases, faults))


def _columns(parameters: IncidentsParameters) -> tuple[str, ...]:
    per = parameters.metrics_per_entity
    names = [_METRICS[m] if m < len(_METRICS) else f"metric{m}" for m in range(per)]
    return ("entry|latency", *(f"service{e + 1:02}|{name}" for e in range(parameters.n_entities) for name in names))


def _draw_edges(parameters: IncidentsParameters, rng: np.random.Generator) -> Floats:
    """Return weights ``(L + 1, n, n)``, row causes column; metric i causes only earlier ones, and 0 is the only sink."""
    n = parameters.n_metrics
    n_edges = max(round(parameters.edges_per_metric * n), n - 1)
    present = np.zeros((n, n), dtype=bool)
    effects = rng.integers(0, np.arange(1, n))  # one effect each connects everything to the KPI
    present[np.arange(1, n), effects] = True
    absent = np.argwhere(np.tril(np.ones((n, n), dtype=bool), -1) & ~present)
    for source, target in absent[rng.permutation(len(absent))[: n_edges - (n - 1)]]:
        present[source, target] = True
    return _weigh(present, parameters, rng)


def _weigh(present: Bools, parameters: IncidentsParameters, rng: np.random.Generator) -> Floats:
    """Return signed weights of 0.5 to 2 at one lag each, scaled so that causes explain a like share of every metric."""
    n = len(present)
    weights = np.zeros((parameters.n_lags + 1, n, n))
    source, target = np.nonzero(present)
    lagged = rng.random(len(source)) < parameters.lagged_share
    lag = np.where(lagged, rng.integers(1, parameters.n_lags + 1, len(source)), 0)
    size = rng.uniform(0.5, 2.0, len(source)) * rng.choice([-1.0, 1.0], len(source))
    weights[lag, source, target] = size
    total = np.sqrt((weights**2).sum(axis=(0, 1)))
    weights *= np.sqrt(_EXPLAINED / (1 - _EXPLAINED)) / np.where(total > 0, total, 1.0)
    return weights


def _draw_faults(parameters: IncidentsParameters, edges: Floats, rng: np.random.Generator) -> _Faults:
    n, cases = parameters.n_metrics, parameters.n_cases
    present = (edges != 0).any(axis=0)
    caused = np.flatnonzero(present.any(axis=0) & (np.arange(n) > 0))
    kind = rng.permutation(np.arange(cases) % len(FAULTS))
    root = rng.integers(1, n, cases)
    if len(caused):  # only a metric with causes can weigh them wrongly
        root = np.where(kind == FAULTS.index("weight"), rng.choice(caused, cases), root)
    else:
        kind = np.where(kind == FAULTS.index("weight"), FAULTS.index("shift"), kind)
    after = np.repeat(edges[None], cases, axis=0)
    for case in range(cases):
        _change_edges(after[case], root[case], parameters, rng)
    jitter = max(min(parameters.n_normal, parameters.n_fault) // 10, 1)
    n_ramp = max(parameters.n_fault // 10, 1)
    return _Faults(
        root=root,
        kind=kind,
        visible=(rng.random(cases) >= parameters.invisible_share).astype(float),
        onset=parameters.n_normal + rng.integers(-jitter, jitter + 1, cases),
        ramp=np.where(rng.random(cases) < parameters.ramp_share, n_ramp, 1),
        weights=edges,
        after=after,
    )


def _change_edges(after: Floats, root: int, parameters: IncidentsParameters, rng: np.random.Generator) -> None:
    """Let some of the failing metric's edges disappear, but never the last one, and others appear, in place."""
    targets = np.flatnonzero((after[:, root] != 0).any(axis=0))
    absent = np.setdiff1d(np.arange(root), targets)
    n_gone = min(int(rng.integers(0, parameters.changed_edges + 1)), len(targets) - 1)
    after[:, root, rng.permutation(targets)[:n_gone]] = 0.0
    for target in rng.permutation(absent)[: parameters.changed_edges - n_gone]:
        lag = int(rng.integers(1, parameters.n_lags + 1)) if rng.random() < parameters.lagged_share else 0
        after[lag, root, target] = rng.uniform(0.5, 1.0) * rng.choice([-1.0, 1.0])


def _draw_noise(parameters: IncidentsParameters, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return the noise ``(n_cases, rows, n)`` and the cycle ``(rows, n)``; the warm-up comes first."""
    n, rows = parameters.n_metrics, _WARM_UP + parameters.n_normal + parameters.n_fault
    noise = rng.standard_normal((parameters.n_cases, rows, n))
    period = (parameters.n_normal + parameters.n_fault) / rng.uniform(3.0, 6.0)
    phase = rng.uniform(0.0, 2 * np.pi, n)
    cycle = parameters.season * np.sin(2 * np.pi * np.arange(rows)[:, None] / period + phase)
    return noise, cycle


def _calibrate(parameters: IncidentsParameters, faults: _Faults, noise: Floats, cycle: Floats) -> Floats:
    """Return each fault's strength: doubled until the KPI shows it, or halved until it does not, where so chosen.

    A delay has no strength; whether it shows is what it is. ``faults.visible`` is set to what came out.
    """
    calm = _simulate(faults, noise, cycle, None)[:, :, 0]
    spread = calm[:, : faults.onset.min()].std()
    graded = faults.kind != FAULTS.index("delay")
    visible = faults.visible > 0
    strength = np.full(parameters.n_cases, 2.0)
    for attempt in range(_DOUBLINGS + 1):
        moved = np.abs(_simulate(faults, noise, cycle, strength)[:, :, 0] - calm) / spread
        peak = np.quantile(moved[:, faults.onset.max() :], 0.75, axis=1)
        too_weak, too_strong = graded & visible & (peak < _SEEN), graded & ~visible & (peak > _UNSEEN)
        if attempt == _DOUBLINGS or not (too_weak | too_strong).any():
            break
        strength = np.where(too_weak, 2 * strength, np.where(too_strong, strength / 2, strength))
    faults.visible[:] = peak > (_SEEN + _UNSEEN) / 2
    return strength


def _simulate(faults: _Faults, noise: Floats, cycle: Floats, strength: Floats | None) -> Floats:
    """Return the values ``(n_cases, rows, n)`` without the warm-up; no fault at all when ``strength`` is None.

    A row depends on the rows before, so rows are a loop; cases are not. A fault of any kind adds to its metric the gap
    between what the metric shows and what its mechanism would give.
    """
    cases, rows, n = noise.shape
    lags = len(faults.weights) - 1
    each = np.arange(cases)
    total = [
        np.linalg.inv(np.eye(n) - w) for w in (np.broadcast_to(faults.weights[0], (cases, n, n)), faults.after[:, 0])
    ]
    lagged = [np.broadcast_to(faults.weights[1:], (cases, lags, n, n)), faults.after[:, 1:]]
    values = np.zeros((cases, rows + lags, n))
    due = np.zeros((cases, rows))
    for row in range(rows):
        age = row - _WARM_UP - faults.onset
        on = np.zeros(cases, dtype=bool) if strength is None else age >= 0
        past = values[:, row : row + lags][:, ::-1]  # one row before comes first
        effects = np.where(on[:, None, None], total[1], total[0])
        causes = np.where(on[:, None, None, None], lagged[1], lagged[0])
        alone = noise[:, row] + cycle[row] + _MEMORY * past[:, 0]  # what a metric without causes would show
        now = np.einsum("cn,cnm->cm", alone + np.einsum("cln,clnm->cm", past, causes), effects)
        due[:, row] = now[each, faults.root]
        if strength is not None and on.any():
            level = strength * np.clip((age + 1) / faults.ramp, 0.0, 1.0)
            held = values[each, faults.onset + _WARM_UP + lags - 1, faults.root]
            late = due[each, np.maximum(row - np.clip(age, 0, _DELAY), 0)]
            value = due[:, row]
            gaps = {
                "shift": level,
                "scale": level * noise[each, row, faults.root],
                "weight": level * (value - alone[each, faults.root]),
                "freeze": held + level - value,
                "delay": late - value,
            }
            gap = np.stack([gaps[fault] for fault in FAULTS])[faults.kind, each]
            now = now + (on * gap)[:, None] * effects[each, faults.root]
        values[:, row + lags] = now
    return values[:, lags + _WARM_UP :]


def _truth(cases: tuple[Case, ...], faults: _Faults) -> tuple[TrueEdge, ...]:
    edges = []
    for case, after in zip(cases, faults.after, strict=True):
        either = np.maximum(np.abs(faults.weights), np.abs(after))
        for lag, source, target in np.argwhere(either > 0):
            first, second = faults.weights[lag, source, target], after[lag, source, target]
            state = "kept" if first == second else "gone" if second == 0 else "new"
            names = case.columns[source], case.columns[target]
            edges.append(TrueEdge(case.name, *names, int(lag), state, float(second or first)))
    return tuple(edges)

"""Planted incidents of several kinds: services that call one another, a process that is controlled, a machine of signals.

They are simulated as such systems behave and not as any ranking assumes. In each case one thing fails; what else moves is
its consequence.

* **Services**: a call graph, load that varies over the day and from row to row; latencies and errors travel to callers, and
  a slow entry keeps users away, so that traffic falls everywhere. Faults: cpu, memory, disk, delay, loss, crash, code.
* **Process**: loops of a level, a flow, a valve and a pump that follow a daily demand, each loop fed by the one before;
  every sensor is an entity. Faults: an offset, a drift, a dead sensor, a pump that stops, a valve that no longer follows.
* **Machine**: signals of 0 and 1 in a cycle, each the delayed effect of another, and alarms that never rang. Faults: a
  signal that sticks or that changes for the first time; its effects follow, alarms ring, and the machine stops.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from distaff_data.arrays import Bools, Floats, Ints
from distaff_data.datasets.dependencies import read_as
from distaff_data.datasets.incidents import Case, Edge, Incidents

SERVICE_FAULTS = ("cpu", "memory", "disk", "delay", "loss", "crash", "code")
PROCESS_FAULTS = ("offset", "drift", "dead", "pump", "valve")
_SERVICE_METRICS = ("cpu", "memory", "disk", "sockets", "requests", "latency", "errors")
_DAY_ROWS = 240  # rows of a simulated day


@dataclass(frozen=True)
class Shape:
    """The size of the cases of a family.

    Attributes:
        n_cases: Incidents.
        n_normal: Rows before the onset.
        n_fault: Rows from the onset on.
        step: Seconds between rows.
        missing: Share of measurements that are lost.
        kpi: ``inside`` of the graph, ``outside``, or ``none``.
    """

    n_cases: int = 30
    n_normal: int = 300
    n_fault: int = 150
    step: float = 1.0
    missing: float = 0.0
    kpi: str = "inside"


def services(
    shape: Shape, *, n_services: int = 8, metrics: tuple[str, ...] = _SERVICE_METRICS, seed: int = 0
) -> Incidents:
    """Return incidents of services with their call graph, read as calls."""
    rng = np.random.default_rng([seed, 11])
    calls = _calls(n_services, rng)
    cases = []
    for number in range(shape.n_cases):
        fault = SERVICE_FAULTS[number % len(SERVICE_FAULTS)]
        root = int(rng.integers(0 if shape.kpi == "outside" else 1, n_services))
        measured, users = _serve(shape, calls, fault, root, rng)
        names = [f"service{s:02}|{metric}" for s in range(n_services) for metric in metrics]
        values = np.column_stack([measured[metric][:, s] for s in range(n_services) for metric in metrics])
        kpi = names.index("service00|latency") if shape.kpi == "inside" else None
        if shape.kpi == "outside":
            names, values, kpi = [*names, "users|latency"], np.column_stack([values, users]), len(names)
        cases.append(_case(number, names, values, shape, kpi, (f"service{root:02}",), fault, rng))
    edges = tuple(Edge(f"service{i:02}", f"service{j:02}") for i, j in np.argwhere(calls > 0))
    return read_as(Incidents("services", tuple(cases), edges), "calls")


def process(shape: Shape, *, n_loops: int = 6, seed: int = 0) -> Incidents:
    """Return incidents of a controlled process and its causal graph; every sensor is an entity."""
    rng = np.random.default_rng([seed, 12])
    names = [f"{kind}{i}|value" for i in range(n_loops) for kind in ("level", "flow", "valve", "pump")]
    cases = []
    for number in range(shape.n_cases):
        fault = PROCESS_FAULTS[number % len(PROCESS_FAULTS)]
        loop = int(rng.integers(0, n_loops))
        place = {"offset": 0, "drift": 0, "dead": 1, "pump": 3, "valve": 2}[fault]
        values = _run(shape, n_loops, fault, loop, rng)
        kpi = 4 * (n_loops - 1) + 1 if shape.kpi == "inside" and loop < n_loops - 1 else None
        root = names[4 * loop + place].partition("|")[0]
        cases.append(_case(number, names, values, shape, kpi, (root,), fault, rng))
    edges = [(f"level{i}", f"valve{i}") for i in range(n_loops)]
    edges += [edge for i in range(n_loops) for edge in ((f"valve{i}", f"flow{i}"), (f"pump{i}", f"flow{i}"))]
    edges += [(f"flow{i}", f"level{i + 1}") for i in range(n_loops - 1)]
    return Incidents("process", tuple(cases), tuple(Edge(*edge) for edge in edges))


def machine(shape: Shape, *, n_signals: int = 20, n_alarms: int = 4, seed: int = 0) -> Incidents:
    """Return incidents of a machine of signals and alarms and its causal graph."""
    rng = np.random.default_rng([seed, 13])
    causes = np.array([-1 if i < 2 else int(rng.integers(0, i)) for i in range(n_signals)])
    resting = rng.random(n_signals) < 0.3  # switches that never move as long as all is well
    resting[:2] = False
    guard = rng.integers(2, n_signals, n_alarms)  # the signal that each alarm watches
    names = [f"signal{i:02}|value" for i in range(n_signals)] + [f"alarm{i}|value" for i in range(n_alarms)]
    cases = []
    for number in range(shape.n_cases):
        alarm = int(rng.integers(0, n_alarms))
        root = int(guard[alarm])
        while causes[root] >= 2 and rng.random() < 0.5:
            root = int(causes[root])
        values = _operate(shape, causes, resting, guard, root, rng)
        kpi = n_signals + alarm if shape.kpi == "inside" else None
        cases.append(_case(number, names, values, shape, kpi, (names[root].partition("|")[0],), "signal", rng))
    edges = [(f"signal{cause:02}", f"signal{i:02}") for i, cause in enumerate(causes) if cause >= 0]
    edges += [(f"signal{signal:02}", f"alarm{i}") for i, signal in enumerate(guard)]
    return Incidents("machine", tuple(cases), tuple(Edge(*edge) for edge in edges))


def _case(
    number: int, names: list[str], values: Floats, shape: Shape, kpi: int | None, roots: tuple[str, ...], group: str,
    rng: np.random.Generator,
) -> Case:  # fmt: skip
    values = np.where(rng.random(values.shape) < shape.missing, np.nan, values)
    times: Floats = shape.step * np.arange(len(values), dtype=np.float64)
    onset = float(times[shape.n_normal])
    return Case(f"c{number:03}", tuple(names), times, values, onset, kpi, roots, group=group)


def _calls(n: int, rng: np.random.Generator) -> Floats:
    """Return calls per request ``(caller, called)``: a tree from service 0 and a third as many calls beside it."""
    calls = np.zeros((n, n))
    for called in range(1, n):
        calls[rng.integers(0, called), called] = rng.uniform(0.3, 1.0)
    for _ in range(n // 3):
        caller, called = sorted(rng.choice(n, 2, replace=False))
        calls[caller, called] = rng.uniform(0.3, 1.0)
    return calls


def _walk(rows: int, columns: int, memory: float, rng: np.random.Generator) -> Floats:
    """Return autoregressive noise of unit spread, heavy in the tails, ``(rows, columns)``."""
    steps = np.clip(rng.standard_t(4, (rows, columns)), -8, 8) / np.sqrt(2)
    out = np.zeros((rows, columns))
    for row in range(rows):
        out[row] = memory * out[row - 1] + np.sqrt(1 - memory**2) * steps[row]
    return out


def _serve(
    shape: Shape, calls: Floats, fault: str, root: int, rng: np.random.Generator
) -> tuple[dict[str, Floats], Floats]:
    """Return each metric of services ``(rows, services)``, and the latency that users see."""
    n, rows = len(calls), shape.n_normal + shape.n_fault
    on = np.arange(rows) >= shape.n_normal
    ramp = np.clip((np.arange(rows) - shape.n_normal + 1) / max(1, shape.n_fault // 3), 0, 1)
    size = float(rng.lognormal(0.0, 0.5))
    day = np.sin(2 * np.pi * np.arange(rows) / _DAY_ROWS + rng.uniform(0, 6))
    load = np.exp(0.3 * day + 0.15 * _walk(rows, 1, 0.9, rng)[:, 0])
    own = np.exp(0.12 * _walk(rows, n, 0.3, rng)) * rng.lognormal(2.0, 0.7, n)
    failing = np.exp(-4.5 + 0.5 * _walk(rows, n, 0.5, rng))  # share of requests that fail by themselves
    if fault in ("cpu", "memory", "disk", "delay", "loss"):
        slower = {"cpu": 0.6, "memory": 0.25, "disk": 0.4, "delay": 2.0, "loss": 0.8}[fault] * size
        own[:, root] *= 1 + slower * (ramp if fault == "memory" else on)
    if fault in ("loss", "crash", "code"):
        share = np.clip({"loss": 0.1, "crash": 1.0, "code": 0.3}[fault] * size, 0, 1)
        failing[:, root] = np.where(on, share, failing[:, root])
    latency, failed = own.copy(), failing.copy()
    for service in reversed(range(n)):  # callers come before those they call
        latency[:, service] += latency @ calls[service]
        failed[:, service] = 1 - (1 - failed[:, service]) * np.prod(1 - 0.7 * failed * (calls[service] > 0), axis=1)
    normal = latency[: shape.n_normal, 0].mean()
    load = load / (1 + 0.3 * np.maximum(latency[:, 0] / normal - 1, 0))  # slow answers keep users away
    share = np.zeros(n)
    share[0] = 1.0
    for service in range(n):
        share += share[service] * calls[service]
    requests = 100 * load[:, None] * share * np.exp(0.05 * _walk(rows, n, 0.0, rng))
    idle, needs = rng.uniform(2, 10, n), rng.uniform(0.05, 0.3, n)
    cpu = (idle + needs * requests) * np.exp(0.08 * _walk(rows, n, 0.5, rng))
    memory = rng.lognormal(6, 0.5, n) * (1 + 0.02 * _walk(rows, n, 0.995, rng)) + 0.02 * requests
    # Half of the disks are idle but for rare bursts, and some things go wrong that have nothing to do with it.
    bursts = (rng.random((rows, n)) < np.where(rng.random(n) < 0.5, 0.02, 1.0)) * np.exp(0.5 * _walk(rows, n, 0.2, rng))
    disk = rng.lognormal(1, 1, n) * bursts
    cpu *= np.where(rng.random((rows, n)) < 0.003, rng.uniform(2, 4, (rows, n)), 1)
    if fault == "cpu":
        cpu[:, root] += on * size * 0.6 * cpu[: shape.n_normal, root].mean()
    elif fault == "memory":
        memory[:, root] *= 1 + 0.4 * size * ramp
    elif fault == "disk":
        busy = 3 * size + disk[:, root].max()
        disk[:, root] = np.where(on, busy * own[:, root] / own[:, root].mean(), disk[:, root])
    elif fault == "crash":
        cpu[:, root] *= np.where(on, 0.05, 1)
        requests[:, root] *= np.where(on, 0.02, 1)
    counted = rng.poisson(np.clip(requests * failed, 0, None))
    sockets = np.round(2 + requests * latency / 300 * np.exp(0.1 * _walk(rows, n, 0.3, rng)))
    answer = {"cpu": cpu, "memory": memory, "disk": disk, "sockets": sockets, "requests": requests}
    users = latency[:, 0] * np.exp(0.1 * _walk(rows, 1, 0.2, rng)[:, 0]) + 20
    return answer | {"latency": latency, "errors": counted.astype(float)}, users


def _run(shape: Shape, n_loops: int, fault: str, loop: int, rng: np.random.Generator) -> Floats:
    """Return level, flow, valve and pump of every loop, ``(rows, 4 n_loops)``."""
    rows, size = shape.n_normal + shape.n_fault, float(rng.lognormal(0.0, 0.4))
    level, pump, stuck = np.full(n_loops, 5.0), np.ones(n_loops), 0.5
    noise, demands = 0.03 * _walk(rows, 3 * n_loops, 0.2, rng), _walk(rows, 1, 0.8, rng)[:, 0]
    shown: Floats = np.zeros((rows, 4 * n_loops))
    phase = rng.uniform(0, 6)
    for row in range(rows):
        age = row - shape.n_normal
        demand = 1 + 0.3 * np.sin(2 * np.pi * row / _DAY_ROWS + phase) + 0.05 * demands[row]
        seen = level + noise[row, :n_loops]
        if age >= 0 and fault == "offset":
            seen[loop] += 0.8 * size
        elif age >= 0 and fault == "drift":
            seen[loop] += 1.5 * size * min(1.0, age / shape.n_fault)
        pump = np.where(seen < 4.2, 1.0, np.where(seen > 6.2, 0.0, pump))
        valve = np.clip(0.5 + 0.3 * (seen - 5) + noise[row, 2 * n_loops :], 0, 1)
        if age >= 0 and fault == "pump":
            pump[loop] = 0.0
        if age >= 0 and fault == "valve":
            valve[loop] = stuck
        stuck = valve[loop] if age < 0 else stuck
        flow = valve * (1 + 0.5 * pump) * np.sqrt(np.maximum(level, 0)) * 0.6 + noise[row, n_loops : 2 * n_loops]
        inflow = np.concatenate([[demand], flow[:-1]])
        level = np.clip(level + 0.1 * (inflow - flow), 0, 10)
        if age >= 0 and fault == "dead":
            flow = np.where(np.arange(n_loops) == loop, 0.0, flow)
        shown[row] = np.column_stack([seen, flow, valve, pump]).ravel()
    return shown


def _operate(shape: Shape, causes: Ints, resting: Bools, guard: Ints, root: int, rng: np.random.Generator) -> Floats:
    """Return signals and alarms ``(rows, n)``."""
    n, rows = len(causes), shape.n_normal + shape.n_fault
    period, delay = rng.integers(12, 40, 2), rng.integers(0, 4, n)
    away = np.zeros((rows, n), dtype=bool)  # from what a signal would be without the fault
    value = np.zeros((rows, n))
    stopped, stop = False, shape.n_normal + int(rng.integers(8, 20))
    wrong = rng.integers(0, 2)
    for row in range(rows):
        stopped = row >= stop
        for i in range(n):
            if causes[i] < 0:
                value[row, i] = value[row - 1, i] if stopped else float((row // period[i]) % 2)
                continue
            before = max(row - int(delay[i]), 0)
            value[row, i] = 0.0 if resting[i] else value[before, causes[i]]
            away[row, i] = away[before, causes[i]] and (resting[i] or not resting[causes[i]])
            if resting[i] and away[row, i]:
                value[row, i] = 1.0
            if i == root and row >= shape.n_normal:
                value[row, i] = 1.0 if resting[i] else float(wrong)
                away[row, i] = resting[i] or value[row, i] != value[before, causes[i]] or away[row - 1, i]
    watched = away[:, guard]
    rings = np.maximum.accumulate(watched, axis=0)
    late = rng.integers(1, 6, len(guard))
    alarms = np.column_stack([np.r_[np.zeros(k, bool), rings[:-k, i]] for i, k in enumerate(late)])
    return np.hstack([value, alarms.astype(float)])

"""Distaff alone on a device: ``python benchmarks/devices.py [NAME ...] --device cuda [--data DIR] [--json] [--save]``.

Epochs and steps of the models that train, and ranking by vectors that lie on the device. Everything is prepared first and
done once untimed; the clock is read when the device is done. Seconds are medians; ``peak_gb`` is the most memory that the
device held, of a GPU. Published beside it: an epoch of DCCF in 12.4 s on an RTX 3090 (Ren et al., SIGIR 2023, Gowalla).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from benchmarks import gowalla, results
from benchmarks.speeds import dgvae_step, evaluate, timedrl_step
from benchmarks.stepping import epochs, stepper

from distaff.model.fitting import pick_device
from distaff.ranking.metrics import best_items, exclusion
from distaff.ranking.metrics import evaluate as measure
from distaff.ranking.products import Products
from distaff_graph.collaborative.dccf import DCCF
from distaff_graph.collaborative.lightgcn import LightGCN
from distaff_graph.dgvae.models import DGVAE

ROOT = Path(__file__).resolve().parents[1]
REPEATS = 5
Timed = Callable[[Path, torch.device], Callable[[], object]]


def dccf_epoch(data: Path, device: torch.device) -> Callable[[], object]:
    """Return an epoch of DCCF on Gowalla with its published sizes."""
    (train,) = gowalla.read(data, "train")
    return epochs(DCCF(), train, device)


def lightgcn_epoch(data: Path, device: torch.device) -> Callable[[], object]:
    """Return an epoch of LightGCN on Gowalla."""
    (train,) = gowalla.read(data, "train")
    return epochs(LightGCN(), train, device)


def a_dgvae_step(data: Path, device: torch.device) -> Callable[[], object]:
    """Return a step of DGVAE at the sizes of Amazon Baby."""
    train, content = dgvae_step.generated()
    return stepper(DGVAE(batch_size=dgvae_step.BATCH), train, content, device)


def a_timedrl_step(data: Path, device: torch.device) -> Callable[[], object]:
    """Return a step of TimeDRL at its published sizes on ETTh1."""
    return timedrl_step.stepped(data, "float32", device.type)


def evaluation(data: Path, device: torch.device) -> Callable[[], object]:
    """Return Recall and NDCG of all users of Gowalla by vectors on the device."""
    interactions, users, items = evaluate.task(data)
    ranker = Products(users.to(device), items.to(device))
    return lambda: measure(ranker, interactions, "test", ks=evaluate.KS)


def lists(data: Path, device: torch.device) -> Callable[[], object]:
    """Return the lists of 20 of all users of Gowalla by vectors on the device."""
    interactions, users, items = evaluate.task(data)
    ranker, excluded = Products(users.to(device), items.to(device)), exclusion(interactions, ("train",))
    return lambda: best_items(ranker, torch.arange(interactions.n_users), excluded, 20)


TASKS: Mapping[str, Timed] = {
    "dccf-epoch": dccf_epoch,
    "lightgcn-epoch": lightgcn_epoch,
    "dgvae-step": a_dgvae_step,
    "timedrl-step": a_timedrl_step,
    "evaluate": evaluation,
    "score": lists,
}


def timed(work: Callable[[], object], device: torch.device, repeats: int = REPEATS) -> dict[str, Any]:
    """Return the median seconds of some work on a device, and the most memory that a GPU held meanwhile."""
    on_gpu = device.type == "cuda"
    seconds = []
    for repetition in range(repeats + 1):
        if on_gpu and repetition == 1:
            torch.cuda.reset_peak_memory_stats(device)
        _wait(on_gpu)
        start = time.perf_counter()
        work()
        _wait(on_gpu)
        seconds.append(time.perf_counter() - start)
    peak = torch.cuda.max_memory_allocated(device) / (1 << 30) if on_gpu else None
    return {"seconds": statistics.median(seconds[1:]), "peak_gb": peak}


def _wait(on_gpu: bool) -> None:
    if on_gpu:
        torch.cuda.synchronize()


def main() -> None:
    """Print the times, and write them as a file of results when asked."""
    parser = argparse.ArgumentParser(description="Distaff alone on a device: seconds and memory.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(TASKS))
    parser.add_argument("--device", default="cuda", help="cuda, or cpu to see that it runs")
    default = os.environ.get("DISTAFF_REAL_DATA") or ROOT.parent / "shared" / "data"
    parser.add_argument("--data", type=Path, default=Path(default), help="folder of real data [DISTAFF_REAL_DATA]")
    parser.add_argument("--repeats", type=int, default=REPEATS, help="timed repetitions")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/devices.json as well")
    args = parser.parse_args()
    names = args.names or list(TASKS)
    if unknown := [name for name in names if name not in TASKS]:
        parser.error(f"no task {', '.join(unknown)}; there are {', '.join(TASKS)}")
    device = pick_device(args.device)
    card = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    rows = []
    for name in names:
        rows.append({"name": name, **timed(TASKS[name](args.data, device), device, args.repeats)})
        print(f"{name:16} {rows[-1]['seconds']:10.4f} s on {card}", file=sys.stderr, flush=True)
    answer = {"device": card, "rows": rows}
    if args.save:
        results.save("devices", answer)
    if args.json:
        print(json.dumps(answer))


if __name__ == "__main__":
    main()

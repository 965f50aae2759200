"""Fits by one of several processes, run as ``torchrun ... -m sharing SETTINGS FILES``: writes what each model learned.

Settings are JSON, by the name of the model.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from safetensors.torch import save_file

from distaff.model import distributed
from distaff.model.base import Epoch
from distaff.recommenders.base import Recommender
from distaff.testing.data import checkerboard


def main(wanted: str, file: str) -> None:
    for name, settings in json.loads(wanted).items():
        fit(name, settings, f"{file}.{name}")
    distributed.leave()


def fit(name: str, settings: dict[str, Any], file: str) -> None:
    model, losses = Recommender.named(name)(**settings), []

    def report(epoch: Epoch) -> None:
        losses.append({**epoch.losses, **epoch.valid})

    model.fit(checkerboard(), seed=1, device="cpu", report=report)
    save_file({k: v.contiguous() for k, v in model.state().items()}, f"{file}.{distributed.rank()}")
    if distributed.rank() == 0:
        with open(f"{file}.json", "w") as out:
            json.dump(losses, out)


if __name__ == "__main__":
    main(*sys.argv[1:])

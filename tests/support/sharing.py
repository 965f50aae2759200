"""A fit by one of several processes, run as ``torchrun ... -m sharing MODEL SETTINGS FILE``: writes what it learned."""

from __future__ import annotations

import json
import sys

from safetensors.torch import save_file

from distaff.model import distributed
from distaff.model.base import Epoch
from distaff.recommenders.base import Recommender
from distaff.testing.data import checkerboard


def main(name: str, settings: str, file: str) -> None:
    model, losses = Recommender.named(name)(**json.loads(settings)), []

    def report(epoch: Epoch) -> None:
        losses.append({**epoch.losses, **epoch.valid})

    model.fit(checkerboard(), seed=1, device="cpu", report=report)
    save_file({k: v.contiguous() for k, v in model.state().items()}, f"{file}.{distributed.rank()}")
    if distributed.rank() == 0:
        with open(f"{file}.json", "w") as out:
            json.dump(losses, out)
    distributed.leave()


if __name__ == "__main__":
    main(*sys.argv[1:])

"""GraphSAGE, GAT, GIN and VGAE of PyTorch Geometric beside LightGCN, DCCF, DGVAE and the controls, on Last.fm 2K."""

from __future__ import annotations

from benchmarks.encoders import candidates
from benchmarks.lfm2k import read
from benchmarks.protocol import Candidate

READ = read
_TRAINED = {"batch_size": 256, "lr": 2e-3, "eval_every": 5, "patience": 3, "kl_epochs": 20, "decoder_temperature": 0.3}
_DGVAE = tuple({**_TRAINED, "n_intents": 4, "temperature": 0.05, "dropout": dropout} for dropout in (0.5, 0.7))
CANDIDATES = candidates(Candidate("dgvae", _DGVAE, seeded=True))

"""The models of ``dgvae-baby`` on any folder in DGVAE's or MMRec's layout: ``reproduce.py dgvae-mmrec --data FOLDER``.

For Sports and Clothing, whose published values are in the paper alone, and for sets of one's own. Where a folder has no
words, as MMRec's have none, leave DGVAE out: ``--skip dgvae``.
"""

from __future__ import annotations

from dataclasses import replace

from benchmarks.reproductions import dgvae_baby

from distaff_data.ingest.published import read_published

READ = read_published
CANDIDATES = tuple(replace(candidate, published={}) for candidate in dgvae_baby.CANDIDATES)

"""Last.fm 2K with tags, text embeddings and audio features (RecSys 2025 files), and its split, read without a workspace."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from distaff_data.datasets.content import Content
from distaff_data.datasets.interactions import Interactions
from distaff_data.splits import SPLITS

FEATURES = {"text": "all-MiniLM-L6-v2", "audio": "vggish", "speech": "whisper"}


def read(folder: Path) -> Interactions:
    """Return interactions with content, from ``interactions/lfm2k`` in the folder of real data; a tag is one word."""
    base = folder / "interactions" / "lfm2k"
    rows, original = (
        np.loadtxt(base / f"{name}.inter", dtype=np.int64, skiprows=1) for name in ("lfm2k", "lfm2k_og_ids")
    )
    splits = pa.array(np.array(SPLITS)[rows[:, 3]])
    data = Interactions.from_arrays(rows[:, 0], rows[:, 1], splits, name="lfm2k")
    artist = {int(theirs): str(ours) for theirs, ours in zip(original[:, 1], rows[:, 1], strict=True)}
    with (base / "lfm2k_text.tsv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.reader(file, delimiter="\t"))[1:]
    tagged = [
        (artist[int(line[0])], tag.strip().lower())
        for line in lines
        if int(line[0]) in artist
        for tag in line[1].split(",")
    ]
    tagged = [(item, tag) for item, tag in tagged if any(map(str.isalpha, tag))]
    items, tags = zip(*tagged, strict=True)
    features = {
        name: torch.from_numpy(np.load(base / f"{file}.npy", allow_pickle=False).astype(np.float32))
        for name, file in FEATURES.items()
    }
    return data.with_content(Content.from_words(items, tags, data.item_ids, features))

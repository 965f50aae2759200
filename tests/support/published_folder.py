"""A tiny folder in the layouts that DGVAE and MMRec publish."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix, save_npz

from distaff.testing.data import worded_checkerboard
from distaff_data.datasets.content import Lexicon
from distaff_data.splits import SPLITS


def write_published(folder: Path, name: str = "baby") -> Path:
    """The checkerboard with words as the authors would have written it."""
    data = worded_checkerboard()
    assert data.read_content is not None
    content = data.read_content()
    for split in SPLITS:
        matrix = data.split(split)
        rows = np.stack([matrix.row_index(), matrix.indices, np.ones(matrix.nnz)], 1)
        np.savetxt(folder / f"{name}.{split}.ratings", rows, "%d", delimiter=",", header="uid,iid,rating", comments="")
    np.save(
        folder / f"{name}.uid.npy", np.array([f"u{n}" for n in range(data.n_users)], dtype=object), allow_pickle=True
    )
    np.save(folder / f"{name}.iid.npy", np.arange(data.n_items))
    lexicon = Lexicon.build(content, data.train, min_df=2, max_df=0.9)
    words = lexicon.words.to_pylist()
    (folder / f"{name}.vocab").write_text(json.dumps({word: n for n, word in enumerate(words)}))
    save_npz(folder / f"{name}.user.words.tfidf.npz", csr_matrix(lexicon.documents(data.train).scipy()))
    for file in ("text_feat.npy", "image_feat.npy"):
        np.save(folder / file, content.features["text"].numpy())
    return folder


def to_mmrec(folder: Path, name: str = "baby") -> Path:
    """Turn a folder of :func:`write_published` into MMRec's layout: one file with a label of the split, and no words."""
    lines = ["userID\titemID\trating\ttimestamp\tx_label"]
    for label, split in enumerate(SPLITS):
        path = folder / f"{name}.{split}.ratings"
        rows = [row.split(",") for row in path.read_text().split()[1:]]
        lines += [f"{user}\t{item}\t5.0\t{1400000000 + n}\t{label}" for n, (user, item, _) in enumerate(rows)]
        path.unlink()
    (folder / f"{name}.inter").write_text("\n".join(lines) + "\n")
    for suffix in ("uid.npy", "iid.npy", "vocab", "user.words.tfidf.npz"):
        (folder / f"{name}.{suffix}").unlink()
    return folder

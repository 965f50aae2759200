"""Text embeddings of items: a sentence of what is known of each, encoded by a sentence-transformers model on this machine.

The model is a folder that somebody saved; nothing is ever fetched. Its weights are safetensors, as nothing is
unpickled.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from distaff_data.errors import InputError
from distaff_data.ingest.vectors import insert_vectors, vector_batch
from distaff_data.warehouse import Scratch

NAME = "text"
_ROWS = 1024
# The title first, then attributes, then running text, without tags and addresses.
_SENTENCES = r"""
CREATE TABLE sentences AS
SELECT row_number() OVER (ORDER BY id) AS row, id, string_agg(piece, '. ' ORDER BY place, name, piece) AS sentence
FROM (
    SELECT id, name, (name <> 'title')::INTEGER AS place, value AS piece FROM staged_attributes
    UNION ALL
    SELECT id, name, 2, trim(regexp_replace(text, '<[^>]*>|&#?\w+;|https?://\S+', ' ', 'g')) FROM staged_texts
)
WHERE regexp_matches(piece, '\p{L}') AND NOT regexp_matches(piece, '^https?://')
GROUP BY id
"""


def open_encoder(folder: Path) -> Any:
    """Return the model of a folder, ready to encode.

    Raises:
        InputError: The extra is not installed, or the folder holds no such model.
    """
    if not (folder / "modules.json").is_file():
        raise InputError("no sentence-transformers model in this folder; give the folder of a saved one", path=folder)
    if pickled := [path for path in folder.rglob("*.bin") if not any(path.parent.glob("*.safetensors"))]:
        raise InputError("the model's weights are pickled; save it again as safetensors", path=pickled[0])
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError:
        raise InputError('embedding texts needs an extra; add it with: pip install "distaff[text]"') from None
    try:
        return SentenceTransformer(str(folder), local_files_only=True, model_kwargs={"use_safetensors": True})
    except (OSError, ValueError) as error:
        reason = str(error).strip().split("\n")[0]
        raise InputError(f"cannot read the sentence-transformers model: {reason}", path=folder) from None


def embed(scratch: Scratch, encoder: Any) -> None:
    """Add a vector named ``text`` to ``staged_vectors`` for each id whose staged attributes and texts have words."""
    scratch.execute(_SENTENCES)
    n = scratch.count("SELECT count(*) FROM sentences")
    for start in range(0, n, _ROWS):
        ids, sentences = zip(
            *scratch.rows("SELECT id, sentence FROM sentences WHERE row > ? AND row <= ?", [start, start + _ROWS]),
            strict=True,
        )
        values = encoder.encode(list(sentences), show_progress_bar=False, convert_to_numpy=True)
        insert_vectors(scratch, iter([vector_batch(pa.array(ids, pa.string()), NAME, values)]))
    scratch.execute("DROP TABLE sentences")

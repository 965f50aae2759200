"""Lists by people's own ids: their columns, and the way between ids and positions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from numbers import Integral

import pyarrow as pa
import torch
from torch import Tensor

from distaff.ranking.metrics import top_k
from distaff_data.datasets.csr import Csr
from distaff_data.datasets.interactions import id_texts
from distaff_data.errors import InputError

SCORE_SCHEMA = pa.schema(
    [("user_id", pa.string()), ("rank", pa.int64()), ("item_id", pa.string()), ("score", pa.float32())]
)


def positions_among(names: Iterable[object], positions_of: Callable[[object], Tensor], what: str, hint: str) -> Tensor:
    """Return the positions of names by a dataset's function for them, int64.

    Args:
        names: Own ids; one alone is a list of itself.
        positions_of: Gives positions, -1 for what is not in the data.
        what: The names' kind, such as ``users``.
        hint: What to say of one that is not in the data.

    Raises:
        InputError: One is not in the data.
    """
    ids = id_texts([names] if isinstance(names, str) else names, what)
    positions = positions_of(ids)
    if bool((positions < 0).any()):
        raise InputError(hint, value=ids[int((positions < 0).nonzero()[0])].as_py())
    return positions


def top_k_of(scores: Tensor, seen: Csr, k: int) -> tuple[Tensor, Tensor]:
    """Return the best items as :func:`distaff.ranking.metrics.top_k` does, with ``k`` cut to the catalogue.

    Raises:
        InputError: ``k`` is not positive.
    """
    check_length(k)
    return top_k(scores, seen, min(k, seen.n_cols))


def lists_of(user_ids: pa.StringArray, item_ids: pa.StringArray, items: Tensor, scores: Tensor) -> pa.Table:
    """Return lists by own ids, from items ``(b, k)``, -1 where a list ends, and their scores; ``SCORE_SCHEMA``."""
    rows, ranks = torch.nonzero(items >= 0, as_tuple=True)
    picked = items[rows, ranks]
    columns = [
        user_ids.take(pa.array(rows.numpy())),
        pa.array((ranks + 1).numpy()),
        item_ids.take(pa.array(picked.numpy())),
        pa.array(scores[rows, ranks].float().numpy()),
    ]
    return pa.table(columns, schema=SCORE_SCHEMA)


def check_length(k: int) -> None:
    """Refuse a length of lists that is no positive whole number.

    Raises:
        InputError: It is none.
    """
    if not isinstance(k, Integral) or isinstance(k, bool):
        raise InputError("the length of a list is a whole number", value=k)
    if k < 1:
        raise InputError(f"the length of a list must be at least 1, not {k}")

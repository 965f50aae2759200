"""Division of interactions into train, valid and test: the specification people type, and the SQL behind it.

The SQL works on a table of one row per user and item, ``(u, i, user_id, item_id, rating, time, seq)``, where ``u`` and
``i`` are integers for the ids and ``seq`` is the order in the file. Random draws are MD5 digests of the seed and the ids,
so a pair keeps its place when rows are reordered, on any machine and under any version of the engine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from distaff_data.errors import InputError

KINDS = ("random", "temporal", "leave-last-out")
_HELP = "write random:0.8,0.1,0.1, temporal:0.8,0.1,0.1 or leave-last-out"


@dataclass(frozen=True)
class Split:
    """A parsed split.

    Attributes:
        kind: ``random`` divides each user's interactions, ``temporal`` cuts all of them at two moments, and
            ``leave-last-out`` tests on each user's last interaction and validates on the one before.
        shares: Train, valid and test shares; empty for ``leave-last-out``.
    """

    kind: str
    shares: tuple[float, ...] = ()

    def __str__(self) -> str:
        return f"{self.kind}:{','.join(f'{share:g}' for share in self.shares)}" if self.shares else self.kind

    @property
    def needs_time(self) -> bool:
        """True where every interaction must have a time: a file's order does not say when things happened."""
        return self.kind != "random"


def parse_split(text: str) -> Split:
    """Read a split specification, such as ``random:0.8,0.1,0.1``.

    Raises:
        InputError: An unknown kind, or shares that are not three numbers that sum to 1 with a positive first.
    """
    kind, colon, arguments = text.strip().partition(":")
    if kind not in KINDS:
        raise InputError(f"there is no split {text!r}; {_HELP}", value=text)
    if kind == "leave-last-out":
        if colon:
            raise InputError(f"leave-last-out takes no shares; {_HELP}", value=text)
        return Split(kind)
    try:
        shares = tuple(float(share) for share in arguments.split(","))
    except ValueError:
        raise InputError(f"the shares of a split are numbers; {_HELP}", value=text) from None
    wrong_sum = not math.isclose(sum(shares), 1.0, abs_tol=1e-6)  # true for NaN as well
    if len(shares) != 3 or wrong_sum or min(shares) < 0 or shares[0] == 0:
        raise InputError(f"a split has three shares that sum to 1, the first above 0; {_HELP}", value=text)
    return Split(kind, shares)


def split_sql(split: Split | None, table: str, seed: int) -> str:
    """Return a query of the columns but the ids of ``table`` and ``split``; None puts everything into train."""
    if split is None:
        return f"SELECT *, 'train' AS split FROM {table}"
    if split.kind == "random":
        return _random(split.shares, table, seed)
    if split.kind == "temporal":
        return _temporal(split.shares, table)
    return _leave_last_out(table)


def _random(shares: tuple[float, ...], table: str, seed: int) -> str:
    """Return the SQL of a random split per user: train rounds to the nearest count but keeps one.

    The rest goes to valid and test in proportion. Where that leaves half an interaction, a draw per user decides, so that
    neither split is starved by users with few interactions.
    """
    train, valid, test = shares
    valid_of_rest = valid / (valid + test) if valid + test else 0.0
    return f"""
        WITH drawn AS (
            SELECT * EXCLUDE (user_id, item_id),
                md5_number_lower('{seed}' || chr(31) || user_id || chr(31) || item_id) AS lot
            FROM {table}
        ), draws AS (
            SELECT u, md5_number_lower('{seed}' || chr(31) || any_value(user_id)) / 18446744073709551616.0 AS draw
            FROM {table} GROUP BY u
        ), ranked AS (
            SELECT * EXCLUDE (lot),
                row_number() OVER by_lot AS place,
                count(*) OVER (by_lot ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS n
            FROM drawn
            WINDOW by_lot AS (PARTITION BY u ORDER BY lot, i)
        ), counted AS (
            SELECT *, greatest(1, round({train!r} * n))::BIGINT AS n_train FROM ranked JOIN draws USING (u)
        )
        SELECT * EXCLUDE (place, n, draw, n_train),
            CASE WHEN place <= n_train THEN 'train'
                 WHEN place - n_train <= floor((n - n_train) * {valid_of_rest!r} + draw) THEN 'valid'
                 ELSE 'test' END AS split
        FROM counted
    """


def _temporal(shares: tuple[float, ...], table: str) -> str:
    """Return the SQL of a split by time; interactions of one moment stay together, so ties decide about the shares."""
    train, valid, _ = shares
    return f"""
        SELECT x.*,
            CASE WHEN time <= cuts.first THEN 'train' WHEN time <= cuts.second THEN 'valid' ELSE 'test' END AS split
        FROM {table} x, (
            SELECT quantile_disc(time, {train!r}) AS first, quantile_disc(time, {min(train + valid, 1.0)!r}) AS second
            FROM {table}
        ) cuts
    """


def _leave_last_out(table: str) -> str:
    """Return the SQL that tests on a user's last of two or more, and validates on the last but one of three or more."""
    return f"""
        WITH ranked AS (
            SELECT *,
                row_number() OVER (PARTITION BY u ORDER BY time DESC NULLS LAST, seq DESC) AS place,
                count(*) OVER (PARTITION BY u) AS n
            FROM {table}
        )
        SELECT * EXCLUDE (place, n),
            CASE WHEN place = 1 AND n > 1 THEN 'test' WHEN place = 2 AND n > 2 THEN 'valid' ELSE 'train' END AS split
        FROM ranked
    """

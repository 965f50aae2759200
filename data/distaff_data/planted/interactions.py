"""Interactions with planted intents: generated data whose factors are known, and the built-in samples.

A user has shares of K intents, an item belongs mostly to one. Each event draws an intent from the user's shares and an
item in proportion to its popularity and its membership in that intent. Popularity is independent of intent, so a model
that finds factors has found intents and not just what sells. Beyond the plain design, parameters add what real logs have:
noise, crowds, drift, items that were never shown, correlated intents, mislabelled categories.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa

from distaff_data.arrays import Bools, Floats, Ints
from distaff_data.errors import InputError
from distaff_data.frames import to_strings

EVENT_SCHEMA = pa.schema([("user", pa.int64()), ("item", pa.int64()), ("time", pa.float64()), ("intent", pa.int64())])
SPLIT = "random:0.8,0.1,0.1"

_START, _SPAN = 1_735_689_600.0, 365 * 86_400.0  # the year 2025
_ACTIVITY_SIGMA = 0.75
_BLOCK_EVENTS, _BLOCK_CELLS = 1_000_000, 8_000_000  # bounds of what one block of users holds in memory
_REDRAWS = 64


@dataclass(frozen=True)
class InteractionsParameters:
    """Parameters of planted interactions; see :func:`planted_interactions`."""

    n_users: int
    n_items: int
    n_events: int
    n_intents: int
    theta_alpha: float
    phi_alpha: float
    popularity_exponent: float
    noise: float
    conformity: float
    drift: float
    exposure: float
    intent_correlation: float
    category_flip: float
    seed: int

    def __post_init__(self) -> None:
        for name in ("n_users", "n_items", "n_intents"):
            if getattr(self, name) < 1:
                raise InputError("must be 1 or more", column=name, value=getattr(self, name))
        if self.n_events < self.n_users:
            raise InputError(
                "every user has an event: n_events is at least n_users", column="n_events", value=self.n_events
            )
        for name in ("theta_alpha", "phi_alpha"):
            if not getattr(self, name) > 0:
                raise InputError("must be above 0", column=name, value=getattr(self, name))
        for name in ("noise", "conformity", "drift", "exposure", "intent_correlation", "category_flip"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError("must lie between 0 and 1", column=name, value=getattr(self, name))
        if self.exposure == 0:
            raise InputError("with an exposure of 0 nobody sees an item", column="exposure", value=self.exposure)


@dataclass(frozen=True)
class Planted:
    """Generated interactions with their truth.

    Attributes:
        parameters: What they were generated with.
        theta: Users' shares of the intents, ``(n_users, n_intents)``; with drift the mean over the user's events.
        phi: Items' shares of the intents, ``(n_items, n_intents)``.
        popularity: Items' base popularity, summing to 1, ``(n_items,)``.
        category: Items' labels: the largest intent, with some labels flipped, ``(n_items,)``.
    """

    parameters: InteractionsParameters
    theta: Floats
    phi: Floats
    popularity: Floats
    category: Ints
    _theta_start: Floats
    _theta_end: Floats
    _counts: Ints
    _conformity: Floats

    @property
    def user_ids(self) -> pa.StringArray:
        """Users' ids by position: ``u0001``, ``u0002``, ..."""
        return _names("u", self.parameters.n_users)

    @property
    def item_ids(self) -> pa.StringArray:
        """Items' ids by position: ``i0001``, ``i0002``, ..."""
        return _names("i", self.parameters.n_items)

    def events(self) -> Iterator[pa.RecordBatch]:
        """Yield events by blocks of users, in time order within one: positions, time, and intent (-1 where none chose).

        Memory is bounded by a block. With exposure below 1, the few events for which a user sees no fitting item are
        left out.
        """
        block = self._block_users()
        flat = _flat_cumulative(self.popularity[:, None] * self.phi)
        seeds = np.random.SeedSequence([self.parameters.seed, 1]).spawn(-(-self.parameters.n_users // block))
        for number, seed in enumerate(seeds):
            users = np.arange(number * block, min((number + 1) * block, self.parameters.n_users))
            yield self._block(users, flat, np.random.default_rng(seed))

    def table(self) -> pa.Table:
        """Return all events in time order, as one table; for data that fits in memory."""
        return pa.Table.from_batches(self.events(), schema=EVENT_SCHEMA).sort_by([("time", "ascending")])

    def _block_users(self) -> int:
        parameters = self.parameters
        by_events = _BLOCK_EVENTS * parameters.n_users // parameters.n_events
        by_cells = _BLOCK_CELLS // parameters.n_items if parameters.exposure < 1 else by_events
        return max(1, min(by_events, by_cells))

    def _block(self, users: Ints, flat: Floats, rng: np.random.Generator) -> pa.RecordBatch:
        counts = self._counts[users]
        row = np.repeat(np.arange(len(users)), counts)
        user = users[row]
        order = np.arange(len(user)) - np.repeat(np.cumsum(counts) - counts, counts)
        age = (self.parameters.drift * order / np.maximum(counts[row] - 1, 1))[:, None]
        shares = (1 - age) * self._theta_start[user] + age * self._theta_end[user]
        intent = _draw_rows(shares, rng)
        crowd = rng.random(len(user)) < 1 - (1 - self.parameters.noise) * (1 - self._conformity[user])
        intent[crowd] = -1
        time = _START + _SPAN * rng.random(len(user))
        time = time[np.lexsort((time, row))]
        item = self._draw_items(intent, flat, rng)
        visible = np.ones(len(user), dtype=bool)
        if self.parameters.exposure < 1:
            visible = self._redraw_hidden(row, intent, item, len(users), flat, rng)
        columns = [user[visible], item[visible], time[visible], intent[visible]]
        return pa.record_batch([pa.array(column) for column in columns], schema=EVENT_SCHEMA)

    def _draw_items(self, intent: Ints, flat: Floats, rng: np.random.Generator) -> Ints:
        """Return the items given intents; -1 draws by popularity alone, which is the last row of the table of chances."""
        row = np.where(intent < 0, self.parameters.n_intents, intent)
        place = np.searchsorted(flat, row + rng.random(len(row)), side="right")
        item: Ints = np.minimum(place - row * self.parameters.n_items, self.parameters.n_items - 1)
        return item

    def _redraw_hidden(
        self, row: Ints, intent: Ints, item: Ints, n_users: int, flat: Floats, rng: np.random.Generator
    ) -> Bools:
        """Replace items that a user never sees, in place; returns which events have one in the end.

        The item of median popularity is shown to a user with probability ``exposure``; better sellers more often.
        """
        rank = np.argsort(np.argsort(-self.popularity)) / max(self.parameters.n_items - 1, 1)
        chance = self.parameters.exposure ** (2 * rank)
        exposed = rng.random((n_users, self.parameters.n_items), dtype=np.float32) < chance
        hidden = np.flatnonzero(~exposed[row, item])
        for _ in range(_REDRAWS):
            if not len(hidden):
                break
            item[hidden] = self._draw_items(intent[hidden], flat, rng)
            hidden = hidden[~exposed[row[hidden], item[hidden]]]
        visible = np.ones(len(row), dtype=bool)
        visible[hidden] = False
        return visible


def planted_interactions(
    *,
    n_users: int = 1500,
    n_items: int = 600,
    n_events: int = 71_000,
    n_intents: int = 6,
    theta_alpha: float = 0.3,
    phi_alpha: float = 0.08,
    popularity_exponent: float = 0.8,
    noise: float = 0.05,
    conformity: float = 0.0,
    drift: float = 0.0,
    exposure: float = 1.0,
    intent_correlation: float = 0.0,
    category_flip: float = 0.05,
    seed: int = 0,
) -> Planted:
    """Plant intents in interactions.

    Args:
        n_users: Users; each has at least one event.
        n_items: Items.
        n_events: Events; a user's repeated choice of an item is several.
        n_intents: Intents, K.
        theta_alpha: Dirichlet concentration of users' shares; small means few intents a user.
        phi_alpha: Dirichlet concentration of items' shares; small means one intent an item.
        popularity_exponent: Popularity falls with rank to this power; ranks are independent of intents.
        noise: Share of events that draw an item by popularity alone.
        conformity: Mean share of events in which a user follows the crowd in the same way; users differ in it.
        drift: How far shares move, from the first event to the last, towards a second draw; 1 goes all the way.
        exposure: Chance that a user ever sees the item of median popularity; popular ones are seen more (missing not
            at random).
        intent_correlation: Correlation of intents 0 and 1, 2 and 3, ... in a logistic-normal draw of as much spread;
            0 draws from the Dirichlet distribution.
        category_flip: Share of items whose category is another than their largest intent.
        seed: Seed of everything.

    Raises:
        InputError: A parameter out of its range.
    """
    parameters = InteractionsParameters(**locals())
    rng = np.random.default_rng(np.random.SeedSequence([seed, 0]))
    start = _draw_theta(parameters, rng)
    phi = _dirichlet(phi_alpha, (n_items, n_intents), rng)
    popularity = rng.permutation(np.arange(1, n_items + 1) ** -popularity_exponent)
    activity = rng.lognormal(sigma=_ACTIVITY_SIGMA, size=n_users)
    counts = 1 + rng.multinomial(n_events - n_users, activity / activity.sum())
    flipped = rng.random(n_items) < category_flip
    shift = rng.integers(1, n_intents, size=n_items) if n_intents > 1 else np.zeros(n_items, dtype=np.int64)
    category = (phi.argmax(axis=1) + flipped * shift) % n_intents
    crowd = np.full(n_users, conformity)
    if 0 < conformity < 1:
        crowd = rng.beta(2 * conformity, 2 * (1 - conformity), size=n_users)
    end = _draw_theta(parameters, rng)
    theta = (1 - drift / 2) * start + drift / 2 * end
    return Planted(parameters, theta, phi, popularity / popularity.sum(), category, start, end, counts, crowd)


def _names(prefix: str, count: int) -> pa.StringArray:
    digits = pl.int_range(1, count + 1).cast(pl.String).str.zfill(max(4, len(str(count))))
    return to_strings(pl.select(pl.format("{}{}", pl.lit(prefix), digits)).to_series())


def _draw_theta(parameters: InteractionsParameters, rng: np.random.Generator) -> Floats:
    shape = (parameters.n_users, parameters.n_intents)
    if parameters.intent_correlation == 0:
        return _dirichlet(parameters.theta_alpha, shape, rng)
    from scipy.special import polygamma

    common = np.repeat(rng.standard_normal((parameters.n_users, -(-parameters.n_intents // 2))), 2, axis=1)[
        :, : parameters.n_intents
    ]
    specific = rng.standard_normal(shape)
    rho = parameters.intent_correlation
    # The spread of a Dirichlet draw's logarithms, so that theta_alpha keeps its meaning.
    logits = np.sqrt(polygamma(1, parameters.theta_alpha)) * (np.sqrt(rho) * common + np.sqrt(1 - rho) * specific)
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    normalised: Floats = shares / shares.sum(axis=1, keepdims=True)
    return normalised


def _dirichlet(alpha: float, shape: tuple[int, int], rng: np.random.Generator) -> Floats:
    return rng.dirichlet(np.full(shape[1], alpha), size=shape[0])


def _flat_cumulative(weights: Floats) -> Floats:
    """Return cumulative chances of items given each intent, end to end: intent k from k to k + 1, popularity last."""
    by_intent = np.vstack([weights.T, weights.sum(axis=1)])
    cumulative = np.cumsum(by_intent, axis=1) / by_intent.sum(axis=1, keepdims=True)
    flat: Floats = (cumulative + np.arange(len(by_intent))[:, None]).ravel()
    return flat


def _draw_rows(shares: Floats, rng: np.random.Generator) -> Ints:
    """Return one column drawn for each row of chances."""
    below = np.cumsum(shares, axis=1) < rng.random(len(shares))[:, None]
    columns: Ints = np.minimum(below.sum(axis=1), shares.shape[1] - 1)
    return columns

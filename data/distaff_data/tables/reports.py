"""Reports of ingestions, for people and for ``--json``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True)
class IngestReport:
    """Result of ingesting interactions.

    Attributes:
        dataset: The dataset's name.
        generation: The warehouse generation that holds it.
        format: How the files were read.
        columns: The file's column used for each of user, item, rating, time and split, where it has one.
        split: The split made, ``given`` when the source's own was kept, or ``none`` when everything is train.
        users: Users in any split.
        items: Items in any split.
        train: Training interactions.
        valid: Validation interactions.
        test: Test interactions.
        cold_users: Users without training interactions: a model can score them only from new ones.
        cold_items: Items without training interactions: a model that learns from interactions cannot score them.
        duplicates_merged: Rows that repeated a user and item.
        dropped_by_rating: Interactions below the rating threshold.
        dropped_by_core: Interactions of users or items with too few of them.
        far_times_missing: Interactions whose time was so far in the future that it was taken as missing.
        times: What the times were taken for: dates, seconds or another unit; empty where there are none.
    """

    dataset: str
    generation: str
    format: str
    columns: Mapping[str, str]
    split: str
    users: int
    items: int
    train: int
    valid: int
    test: int
    cold_users: int
    cold_items: int
    duplicates_merged: int
    dropped_by_rating: int
    dropped_by_core: int
    far_times_missing: int = 0
    times: str = ""

    def as_dict(self) -> dict[str, object]:
        """Return plain values, ready for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class AttributesReport:
    """Result of ingesting attributes of items or users.

    Attributes:
        dataset: The dataset's name.
        entity: ``item`` or ``user``.
        generation: The warehouse generation that holds them.
        attributes: Names of the attributes.
        described: Items or users of the dataset that now have attributes.
        unknown: Ids with attributes that do not occur in the dataset; kept, in case a later ingestion brings them.
        values: Attribute values stored.
        texts: Names of the texts.
        vectors: Length of the vectors by name.
    """

    dataset: str
    entity: str
    generation: str
    attributes: tuple[str, ...]
    described: int
    unknown: int
    values: int
    texts: tuple[str, ...] = ()
    vectors: Mapping[str, int] = field(default_factory=dict)

    def as_dict(self) -> dict[str, object]:
        """Return plain values, ready for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class IncidentsReport:
    """Result of ingesting incidents.

    Attributes:
        dataset: The dataset's name.
        generation: The warehouse generation that holds it.
        cases: Incidents.
        labelled: Incidents whose failed entities are known.
        entities: Entities in any case.
        metrics: Metrics in any case.
        rows: Time stamps of all cases.
        missing: Share of measurements that are missing.
        edges: Dependencies that are known or forbidden.
        graph_is: What their edges were said to be, causes or calls; None where nobody said, or there are none.
    """

    dataset: str
    generation: str
    cases: int
    labelled: int
    entities: int
    metrics: int
    rows: int
    missing: float
    edges: int
    graph_is: str | None = None

    def as_dict(self) -> dict[str, object]:
        """Return plain values, ready for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class SeriesReport:
    """Result of ingesting series.

    Attributes:
        dataset: The dataset's name.
        generation: The warehouse generation that holds it.
        format: How the files were read.
        split: The split made, or ``given`` when the source's own was kept.
        entities: Sensors, subjects, recordings or windows.
        channels: Their channels.
        rows: Readings, gaps included.
        train: Training rows.
        valid: Validation rows.
        test: Test rows.
        missing: Share of values that are missing.
        gap_rows: Rows put in, all missing, where time stamps were left out.
        regular: Whether the time stamps lie on a grid of one step.
        classes: Distinct labels.
        groups: Distinct groups.
        whole: Whether each entity is one window.
    """

    dataset: str
    generation: str
    format: str
    split: str
    entities: int
    channels: int
    rows: int
    train: int
    valid: int
    test: int
    missing: float
    gap_rows: int
    regular: bool
    classes: int
    groups: int
    whole: bool

    def as_dict(self) -> dict[str, object]:
        """Return plain values, ready for JSON."""
        return asdict(self)

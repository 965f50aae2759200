"""Segments: parts of the latents that are each tied to a concept, and made to forget the others' concepts.

A concept is the class of a window, or the group it belongs to (a subject, a machine); a *free* segment is tied to none. The
head of a segment predicts its own concept. Adversaries try to read other segments' concepts from it, and gradient reversal
makes the encoder defeat them. Without labels the adversaries read the other segments' latents themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pyarrow.compute as pc
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from distaff_data.series import Series
from distaff_timeseries.dts.reversal import reverse

Adversary = Literal["none", "labels", "latents"]
CONCEPTS = ("class", "group", "free")


@dataclass(frozen=True)
class Segment:
    """Latents from ``start`` up to ``stop``, tied to ``concept``."""

    name: str
    concept: str
    start: int
    stop: int

    @property
    def width(self) -> int:
        """Latents in it."""
        return self.stop - self.start

    def of(self, z: Tensor) -> Tensor:
        """Its columns of ``(b, K)``."""
        return z[:, self.start : self.stop]


def parse_segments(texts: Sequence[str]) -> tuple[Segment, ...]:
    """Segments from texts such as ``class:4``, in the order of the latents; several free ones are numbered.

    Raises:
        ValueError: Another concept, a width below 1, or a concept twice.
    """
    found: list[Segment] = []
    for text in texts:
        concept, _, width = text.partition(":")
        if concept not in CONCEPTS or not width.isdigit() or int(width) < 1:
            raise ValueError(f"a segment is CONCEPT:WIDTH with {', '.join(CONCEPTS)}, not {text!r}")
        same = sum(s.concept == concept for s in found)
        if same and concept != "free":
            raise ValueError(f"there are two segments of the concept {concept}")
        start = found[-1].stop if found else 0
        found.append(Segment(f"{concept}{same + 1}" if same else concept, concept, start, start + int(width)))
    if not found:
        raise ValueError("there are no segments")
    return tuple(found)


def concept_codes(data: Series) -> dict[str, tuple[Tensor, tuple[str, ...]]]:
    """Codes of each entity, -1 where unknown, and their names, for each concept of which the data has two or more."""
    names = tuple(sorted({name for name in data.groups.to_pylist() if name is not None}))
    found = {}
    if len(data.classes) > 1:
        found["class"] = (data.labels, data.classes)
    if len(names) > 1:
        codes = pc.fill_null(pc.index_in(data.groups, pc.cast(names, "string")), -1)
        known = pc.if_else(pc.is_null(data.groups), -1, codes)
        found["group"] = (torch.tensor(known.to_pylist()), names)
    return found


class SegmentHeads(nn.Module):
    """Heads that hold segments to their concepts, and adversaries that hold them apart.

    Args:
        segments: The segments.
        n_classes: Classes of each concept that has labels.
        adversary: What adversaries read: other segments' labels, their latents, or nothing.
        hidden: Width of the adversaries.
    """

    def __init__(
        self, segments: Sequence[Segment], n_classes: Mapping[str, int], adversary: Adversary, hidden: int = 64
    ) -> None:
        super().__init__()
        self.segments, self.adversary = tuple(segments), adversary
        tied = [s for s in segments if s.concept in n_classes]
        self.heads = nn.ModuleDict({s.name: nn.Linear(s.width, n_classes[s.concept]) for s in tied})
        read = {"none": [], "labels": tied, "latents": list(segments)}[adversary]
        self.pairs = [(mine, other) for mine in segments for other in read if other.name != mine.name]
        sizes = [n_classes[o.concept] if adversary == "labels" else o.width for _, o in self.pairs]
        self.adversaries = nn.ModuleList(
            nn.Sequential(nn.Linear(mine.width, hidden), nn.ReLU(), nn.Linear(hidden, size))
            for (mine, _), size in zip(self.pairs, sizes, strict=True)
        )

    def forward(self, z: Tensor, codes: Mapping[str, Tensor], weight: float) -> tuple[Tensor, Tensor]:
        """Sums of the heads' and of the adversaries' losses, scalars.

        Args:
            z: ``(b, K)``.
            codes: Of each concept, ``(b,)``, -1 where unknown.
            weight: Of the reversed gradient.
        """
        main = [_cross_entropy(self.heads[s.name](s.of(z)), codes[s.concept]) for s in self.segments if s.name in self.heads]
        against = [
            self._adverse(adversary(reverse(mine.of(z), weight)), other, z, codes)
            for (mine, other), adversary in zip(self.pairs, self.adversaries, strict=True)
        ]
        zero = z.new_zeros(())
        return sum(main, zero), sum(against, zero)

    def _adverse(self, read: Tensor, other: Segment, z: Tensor, codes: Mapping[str, Tensor]) -> Tensor:
        if self.adversary == "labels":
            return _cross_entropy(read, codes[other.concept])
        target = other.of(z).detach()
        unit = (target - target.mean(0)) / target.std(0, correction=0).clamp(min=1e-3)
        return F.mse_loss(read, unit)


def _cross_entropy(logits: Tensor, codes: Tensor) -> Tensor:
    """Mean over the windows whose code is known; 0 where none is."""
    known = (codes >= 0).sum().clamp(min=1)
    return F.cross_entropy(logits, codes, ignore_index=-1, reduction="sum") / known

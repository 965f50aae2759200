"""Segments: ranges of the latents that are each tied to a concept, and made to forget the others' concepts.

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

from distaff_data.datasets.series import Series
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
        """The number of its latents."""
        return self.stop - self.start

    def of(self, z: Tensor) -> Tensor:
        """Return its columns of ``(b, K)``."""
        return z[:, self.start : self.stop]

    def others(self, z: Tensor) -> Tensor:
        """Return all columns but its own."""
        return torch.cat([z[:, : self.start], z[:, self.stop :]], 1)


def parse_segments(texts: Sequence[str]) -> tuple[Segment, ...]:
    """Return segments from texts such as ``class:4``, in the order of the latents; several free ones are numbered.

    Raises:
        ValueError: Another concept, a width below 1, or a concept twice.
    """
    segments: list[Segment] = []
    for text in texts:
        concept, _, width = text.partition(":")
        if concept not in CONCEPTS or not width.isdigit() or int(width) < 1:
            raise ValueError(f"a segment is CONCEPT:WIDTH with {', '.join(CONCEPTS)}, not {text!r}")
        same = sum(s.concept == concept for s in segments)
        if same and concept != "free":
            raise ValueError(f"there are two segments of the concept {concept}")
        start = segments[-1].stop if segments else 0
        segments.append(Segment(f"{concept}{same + 1}" if same else concept, concept, start, start + int(width)))
    if not segments:
        raise ValueError("there are no segments")
    return tuple(segments)


def concept_codes(data: Series) -> dict[str, tuple[Tensor, tuple[str, ...]]]:
    """Return codes of each entity, -1 where unknown, and their names, for each concept of which the data has two or more."""
    names = tuple(sorted({name for name in data.groups.to_pylist() if name is not None}))
    concepts = {}
    if len(data.classes) > 1:
        concepts["class"] = (data.labels, data.classes)
    if len(names) > 1:
        codes = pc.fill_null(pc.index_in(data.groups, pc.cast(names, "string")), -1)
        codes = pc.if_else(pc.is_null(data.groups), -1, codes)
        concepts["group"] = (torch.tensor(codes.to_pylist()), names)
    return concepts


class SegmentHeads(nn.Module):
    """Heads that hold segments to their concepts, and adversaries that hold them apart.

    Args:
        segments: The segments.
        n_classes: Classes of each concept that has labels.
        adversary: What adversaries read from a segment: labels, the other segments' latents, or nothing.
        forgotten: Concepts whose labels are read, from every segment but the concept's own.
        shares: Weight of the losses of a segment's head and adversaries, by segment; 1 where it is not named.
        hidden: Width of the adversaries.
    """

    def __init__(
        self,
        segments: Sequence[Segment],
        n_classes: Mapping[str, int],
        adversary: Adversary,
        *,
        forgotten: Sequence[str] = (),
        shares: Mapping[str, float] | None = None,
        hidden: int = 64,
    ) -> None:
        super().__init__()
        self.shares = {s.name: (shares or {}).get(s.name, 1.0) for s in segments}
        self.segments, self.adversary = tuple(segments), adversary
        self.heads = nn.ModuleDict(
            {s.name: nn.Linear(s.width, n_classes[s.concept]) for s in segments if s.concept in n_classes}
        )
        total = segments[-1].stop
        self.pairs: list[tuple[Segment, str]] = []
        if adversary == "labels":
            self.pairs = [(s, c) for s in segments for c in forgotten if c in n_classes and c != s.concept]
        elif adversary == "latents" and len(segments) > 1:
            self.pairs = [(s, "latents") for s in segments]
        self.adversaries = nn.ModuleList(
            nn.Sequential(
                nn.Linear(s.width, hidden),
                nn.ReLU(),
                nn.Linear(hidden, total - s.width if what == "latents" else n_classes[what]),
            )
            for s, what in self.pairs
        )

    def forward(self, z: Tensor, codes: Mapping[str, Tensor], weight: float) -> tuple[Tensor, Tensor]:
        """Return the sums of the heads' and of the adversaries' losses, scalars.

        Args:
            z: ``(b, K)``.
            codes: Of each concept, ``(b,)``, -1 where unknown.
            weight: Of the reversed gradient.
        """
        main = z.new_zeros(())
        for segment in self.segments:
            if segment.name in self.heads:
                lost = _cross_entropy(self.heads[segment.name](segment.of(z)), codes[segment.concept])
                main = main + self.shares[segment.name] * lost
        against = z.new_zeros(())
        for (segment, what), adversary in zip(self.pairs, self.adversaries, strict=True):
            read = adversary(reverse(segment.of(z), weight))
            free = what == "latents"
            lost = F.mse_loss(read, segment.others(_unit(z))) if free else _cross_entropy(read, codes[what])
            against = against + self.shares[segment.name] * lost
        return main, against


def _unit(z: Tensor) -> Tensor:
    """Return latents as a target: of mean 0 and variance 1, without gradient."""
    target = z.detach()
    return (target - target.mean(0)) / target.std(0, correction=0).clamp(min=1e-3)


def _cross_entropy(logits: Tensor, codes: Tensor) -> Tensor:
    """Return the mean over the windows whose code is known; 0 where none is."""
    n_known = (codes >= 0).sum().clamp(min=1)
    return F.cross_entropy(logits, codes, ignore_index=-1, reduction="sum") / n_known

"""TimeDRL's encoder as it is initialised, never trained: what the architecture and the head are worth alone."""

from __future__ import annotations

from typing import ClassVar

from distaff.model.base import Session
from distaff_data.datasets.series import Series
from distaff_timeseries.timedrl.model import TimeDRL


class RandomEncoder(TimeDRL):
    """The same encoder with random weights; settings that concern training mean nothing here."""

    name: ClassVar[str] = "random_encoder"
    control: ClassVar[bool] = True

    def _fit_encoder(self, data: Series, session: Session) -> None:
        """Only initialise."""
        self.network = self.build(data, session.generator(), session.device).eval()

    def notes(self) -> tuple[str, ...]:
        """Return none: what was never trained cannot have collapsed."""
        return ()

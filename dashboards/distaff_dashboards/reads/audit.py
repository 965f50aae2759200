"""The audit of a dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING

from distaff_dashboards.reads.source import Source
from distaff_dashboards.statements import cached

if TYPE_CHECKING:
    from distaff.audit.finding import Audit


@cached(max_entries=16, show_spinner="Asking ...")
def audit_of(source: Source, dataset: str) -> Audit:
    """Return the audit of a dataset."""
    from distaff.audit.referee import audit

    return audit(source.workspace, dataset)

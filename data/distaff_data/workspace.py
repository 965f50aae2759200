"""A workspace: one folder with the warehouse, the runs' artefacts and a configuration file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from distaff_data.errors import InputError
from distaff_data.warehouse import Warehouse

_CONFIG = "distaff.toml"
_CONFIG_TEXT = "# Settings of this Distaff workspace. Everything has a default; see the documentation.\n"


@dataclass(frozen=True)
class Workspace:
    """Paths of a workspace, and its warehouse.

    Attributes:
        root: The folder.
        warehouse: Tables that every verb and page reads and writes.
    """

    root: Path
    warehouse: Warehouse

    @classmethod
    def create(cls, root: str | Path) -> Workspace:
        """Make a workspace, or open the one that is there.

        Raises:
            InputError: ``root`` is a file, or a folder with other things in it.
        """
        root = Path(root)
        if root.exists() and not (root / _CONFIG).exists() and (not root.is_dir() or any(root.iterdir())):
            raise InputError("not a workspace, and not an empty folder to make one in", path=root)
        root.mkdir(parents=True, exist_ok=True)
        warehouse = Warehouse.create(root / "warehouse")
        (root / "runs").mkdir(exist_ok=True)
        if not (root / _CONFIG).exists():
            (root / _CONFIG).write_text(_CONFIG_TEXT)
        return cls(root, warehouse)

    @classmethod
    def open(cls, root: str | Path) -> Workspace:
        """Open an existing workspace.

        Raises:
            InputError: There is none at ``root``.
        """
        root = Path(root)
        if not (root / _CONFIG).exists():
            raise InputError("there is no workspace here; make one with: distaff init", path=root)
        return cls(root, Warehouse.open(root / "warehouse"))

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.root / _CONFIG

    @property
    def runs(self) -> Path:
        """Folder of the runs' artefacts, one folder a run."""
        return self.root / "runs"

    @property
    def scratch(self) -> Path:
        """Folder for temporary files, on the workspace's own disk."""
        return self.root / ".scratch"


def default_root() -> Path:
    """Where the workspace is when nobody says: ``DISTAFF_WORKSPACE``, else ``./workspace``."""
    return Path(os.environ.get("DISTAFF_WORKSPACE") or "workspace")

"""A workspace: one folder with the warehouse, the runs' artefacts and a configuration file."""

from __future__ import annotations

import json
import os
import tomllib
from dataclasses import dataclass
from pathlib import Path

from distaff_data.atomic import leftovers, replacing
from distaff_data.errors import InputError
from distaff_data.warehouse import Warehouse, is_remote

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
    def create(cls, root: str | Path, warehouse_at: str | None = None) -> Workspace:
        """Make a workspace, or open the one that is there.

        Args:
            root: The folder.
            warehouse_at: URL of an object store's prefix for the tables, such as ``s3://bucket/prefix``; in the folder when
                None. Its credentials come from the environment.

        Raises:
            InputError: ``root`` is a file, or a folder with other things in it; it has its tables elsewhere; or the object
                store cannot be reached.
        """
        root = Path(root)
        if warehouse_at is not None:
            is_remote(warehouse_at)
            if (root / _CONFIG).exists() and _location(root) != warehouse_at:
                raise InputError("the workspace exists, with its tables elsewhere", path=root)
        if root.exists() and not (root / _CONFIG).exists() and not _is_free(root):
            raise InputError("not a workspace, and not an empty folder to make one in", path=root)
        root.mkdir(parents=True, exist_ok=True)
        if not (root / _CONFIG).exists():
            # First, and whole: what has it is a workspace, whose tables the next command makes if this one is killed.
            at = "" if warehouse_at is None else f"\n[warehouse]\nlocation = {json.dumps(warehouse_at)}\n"
            with replacing(root / _CONFIG) as temporary:
                temporary.write_text(_CONFIG_TEXT + at)
        warehouse = Warehouse.create(root / "warehouse", _location(root))
        (root / "runs").mkdir(exist_ok=True)
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
        return cls(root, Warehouse.open(root / "warehouse", _location(root)))

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


def _is_free(root: Path) -> bool:
    """Tell whether a folder is empty, but for what a first command that was killed, of this version or an older, left."""
    if not root.is_dir():
        return False
    others = set(root.iterdir()) - set(leftovers(root / _CONFIG))
    begun = others <= {root / "warehouse", root / "runs"} and (root / "warehouse" / ".schema.lock").is_file()
    return not others or begun


def _location(root: Path) -> str | None:
    """Return the place that the configuration names for the tables; None for the workspace's own folder.

    Raises:
        InputError: It says so wrongly.
    """
    file = root / _CONFIG
    try:
        section = tomllib.loads(file.read_text(encoding="utf-8")).get("warehouse", {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"the file is not TOML: {error}", path=file) from None
    location = section.get("location") if isinstance(section, dict) else section
    if location is None:
        return None
    if not isinstance(location, str) or not is_remote(location):
        raise InputError("[warehouse] location is the URL of an object store's prefix", path=file, value=location)
    return location


def default_root() -> Path:
    """Return the default workspace: ``DISTAFF_WORKSPACE``, else ``./workspace``."""
    return Path(os.environ.get("DISTAFF_WORKSPACE") or "workspace")

"""Addresses of sources: what can be read from where, and by what name a person is told of it."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from distaff_data.errors import InputError

ALLOW_HTTP = "DISTAFF_ALLOW_HTTP"
METADATA = ".metadata.json"
"""How the files end that say what an Iceberg table is."""
_SCHEMES = "postgresql://, sqlite:///, https:// and s3://"
_SQLITE = b"SQLite format 3\0"
_VERSION = re.compile(r"v?(\d+)")  # that an Iceberg table's metadata begin with
_SECRETS = {"password", "passfile", "sslpassword"}  # of a URL that libpq reads


@dataclass(frozen=True)
class Address:
    """Where a source is.

    Attributes:
        kind: ``postgresql``, ``sqlite``, ``http``, ``s3``, ``delta`` or ``iceberg``.
        text: What opens it: a URL, or the path of a file or folder.
        shown: What people are told and what is recorded: without the query of a URL, which may be a signature.
        name: Name of the file that it becomes.
    """

    kind: str
    text: str
    shown: str
    name: str

    @property
    def is_database(self) -> bool:
        """True where a statement says what is read."""
        return self.kind in ("postgresql", "sqlite")


def address_of(given: str | Path) -> Address | None:
    """Return the address of a source; None of a file or folder that is read as it stands.

    Raises:
        InputError: It is a URL of something that is not read, or holds credentials.
    """
    text = str(given)
    if "://" not in text:
        return _on_disk(Path(text))
    scheme = text.partition("://")[0].lower()
    try:
        url = urlsplit(text)
        is_secret = holds_secret(url) or (url.username is not None and scheme not in _BY_USER)
    except ValueError as error:
        raise InputError(f"this is no address: {error}", value=scheme + "://...") from None
    if is_secret:
        raise InputError(f"credentials come from the environment, not from an address; {_HINTS.get(scheme, '')}")
    if scheme in ("postgresql", "postgres"):
        return Address("postgresql", text, _shown(url), _file_name(url.path, "postgresql") + ".parquet")
    if scheme == "sqlite":
        return _sqlite(Path(text.partition(":///")[2]))
    if scheme == "s3":
        return Address("s3", text, _shown(url), _file_name(url.path, url.netloc))
    if scheme == "https" or (scheme == "http" and os.environ.get(ALLOW_HTTP, "").lower() == "true"):
        return Address("http", text, _shown(url), _file_name(url.path, "download"))
    if scheme == "http":
        raise InputError(f"http:// can be read and changed on its way; use https://, or set {ALLOW_HTTP}=true")
    raise InputError(f"sources are files, folders, and addresses with {_SCHEMES}", value=scheme + "://...")


def holds_secret(url: SplitResult) -> bool:
    """Tell whether a URL holds a password, before its host or in its query."""
    return url.password is not None or bool(_SECRETS & {key.lower() for key, _ in parse_qsl(url.query)})


def is_here(url: str) -> bool:
    """Tell whether a URL leads to this machine, by its loopback name or address."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def newest(names: Iterable[str]) -> str | None:
    """Return the metadata of the highest version among names of files; None where there is none."""
    versions = {name: _VERSION.match(name.rpartition("/")[2]) for name in names if name.endswith(METADATA)}
    numbered = [(int(found[1]), name) for name, found in versions.items() if found is not None]
    return max(numbered)[1] if numbered else None


_BY_USER = ("postgresql", "postgres")  # whose URL may name the user
_HINTS = {
    "postgresql": "set PGPASSWORD, or write ~/.pgpass",
    "postgres": "set PGPASSWORD, or write ~/.pgpass",
    "s3": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "https": "set DISTAFF_HTTP_TOKEN",
    "http": "set DISTAFF_HTTP_TOKEN",
}


def _on_disk(path: Path) -> Address | None:
    if (path / "_delta_log").is_dir():
        return Address("delta", str(path), str(path), _file_name(path.resolve().name, "table") + ".parquet")
    if path.name.endswith(METADATA):
        return _iceberg(path.resolve(), path.resolve().parent.parent)
    if (path / "metadata").is_dir() and (named := newest([str(file) for file in (path / "metadata").iterdir()])):
        return _iceberg(Path(named).resolve(), path)
    try:
        with path.open("rb") as file:
            return _sqlite(path) if file.read(len(_SQLITE)) == _SQLITE else None
    except OSError:  # a folder, or nothing: whoever reads it says so
        return None


def _iceberg(metadata: Path, folder: Path) -> Address:
    return Address("iceberg", str(metadata), str(folder), _file_name(folder.resolve().name, "table") + ".parquet")


def _sqlite(path: Path) -> Address:
    if not path.is_file():
        raise InputError("there is no such file", path=path)
    return Address("sqlite", str(path), str(path), _file_name(path.stem, "sqlite") + ".parquet")


def _shown(url: SplitResult) -> str:
    return f"{url.scheme}://{url.netloc}{url.path}"


def _file_name(path: str, otherwise: str) -> str:
    """Return the last part of a path as a plain file name."""
    last = unquote(path.rstrip("/").rpartition("/")[2])
    return re.sub(r"[^A-Za-z0-9._-]", "_", last).lstrip(".")[-100:] or otherwise

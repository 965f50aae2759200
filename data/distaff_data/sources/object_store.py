"""Files and Delta tables of an object store, ``s3://bucket/key``, with credentials in ``AWS_...``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import pyarrow.fs as pafs

from distaff_data.errors import InputError, first_line
from distaff_data.sources.address import METADATA, Address, newest
from distaff_data.sources.spool import Spool

_CHUNK = 4 << 20
_FILES = (".csv", ".tsv", ".txt", ".dat", ".data", ".inter", ".item", ".user", ".jsonl", ".ndjson", ".json", ".parquet",
          ".pq", ".npy", ".npz", ".ts", ".arff")  # fmt: skip


def is_delta(address: Address) -> bool:
    """Tell whether a Delta table is there; what is named like a file is none, and nobody needs to be let list it.

    Raises:
        InputError: The store cannot be reached, or refuses.
    """
    return not address.name.lower().endswith(_FILES) and bool(_infos(address, _path(address) + "/_delta_log"))


def iceberg_of(address: Address) -> Address | None:
    """Return the address of an Iceberg table's newest metadata; None where no such table is there.

    Raises:
        InputError: The store cannot be reached, or refuses.
    """
    if address.name.endswith(METADATA):
        _store()  # refuses what must not be reached over plain HTTP
        return replace(address, kind="iceberg")
    if address.name.lower().endswith(_FILES):
        return None
    named = newest(info.path for info in _infos(address, _path(address) + "/metadata"))
    return None if named is None else replace(address, kind="iceberg", text=f"s3://{named}")


def copy(spool: Spool, address: Address) -> list[Path]:
    """Return the file, or the Parquet files under a prefix that ends with a slash, copied.

    Raises:
        InputError: There is none, the store cannot be reached or refuses, or the disk has no room.
    """
    path = _path(address)
    if not address.text.endswith("/"):
        return [_copied(spool, address, path)]
    found = sorted(info.path for info in _infos(address, path) if info.path.endswith((".parquet", ".pq")))
    if not found:
        raise InputError("there is no Parquet file under this prefix", path=address.shown)
    base = f"s3://{path.partition('/')[0]}/"
    parts = [
        Address("s3", base + key, base + key, key.rpartition("/")[2]) for key in (p.partition("/")[2] for p in found)
    ]
    return [_copied(spool, part, _path(part)) for part in parts]


def _copied(spool: Spool, address: Address, path: str) -> Path:
    try:
        store = _store()
        info = store.get_file_info(path)
        if info.type != pafs.FileType.File:
            raise InputError("there is no such object", path=address.shown)
        with store.open_input_stream(path) as stream:
            return spool.copy(address, _chunks(stream), info.size)
    except OSError as error:
        raise _refused(address, error) from None


def _infos(address: Address, path: str) -> list[pafs.FileInfo]:
    try:
        return list(_store().get_file_info(pafs.FileSelector(path, allow_not_found=True)))
    except OSError as error:
        raise _refused(address, error) from None


def _store() -> pafs.S3FileSystem:
    """Return the store that the environment names, as Delta's own client finds it."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL")
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if endpoint is None:
        return pafs.S3FileSystem(region=region)
    url = urlsplit(endpoint)
    if url.scheme == "http" and os.environ.get("AWS_ALLOW_HTTP", "").lower() != "true":
        raise InputError("AWS_ENDPOINT_URL is http://; use https://, or set AWS_ALLOW_HTTP=true")
    return pafs.S3FileSystem(region=region, endpoint_override=url.netloc, scheme=url.scheme)


def _path(address: Address) -> str:
    return address.text.partition("://")[2].strip("/")


def _chunks(stream: IO[bytes]) -> Iterator[bytes]:
    while chunk := stream.read(_CHUNK):
        yield chunk


def _refused(address: Address, error: OSError) -> InputError:
    return InputError(f"the object store cannot be read: {first_line(error)}", path=address.shown)

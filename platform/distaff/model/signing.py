"""Signatures of saved models: Ed25519 over the manifest, which holds the digest of every other file.

Two settings of the environment, which whoever may write to a workspace cannot change:

* ``DISTAFF_SIGNING_KEY``, the file of a private key: every model that is saved is signed with it.
* ``DISTAFF_TRUSTED_KEYS``, a file with a public key a line: a model is read only if one of them signed it.

A signature says who saved a model, and that nothing in it was changed since. It does not say which run the model is of: who
may write to a workspace can still put one signed model in the place of another.
"""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path

from distaff_data.atomic import replacing
from distaff_data.errors import InputError

SIGNATURE = "model.sig"
SIGNING_KEY, TRUSTED_KEYS = "DISTAFF_SIGNING_KEY", "DISTAFF_TRUSTED_KEYS"
_KIND = "ed25519:"
_LARGEST = 1 << 16  # bytes of a file of keys or of a signature
_CONTEXT = b"distaff model manifest\n"  # so that the key signs nothing that could be taken for something else


def make_key(file: Path) -> str:
    """Write a new private key to a file that only its owner may read; returns the public key.

    Raises:
        InputError: The file is there already, or the extra is not installed.
    """
    _check_installed()
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        opened = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise InputError("the file is there already; a key is not overwritten", path=file) from None
    with os.fdopen(opened, "wb") as out:
        out.write(text)
    return _KIND + key.public_key().public_bytes_raw().hex()


def sign_where_told(manifest: Path) -> str | None:
    """Sign a manifest with the key that the environment names; returns its public key, None where it names none.

    Raises:
        InputError: The file is no private key, or others may read it.
    """
    name = os.environ.get(SIGNING_KEY)
    if not name:
        return None
    _check_installed()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    file = Path(name)
    try:
        if file.stat().st_mode & 0o077:
            raise InputError("others may read the private key; close it with: chmod 600", path=file)
        key = load_pem_private_key(_read(file), None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise InputError(f"this is no private key: {type(error).__name__}", path=file) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise InputError("this is a private key of another kind; make one with: distaff keygen", path=file)
    public = _KIND + key.public_key().public_bytes_raw().hex()
    signature = key.sign(_CONTEXT + manifest.read_bytes()).hex()
    with replacing(manifest.with_name(SIGNATURE)) as temporary:
        temporary.write_text(json.dumps({"key": public, "signature": signature}))
    return public


def check_where_told(manifest: Path, text: bytes) -> None:
    """Refuse a manifest, of which ``text`` is what was read, that no trusted key signed, where trusted keys are named.

    Raises:
        InputError: It is not signed, signed by another, or was changed; or the file of keys cannot be read.
    """
    name = os.environ.get(TRUSTED_KEYS)
    if name is None:
        return
    if not name.strip():
        raise InputError(f"{TRUSTED_KEYS} is set and names no file: name one of public keys, or unset it")
    trusted = _trusted(Path(name))
    by, signature = _signature(manifest.with_name(SIGNATURE))
    if by not in trusted:
        raise InputError(f"the model is signed by none of the keys in {name}", path=manifest.parent, value=by)
    _check_installed()
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(by.removeprefix(_KIND)))
        key.verify(signature, _CONTEXT + text)
    except (InvalidSignature, ValueError):
        raise InputError("the model was changed since it was signed", path=manifest.parent) from None


def _trusted(file: Path) -> set[str]:
    """Return the public keys of a file, of which every line is one, empty, or a comment after ``#``.

    Raises:
        InputError: One is none, or there is none at all: that nobody is trusted is no reason to trust everybody.
    """
    keys = set()
    try:
        text = _read(file).decode("ascii")
    except (OSError, ValueError) as error:
        raise InputError(f"the trusted keys cannot be read: {type(error).__name__}", path=file) from None
    for number, line in enumerate(text.splitlines(), 1):
        if key := line.partition("#")[0].strip():
            if not _is_key(key):
                raise InputError("a public key is ed25519: and 64 hexadecimal digits", path=file, line=number)
            keys.add(key)
    if not keys:
        raise InputError("the file has no public key", path=file)
    return keys


def _signature(file: Path) -> tuple[str, bytes]:
    if not file.is_file():
        raise InputError("the model is not signed, and trusted keys are asked for; see: distaff sign", path=file.parent)
    try:
        said = json.loads(_read(file))
        by, signature = said["key"], bytes.fromhex(said["signature"])
        if not _is_key(by):
            raise ValueError
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise InputError("the signature cannot be read", path=file) from None
    return by, signature


def _is_key(text: object) -> bool:
    digits = text.removeprefix(_KIND) if isinstance(text, str) and text.startswith(_KIND) else ""
    return len(digits) == 64 and set(digits) <= set("0123456789abcdef")


def _read(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(_LARGEST)


def _check_installed() -> None:
    if importlib.util.find_spec("cryptography") is None:
        raise InputError("signatures need cryptography; install with: pip install 'distaff[sign]'")

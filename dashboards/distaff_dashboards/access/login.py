"""A login before the dashboard, by OpenID Connect: Streamlit's own, configured in the workspace's ``login.toml``.

::

    [auth]
    redirect_uri = "https://distaff.example.org/oauth2callback"
    cookie_secret = "..."            # 32 random characters or more
    client_id = "..."
    client_secret = "..."
    server_metadata_url = "https://login.example.org/.well-known/openid-configuration"

    [access]                         # who may come in; everybody that the provider knows is too many
    emails = ["ann@example.org"]
    domains = ["example.org"]

Where the file is, nobody sees a page without having logged in, on whatever address; without it, the dashboard listens on
this machine only.
"""

from __future__ import annotations

import importlib.util
import ipaddress
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from distaff_data.errors import InputError

REQUIRED = "DISTAFF_LOGIN"
"""Environment variable that tells the app to ask for a login."""

_FILE = "login.toml"
_KEYS = ("redirect_uri", "cookie_secret", "client_id", "client_secret", "server_metadata_url")
_SECRET = 32  # characters


@dataclass(frozen=True)
class Login:
    """A configured login: the file that Streamlit reads, and the host that browsers ask for."""

    file: Path
    host: str


def login_of(workspace_root: Path) -> Login | None:
    """Return the login of a workspace; None where none is configured.

    Raises:
        InputError: It is configured, but not safely; the message never holds a value.
    """
    file = Path(workspace_root).resolve() / _FILE
    if not file.exists():
        return None
    if file.stat().st_mode & 0o077:
        raise InputError("others may read the secrets in this file; close it with: chmod 600", path=file)
    try:
        settings = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise InputError("the file is not TOML", path=file) from None
    auth = settings.get("auth")
    if not isinstance(auth, dict) or not all(isinstance(auth.get(key), str) and auth[key] for key in _KEYS):
        raise InputError(f"[auth] needs {', '.join(_KEYS)}", path=file)
    if len(auth["cookie_secret"]) < _SECRET:
        raise InputError(f"the cookie_secret has fewer than {_SECRET} characters", path=file)
    redirect = urlsplit(auth["redirect_uri"])
    if urlsplit(auth["server_metadata_url"]).scheme != "https":
        raise InputError("server_metadata_url must begin with https://", path=file)
    if redirect.path != "/oauth2callback" or not (redirect.scheme == "https" or is_loopback(redirect.hostname or "")):
        raise InputError("redirect_uri must be https://HOST/oauth2callback", path=file)
    if not _are_names(settings.get("access")):
        raise InputError("[access] needs emails or domains: who may come in", path=file)
    if importlib.util.find_spec("authlib") is None:
        raise InputError("a login needs Authlib; install with: pip install 'distaff[login]'")
    return Login(file, str(redirect.hostname))


def is_loopback(address: str) -> bool:
    """Tell whether only this machine can reach an address."""
    try:
        return address == "localhost" or ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def may_enter(user: Mapping[str, Any], access: Mapping[str, Any]) -> bool:
    """Tell whether an account that the provider vouches for is one of those that may come in.

    Args:
        user: Its claims; only an address that the provider has verified counts.
        access: The table ``[access]``.
    """
    email = str(user.get("email") or "").strip().lower()
    if "@" not in email or user.get("email_verified") is not True:
        return False
    emails, domains = ({str(name).strip().lower() for name in access.get(key, ())} for key in ("emails", "domains"))
    return email in emails or email.rpartition("@")[2] in domains


def _are_names(access: object) -> bool:
    """Tell whether the table ``[access]`` has lists of names, at least one of them not empty, and nothing else."""
    if not isinstance(access, dict) or not access.keys() <= {"emails", "domains"}:
        return False
    lists = [access[key] for key in access]
    return all(isinstance(names, list) and all(isinstance(n, str) for n in names) for names in lists) and any(lists)

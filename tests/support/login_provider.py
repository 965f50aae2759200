"""An OpenID Connect provider of its own for a test: HTTPS on a free port of this machine, one account, no questions."""

from __future__ import annotations

import base64
import datetime as dt
import ipaddress
import json
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

CLIENT, SECRET = "distaff-tests", "a-client-secret-that-nobody-may-see"


@dataclass
class Provider:
    """Where it is, the certificate to trust, and the claims it makes about whoever comes next."""

    url: str
    certificate: Path
    claims: dict[str, Any] = field(default_factory=dict)


@contextmanager
def login_provider(folder: Path) -> Iterator[Provider]:
    """Serve while the block lasts."""
    jose = pytest.importorskip("joserfc.jwk", reason="no JOSE here; pip install 'distaff[login]'")
    key = jose.RSAKey.generate_key(2048, {"kid": "only", "alg": "RS256", "use": "sig"})
    certificate, private = _certificate(folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    provider = Provider(f"https://127.0.0.1:{server.server_port}", certificate)
    server.RequestHandlerClass = _handler(provider, key)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, private)
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(provider: Provider, key: Any) -> type[BaseHTTPRequestHandler]:
    nonces: dict[str, str] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            where, asked = urlsplit(self.path), parse_qs(urlsplit(self.path).query)
            if where.path == "/authorize":
                code = f"code-{len(nonces)}"
                nonces[code] = asked.get("nonce", [""])[0]
                back = f"{asked['redirect_uri'][0]}?{urlencode({'code': code, 'state': asked['state'][0]})}"
                self.send_response(302)
                self.send_header("Location", back)
                self.end_headers()
            else:
                self._say(
                    {"/.well-known/openid-configuration": _metadata(provider.url), "/keys": _keys(key)}[where.path]
                )

        def do_POST(self) -> None:
            asked = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            basic = base64.b64decode(self.headers.get("Authorization", "").removeprefix("Basic ")).decode()
            if SECRET not in basic and asked.get("client_secret") != [SECRET]:
                return self.send_error(401)
            token = _id_token(provider, key, nonces.pop(asked["code"][0]))
            return self._say({"access_token": "none", "token_type": "Bearer", "id_token": token})

        def _say(self, answer: dict[str, Any]) -> None:
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


def _metadata(url: str) -> dict[str, Any]:
    return {
        "issuer": url,
        "authorization_endpoint": f"{url}/authorize",
        "token_endpoint": f"{url}/token",
        "jwks_uri": f"{url}/keys",
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    }


def _keys(key: Any) -> dict[str, Any]:
    return {"keys": [key.as_dict(private=False)]}


def _id_token(provider: Provider, key: Any, nonce: str) -> str:
    from joserfc import jwt

    now = int(time.time())
    about = {"iss": provider.url, "aud": CLIENT, "sub": "somebody", "iat": now, "exp": now + 600, "nonce": nonce}
    return str(jwt.encode({"alg": "RS256", "kid": "only"}, about | provider.claims, key))


def _certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(here, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / "provider.pem", folder / "provider.key"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    files[1].write_bytes(key.private_bytes(pem, pkcs8, plain))
    return files

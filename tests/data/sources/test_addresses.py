"""Addresses of sources, and files that are fetched: from an HTTPS server and an object store of the test's own."""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from deltalake import write_deltalake
from object_store import BUCKET, object_store

from distaff_data.errors import InputError
from distaff_data.ingest import ingest_interactions, ingest_series
from distaff_data.sources import Spool, web
from distaff_data.sources.address import address_of
from distaff_data.workspace import Workspace

PAIRS = pl.DataFrame({"user_id": [f"u{n % 9}" for n in range(60)], "item_id": [f"i{n % 7}" for n in range(60)]})
CSV = PAIRS.write_csv().encode()
TOKEN = "an-http-token-nobody-may-see"


class Site(BaseHTTPRequestHandler):
    """Files, redirects and defects by their path; notes who asked with what."""

    asked: list[tuple[str, str | None]]
    elsewhere = ""

    def do_GET(self) -> None:
        self.asked.append((self.path, self.headers.get("Authorization")))
        name = self.path.partition("?")[0]
        if name == "/moved":
            return self._send(302, b"", {"Location": "/orders.csv"})
        if name == "/elsewhere":
            return self._send(302, b"", {"Location": self.elsewhere})
        if name == "/round":
            return self._send(302, b"", {"Location": "/round"})
        if name == "/short.csv":
            return self._send(200, CSV[:-20], {"Content-Length": str(len(CSV))})
        if name == "/huge.csv":
            return self._send(200, b"x", {"Content-Length": str(1 << 60)})
        if name == "/packed.csv":
            return self._send(200, CSV, {"Content-Encoding": "gzip"})
        self._send(200 if name == "/orders.csv" else 404, CSV if name == "/orders.csv" else b"no")

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for key, value in ({"Content-Length": str(len(body))} | (headers or {})).items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@contextmanager
def site(context: ssl.SSLContext | None) -> Iterator[tuple[str, type[Site]]]:
    handler = type("Own", (Site,), {"asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"{'http' if context is None else 'https'}://localhost:{server.server_address[1]}", handler
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a certificate for this machine, with its key, in one file."""
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=9))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return file


@pytest.fixture
def secure(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, type[Site]]]:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with site(context) as served:
        yield served


def test_file_of_the_web_is_read_and_recorded_without_its_signature(
    workspace: Workspace, secure: tuple[str, type[Site]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISTAFF_HTTP_TOKEN", TOKEN)
    report = ingest_interactions(workspace, "shop", f"{secure[0]}/orders.csv?X-Signature=abcdef")
    assert report.train + report.valid + report.test == PAIRS.unique().height
    told = str(workspace.warehouse.rows("SELECT source, settings FROM datasets"))
    assert f"{secure[0]}/orders.csv'" in told
    assert "abcdef" not in told
    assert TOKEN not in told
    assert secure[1].asked == [("/orders.csv?X-Signature=abcdef", f"Bearer {TOKEN}")]
    assert not list(workspace.scratch.iterdir())


def test_redirects_stay_within_https_and_take_no_token_to_others(
    workspace: Workspace, secure: tuple[str, type[Site]], certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISTAFF_HTTP_TOKEN", TOKEN)
    ingest_interactions(workspace, "moved", f"{secure[0]}/moved")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with site(context) as (other, asked), site(None) as (plain, unasked):
        secure[1].elsewhere = f"{other}/orders.csv"
        ingest_interactions(workspace, "other", f"{secure[0]}/elsewhere")
        assert asked.asked == [("/orders.csv", None)]
        for target, problem in (
            (f"{plain}/orders.csv", "redirects from https to http"),
            ("file:///etc/passwd", "not allowed"),
            ("ftp://localhost/x", "redirects from https to ftp"),
        ):
            secure[1].elsewhere = target
            with pytest.raises(InputError, match=problem):
                ingest_interactions(workspace, "bad", f"{secure[0]}/elsewhere")
        assert unasked.asked == []
        # As if the first server were one of the open net: it may not send anybody into this machine.
        secure[1].elsewhere = f"{other}/orders.csv".replace("localhost", "127.0.0.1")
        monkeypatch.setattr(web, "is_closed", lambda host: host == "127.0.0.1")
        with pytest.raises(InputError, match="into a closed network"):
            ingest_interactions(workspace, "bad", f"{secure[0]}/elsewhere")
        assert len(asked.asked) == 1


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("/nothing.csv", "answers 404"),
        ("/short.csv", "bytes came of"),
        ("/huge.csv", "no room"),
        ("/packed.csv", "packed"),
        ("/round", "cannot be fetched|answers 302"),
    ],
)
def test_what_does_not_come_whole_is_one_line(
    workspace: Workspace, secure: tuple[str, type[Site]], path: str, problem: str
) -> None:
    with pytest.raises(InputError, match=problem) as refused:
        ingest_interactions(workspace, "shop", secure[0] + path)
    assert "\n" not in str(refused.value)
    assert secure[0] + path in str(refused.value)
    assert not list(workspace.scratch.glob("*"))


def test_server_that_nobody_vouches_for_and_plain_http_are_refused(
    workspace: Workspace, secure: tuple[str, type[Site]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(InputError, match="CERTIFICATE_VERIFY_FAILED"):
        ingest_interactions(workspace, "shop", f"{secure[0]}/orders.csv")
    assert secure[1].asked == []
    with site(None) as (plain, asked):
        with pytest.raises(InputError, match="use https://"):
            ingest_interactions(workspace, "shop", f"{plain}/orders.csv")
        assert asked.asked == []
        monkeypatch.setenv("DISTAFF_ALLOW_HTTP", "true")
        ingest_interactions(workspace, "shop", f"{plain}/orders.csv")


def test_addresses_of_this_machine_are_closed() -> None:
    assert [web.is_closed(host) for host in ("127.0.0.1", "localhost", "10.1.2.3", "169.254.169.254", "::1")] == [
        True
    ] * 5
    assert not web.is_closed("9.9.9.9")


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("postgresql://ann:hunter2hunter2@host/db", "PGPASSWORD"),
        ("postgresql://host/db?password=hunter2hunter2", "PGPASSWORD"),
        ("https://ann:hunter2hunter2@host/x.csv", "DISTAFF_HTTP_TOKEN"),
        ("s3://key:hunter2hunter2@bucket/x", "AWS_SECRET_ACCESS_KEY"),
        ("ftp://ann:hunter2hunter2@host/x", "credentials"),
        ("ftp://host/x?hunter2hunter2", "sources are"),
        ("file:///etc/hunter2hunter2", "sources are"),
        ("https://[hunter2hunter2/x", "no address"),
    ],
)
def test_credentials_in_addresses_and_other_schemes_are_refused(
    workspace: Workspace, address: str, problem: str
) -> None:
    with pytest.raises(InputError, match=problem) as refused:
        ingest_interactions(workspace, "shop", address, query="SELECT 1")
    assert "hunter2" not in str(refused.value)


def test_names_of_copies_are_plain() -> None:
    for url, name in (
        ("https://host/a/..%2f..%2fetc%2fpasswd", "_.._etc_passwd"),
        ("https://host/", "download"),
        ("https://host/%00.csv", "_.csv"),
        ("https://host/....", "download"),
    ):
        address = address_of(url)
        assert address is not None
        assert address.name == name
        assert "/" not in address.name


@pytest.mark.parametrize(
    "as_stream",
    [
        lambda frame: frame,
        lambda frame: frame.lazy(),
        lambda frame: frame.to_arrow(),
        lambda frame: pa.RecordBatchReader.from_batches(frame.to_arrow().schema, frame.to_arrow().to_batches(7)),
        lambda frame: frame.to_pandas(),
    ],
    ids=["polars", "lazy", "arrow", "stream", "pandas"],
)
def test_frames_and_streams_are_ingested_like_files(
    workspace: Workspace, tmp_path: Path, as_stream: Callable[[pl.DataFrame], Any]
) -> None:
    report = ingest_interactions(workspace, "frame", as_stream(PAIRS))
    (tmp_path / "x.csv").write_bytes(CSV)
    assert report.train == ingest_interactions(workspace, "file", tmp_path / "x.csv").train
    assert workspace.warehouse.rows("SELECT source FROM datasets WHERE dataset = 'frame'") == [{"source": "frame"}]
    waves = pl.DataFrame({"time": range(40), "a": [float(n % 5) for n in range(40)]})
    assert ingest_series(workspace, "waves", as_stream(waves)).channels == 1
    with pytest.raises(InputError, match="frame"):
        ingest_interactions(workspace, "bad", as_stream(PAIRS.select("user_id")))


def test_delta_table_is_read_and_followed(workspace: Workspace, tmp_path: Path) -> None:
    table = tmp_path / "orders"
    write_deltalake(table, PAIRS.with_row_index("n", offset=1).with_columns(pl.col("n").cast(pl.Int64)).to_arrow())
    before = ingest_interactions(workspace, "shop", table, since="n")
    assert ingest_interactions(workspace, "shop", table, since="n").generation == before.generation
    write_deltalake(table, pa.table({"n": [61], "user_id": ["u0"], "item_id": ["new"]}), mode="append")
    assert ingest_interactions(workspace, "shop", table, since="n").items == before.items + 1
    with pytest.raises(InputError, match="no column named 'm'"):
        ingest_interactions(workspace, "other", table, since="m")
    (next((table / "_delta_log").glob("*0.json"))).write_text("{")
    with pytest.raises(InputError, match="Delta table cannot be read"):
        ingest_interactions(workspace, "other", table)


@pytest.mark.s3
def test_files_folders_and_delta_tables_of_an_object_store_are_read(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with object_store(monkeypatch) as prefix:
        s3 = pytest.importorskip("boto3").client("s3")
        s3.put_object(Bucket=BUCKET, Key="in/orders.csv", Body=CSV)
        for name, part in (("a", PAIRS[:30]), ("b", PAIRS[30:])):
            part.write_parquet(tmp_path / "part.parquet")
            s3.put_object(Bucket=BUCKET, Key=f"in/parts/{name}.parquet", Body=(tmp_path / "part.parquet").read_bytes())
        write_deltalake(f"{prefix}/table", PAIRS.to_arrow())
        counts = {
            ingest_interactions(workspace, name, source).train
            for name, source in (
                ("file", f"s3://{BUCKET}/in/orders.csv"),
                ("folder", f"s3://{BUCKET}/in/parts/"),
                ("delta", f"{prefix}/table"),
            )
        }
        assert len(counts) == 1
        with pytest.raises(InputError, match="no such object"):
            ingest_interactions(workspace, "none", f"s3://{BUCKET}/in/none.csv")
        with pytest.raises(InputError, match="no Parquet file"):
            ingest_interactions(workspace, "none", f"s3://{BUCKET}/empty/")
        monkeypatch.delenv("AWS_ALLOW_HTTP")
        with pytest.raises(InputError, match="AWS_ENDPOINT_URL is http"):
            ingest_interactions(workspace, "none", f"s3://{BUCKET}/in/orders.csv")


def test_copies_that_a_killed_process_left_are_told_from_those_in_use(tmp_path: Path) -> None:
    with Spool(tmp_path) as spool:
        assert not Spool.is_abandoned(spool.root)
        (tmp_path / "source-dead").mkdir()
        (tmp_path / "source-dead" / "held.lock").touch()
        assert Spool.is_abandoned(tmp_path / "source-dead")
        assert not Spool.is_abandoned(tmp_path / "scratch-other")
    assert not spool.root.exists()

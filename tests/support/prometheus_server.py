"""A Prometheus server of its own for a test: real, on a free port, with samples that were written before it started."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

Sample = tuple[str, float, float]
"""A series, such as ``up{job="x"}``, a moment in seconds and a value."""


@contextmanager
def prometheus(folder: Path, samples: Iterable[Sample] | None, *flags: str, port: int | None = None) -> Iterator[str]:
    """Serve samples while the block lasts; gives the server's address. A test without the package is skipped.

    Args:
        folder: Where they are kept.
        samples: What is served; what a server before it served there when None.
        flags: Of the server, beside those that it needs.
        port: Where it listens; a free one when None.
    """
    if shutil.which("prometheus") is None or shutil.which("promtool") is None:
        pytest.skip("no Prometheus server here; on Debian: apt-get install prometheus")
    if samples is not None:
        folder.mkdir(exist_ok=True)
        _write(folder, samples)
    if port is None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
    (folder / "prometheus.yml").write_text("global: {scrape_interval: 1h}\n")
    command = [
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        "--storage.tsdb.retention.time=100y",
        f"--web.listen-address=127.0.0.1:{port}",
        *flags,
    ]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _until_it_is_ready(f"http://127.0.0.1:{port}")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def _write(folder: Path, samples: Iterable[Sample]) -> None:
    families: dict[str, list[Sample]] = {}
    for sample in samples:
        families.setdefault(sample[0].partition("{")[0], []).append(sample)
    lines = []
    for name, own in families.items():
        lines.append(f"# TYPE {name} gauge")
        lines += [f"{series} {value!r} {at:.3f}" for series, at, value in sorted(own, key=lambda each: each[:2])]
    text = folder / "samples.om"
    text.write_text("\n".join(lines) + "\n# EOF\n")
    command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(text), str(folder / "data")]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def _until_it_is_ready(url: str) -> None:
    deadline = time.monotonic() + 600
    while True:
        try:
            urllib.request.urlopen(f"{url}/-/ready", timeout=5).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)

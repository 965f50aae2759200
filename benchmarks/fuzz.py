"""Files of every format, damaged in seeded ways, into ingestion: how many are accepted, refused, met with a traceback, hang.

Run as ``python benchmarks/fuzz.py --files 10000 --save``. What was not refused in a line is kept under
``--keep``. A file hangs that takes more than ten seconds of processor time. Of what is accepted, what was stored is checked:
finite numbers, no empty ids, no more rows than the file has bytes.
"""

from __future__ import annotations

import argparse
import collections
import io
import json
import math
import os
import random
import select
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import polars as pl
from benchmarks import results

from distaff_data.errors import DistaffError
from distaff_data.ingest import ingest_attributes, ingest_incidents, ingest_interactions, ingest_series
from distaff_data.workspace import Workspace

_SECONDS = 10.0  # of processor time
_FRESH = 100  # files after which the workspace is made anew
_TOKENS = [
    b"", b"NaN", b"inf", b"-1", b"1e400", b"1e39", b"9" * 40, b"9" * 5000, b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b'"', b"'",
    b"\r", b"\n\n", b"9999-12-31", b"1600000000000", b"[" * 3000, b"{" * 200, b"::", b"\t", b"|", b",,,", b";", b"?", b"%",
    b"@data", b"null", b"true", b"../../x", b"\xe9", b"e", b".", b"0x10", b"1_000", b"-0", b"\xf0\x9f\x98\x80",
]  # fmt: skip

Ingest = Callable[[Workspace, Path], object]


def _interactions(workspace: Workspace, path: Path) -> object:
    return ingest_interactions(workspace, "fuzzed", path, replace=True, split="random:0.6,0.2,0.2")


def _database(workspace: Workspace, path: Path) -> object:
    query = "SELECT * FROM orders"
    return ingest_interactions(workspace, "fuzzed", path, replace=True, split="random:0.6,0.2,0.2", query=query)


def _items(workspace: Workspace, path: Path) -> object:
    return ingest_attributes(workspace, "item", "shop", [path])


def _series(workspace: Workspace, path: Path) -> object:
    return ingest_series(workspace, "fuzzed", [path], replace=True)


def _incidents(workspace: Workspace, path: Path) -> object:
    return ingest_incidents(workspace, "fuzzed", [path.parent if path.name == "cases.json" else path], replace=True)


def seeds() -> dict[str, tuple[Ingest, bytes]]:
    """Return a small valid file of every format by its name, with what ingests it."""
    draw = np.random.default_rng(0)
    pairs = [(u, i, 1 + (u * i) % 5, 1_600_000_000 + 97 * n) for n, (u, i) in enumerate(np.ndindex(6, 5))]
    lines = [f"u{u},i{i},{r},{t}" for u, i, r, t in pairs]
    orders = pl.DataFrame(pairs, schema=["user", "item", "rating", "timestamp"], orient="row")
    walk = draw.normal(size=(40, 2)).round(3)
    wide = pl.DataFrame({"time": np.arange(40) * 60.0, "shop|latency": walk[:, 0], "db|cpu": walk[:, 1]})
    long = [f"{60 * t},{name},{walk[t, n]}" for t in range(40) for n, name in enumerate("ab")]
    windows = draw.normal(size=(6, 8, 2)).round(3)
    cells = [":".join(",".join(map(str, w[:, c])) for c in range(2)) for w in windows]
    attributes = "".join(f"@attribute a{n} numeric\n" for n in range(8))
    rows = [",".join(map(str, w[:, 0])) for w in windows]
    vectors = pl.DataFrame({"item": ["i0", "i1"], "kind": ["a", "b"], "vector": [[0.5, 1.0], [0.1, 2.0]]})
    archive = io.BytesIO()
    np.savez_compressed(archive, x_train=windows[:4], y_train=np.arange(4) % 2, x_test=windows[4:], y_test=[0, 1])
    matrix = io.BytesIO()
    np.save(matrix, draw.normal(size=(5, 3)).astype(np.float32))
    classes = "".join(f"{row}:{n % 2}\n" for n, row in enumerate(cells))
    labelled = "".join(f"{row},{'xy'[n % 2]}\n" for n, row in enumerate(rows))
    described = "".join(f"i{i},{'ab'[i % 2]}|c,title {i},text of {i}\n" for i in range(5))
    tagged = "".join(f"i{i}\ta b\t0.{i} 1\n" for i in range(5))
    objects = "".join(json.dumps({"user": u, "item": i, "rating": r}) + "\n" for u, i, r, _ in pairs)
    sent = [{"attributes": [{"key": "core", "value": {"intValue": n}}], "timeUnixNano": f"{1_600_000_000 + t}000000000",
             "asDouble": walk[t, n]} for t in range(12) for n in range(2)]  # fmt: skip
    metric = {"name": "cpu", "sum": {"isMonotonic": True, "aggregationTemporality": 2, "dataPoints": sent}}
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "db"}}]}
    request = {"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"metrics": [metric]}]}]}
    texts: dict[str, tuple[Ingest, str]] = {
        "orders.csv": (_interactions, "user,item,rating,timestamp\n" + "\n".join(lines) + "\n"),
        "quoted.csv": (_interactions, 'user,item\n"a ""b""\nc",i1\n"a, b",i2\nb,i1\nb,i3\n'),
        "dates.csv": (_interactions, "user,item,date\na,1,2024-01-01\na,2,2024-06-01T10:00:00Z\nb,1,2023-12-31\n"),
        "orders.tsv": (_interactions, "user\titem\trating\n" + "\n".join(f"{u}\t{i}\t{r}" for u, i, r, _ in pairs) + "\n"),
        "shop.inter": (_interactions, "user_id:token\titem_id:token\n" + "".join(f"{u}\t{i}\n" for u, i, *_ in pairs)),
        "train.txt": (_interactions, "\n".join(f"{u} " + " ".join(map(str, range(u, u + 5))) for u in range(6)) + "\n"),
        "ratings.dat": (_interactions, "\n".join(f"{u + 1}::{i + 1}::{r}::{t}" for u, i, r, t in pairs) + "\n"),
        "orders.jsonl": (_interactions, objects),
        "items.csv": (_items, "item,kind,title,description\n" + described),
        "items.jsonl": (_items, "\n".join(json.dumps({"item": f"i{i}", "tags": ["a", str(i)]}) for i in range(5))),
        "shop.item": (_items, "item_id:token\tc:token_seq\tv:float_seq\n" + tagged),
        "wide.csv": (_series, "time,a,b\n" + "\n".join(f"{60 * t},{a},{b}" for t, (a, b) in enumerate(walk)) + "\n"),
        "long.csv": (_series, "time,channel,value\n" + "\n".join(long) + "\n"),
        "windows.ts": (_series, "@problemName x\n@timeStamps false\n@classLabel true 0 1\n@data\n" + classes),
        "windows.arff": (_series, f"@relation x\n{attributes}@attribute target {{x,y}}\n@data\n" + labelled),
        "incident.csv": (_incidents, wide.write_csv()),
        "measured.csv": (_incidents, "time,metric,value\n" + "\n".join(long) + "\n"),
        "otel.jsonl": (_incidents, json.dumps(request) + "\n"),
        "cases.json": (_incidents, json.dumps([{"case": "c", "onset": 1200, "kpi": "db|cpu", "root_entities": ["db"]}])),
    }  # fmt: skip
    made = {name: (ingest, text.encode()) for name, (ingest, text) in texts.items()}
    made["windows.npz"] = (_series, archive.getvalue())
    made["text.npy"] = (_items, matrix.getvalue())
    for name, ingest, table in (("orders.parquet", _interactions, orders), ("items.parquet", _items, vectors),
                                ("wide.parquet", _series, wide), ("incident.parquet", _incidents, wide)):  # fmt: skip
        out = io.BytesIO()
        table.write_parquet(out)
        made[name] = (ingest, out.getvalue())
    made["shop.db"] = (_database, _sqlite(pairs))
    return made


def _sqlite(pairs: list[tuple[int, int, int, int]]) -> bytes:
    """Return an SQLite file of orders."""
    with closing(sqlite3.connect(":memory:")) as con:
        con.execute("CREATE TABLE orders (user TEXT, item INTEGER, rating REAL, timestamp INTEGER)")
        con.executemany("INSERT INTO orders VALUES (?, ?, ?, ?)", pairs)
        con.commit()
        return con.serialize()


def mutated(name: str, content: bytes, chance: random.Random) -> bytes:
    """Return the content with one to four changes; of an archive half of the time inside a member."""
    if name.endswith(".npz") and chance.random() < 0.5:
        return _repacked(content, chance)
    for _ in range(chance.choice([1, 1, 1, 2, 4])):
        content = chance.choice(_CHANGES)(content, chance)
    return content


def _repacked(content: bytes, chance: random.Random) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        names = source.namelist()
        changed = chance.choice(names)
        for member in names:
            inner = source.read(member)
            target.writestr(member, chance.choice(_CHANGES)(inner, chance) if member == changed else inner)
    return out.getvalue()


def _span(content: bytes, chance: random.Random, most: int = 64) -> tuple[int, int]:
    start = chance.randrange(len(content) + 1)
    return start, min(len(content), start + chance.randrange(1, most))


def _flip(content: bytes, chance: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(chance.choice([1, 3, 10])):
        if changed:
            changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _cut(content: bytes, chance: random.Random) -> bytes:
    return content[: chance.randrange(len(content) + 1)]


def _remove(content: bytes, chance: random.Random) -> bytes:
    start, end = _span(content, chance)
    return content[:start] + content[end:]


def _repeat(content: bytes, chance: random.Random) -> bytes:
    start, end = _span(content, chance)
    return content[:end] + content[start:end] * chance.choice([1, 2, 100]) + content[end:]


def _insert(content: bytes, chance: random.Random) -> bytes:
    start, _ = _span(content, chance)
    return content[:start] + chance.choice(_TOKENS) + content[start:]


def _noise(content: bytes, chance: random.Random) -> bytes:
    start, end = _span(content, chance, 16)
    return content[:start] + chance.randbytes(end - start) + content[end:]


def _field(content: bytes, chance: random.Random) -> bytes:
    """Put a token in the place of a field of a line."""
    lines = content.split(b"\n")
    place = chance.randrange(len(lines))
    divider = chance.choice([b",", b"\t", b":", b" ", b'"'])
    fields = lines[place].split(divider)
    fields[chance.randrange(len(fields))] = chance.choice(_TOKENS)
    lines[place] = divider.join(fields)
    return b"\n".join(lines)


def _lines(content: bytes, chance: random.Random) -> bytes:
    lines = content.split(b"\n")
    one, two = chance.randrange(len(lines)), chance.randrange(len(lines))
    lines[one] = lines[two]
    return b"\n".join(lines)


_CHANGES = [_flip, _cut, _remove, _repeat, _insert, _insert, _noise, _field, _field, _lines]


def work(folder: Path, first: int, last: int, seed: int, only: str | None) -> None:
    """Ingest the files of some numbers; prints what became of each as a line of JSON."""
    warnings.simplefilter("error")
    made = _formats(only)
    workspace = None
    for number in range(first, last):
        if workspace is None or number % _FRESH == 0:
            shutil.rmtree(folder / "ws", ignore_errors=True)
            workspace = prepared(folder)
        chance = random.Random(f"{seed}/{number}")
        name = chance.choice(sorted(made))
        ingest, content = made[name]
        path = write(folder / "file", name, mutated(name, content, chance))
        print(json.dumps({"number": number, "name": name, "begun": True}), flush=True)
        print(json.dumps({"number": number, "name": name, **outcome(workspace, ingest, path)}), flush=True)


def _formats(only: str | None) -> dict[str, tuple[Ingest, bytes]]:
    return {name: entry for name, entry in seeds().items() if only is None or name == only}


def outcome(workspace: Workspace, ingest: Ingest, path: Path) -> dict[str, Any]:
    """Ingest a file and return what became of it: accepted, refused, corrupt or traceback, and why."""
    try:
        ingest(workspace, path)
    except DistaffError as error:
        lines = str(error).count("\n")
        return {"outcome": "refused" if not lines else "several lines", "why": str(error)}
    except (Exception, Warning) as error:
        return {
            "outcome": "traceback",
            "why": f"{type(error).__name__}: {error}"[:300],
            "trace": traceback.format_exc(),
        }
    wrong = _wrong(workspace, path)
    return {"outcome": "accepted" if wrong is None else "corrupt", "why": wrong}


def _wrong(workspace: Workspace, path: Path) -> str | None:
    """Return what is stored that no file may bring; None where there is nothing."""
    checks = {
        "an empty or unreal id": "SELECT count(*) FROM interactions WHERE trim(user_id) = '' OR trim(item_id) = '' "
        "OR user_id IS NULL OR item_id IS NULL",
        "a rating or time that is not finite": "SELECT count(*) FROM interactions WHERE NOT isfinite(coalesce(rating, 0)) "
        "OR NOT isfinite(coalesce(time, 0))",
        "a vector that is not finite": "SELECT count(*) FROM vectors WHERE list_contains(list_transform(vector, "
        "lambda x: isfinite(x)), false)",
        "a reading that is infinite": "SELECT count(*) FROM readings WHERE list_contains(list_transform(values, "
        "lambda x: isinf(x)), true)",
    }
    counts = " UNION ALL ".join(f"SELECT '{what}' AS what, ({sql}) AS n" for what, sql in checks.items())
    wrong = workspace.warehouse.query(f"SELECT what FROM ({counts}) WHERE n > 0")
    return str(wrong.column(0)[0]) if len(wrong) else None


def prepared(folder: Path) -> Workspace:
    """Make a workspace with a dataset ``shop``, whose items files may describe."""
    workspace = Workspace.create(folder / "ws")
    (folder / "shop.csv").write_text(
        "user,item\n" + "".join(f"u{u},{i}\nu{u},i{i}\n" for u in range(4) for i in range(5))
    )
    ingest_interactions(workspace, "shop", folder / "shop.csv")
    return workspace


def write(folder: Path, name: str, content: bytes) -> Path:
    """Write a file into a folder of its own, with what belongs beside it; returns its path."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    if name == "cases.json":
        (folder / "cases").mkdir()
        (folder / "cases" / "c.parquet").write_bytes(seeds()["incident.parquet"][1])
    (folder / name).write_bytes(content)
    return folder / name


def fuzz(
    files: int, seed: int, keep: Path | None, only: str | None = None, first: int = 0, minutes: float = math.inf
) -> dict[str, Any]:
    """Run a worker over all files, again after each that it hangs or dies of; returns the counts.

    Args:
        files: How many.
        seed: Of the damage.
        keep: A folder for what was not refused in a line.
        only: The one format that is tried; all when None.
        first: Number of the first file.
        minutes: After which no further file is begun.
    """
    counts: collections.Counter[str] = collections.Counter()
    by_name: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    bad: list[dict[str, Any]] = []
    last, started = first + files, time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        while first < last and time.monotonic() - started < 60 * minutes:
            for result in _worked(Path(folder), first, last, seed, only, started + 60 * minutes):
                first = result["number"] + 1
                counts[result["outcome"]] += 1
                by_name[result["name"]][result["outcome"]] += 1
                if result["outcome"] not in ("accepted", "refused"):
                    bad.append(result)
                    print(json.dumps(result), file=sys.stderr, flush=True)
                    if keep is not None:
                        _keep(keep, result, seed, only)
    return {
        "files": sum(counts.values()),
        "seed": seed,
        "counts": dict(counts),
        "formats": {name: dict(by_name[name]) for name in sorted(by_name)},
        "minutes": round((time.monotonic() - started) / 60, 1),
        "bad": bad,
    }


def _keep(folder: Path, result: dict[str, Any], seed: int, only: str | None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    chance = random.Random(f"{seed}/{result['number']}")
    made = _formats(only)
    name = chance.choice(sorted(made))
    (folder / f"{result['number']}-{name}").write_bytes(mutated(name, made[name][1], chance))


def _worked(folder: Path, first: int, last: int, seed: int, only: str | None, until: float) -> Any:
    """Yield results of a worker until it is done, hangs or dies, or the time is over."""
    command = [sys.executable, __file__, "--work", str(folder), "--first", str(first), "--last", str(last)]
    command += ["--seed", str(seed), *([] if only is None else ["--only", only])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        begun: dict[str, Any] | None = None
        used = 0.0
        while True:
            ready, _, _ = select.select([process.stdout], [], [], 0.5)
            if not ready:
                if begun is not None and _processor_seconds(process.pid) - used > _SECONDS:
                    process.kill()
                    yield {**begun, "outcome": "hang", "why": None}
                    return
                continue
            line = process.stdout.readline()
            if not line:
                if begun is not None:
                    yield {**begun, "outcome": "crash", "why": f"the worker ended with {process.wait()}"}
                return
            result = json.loads(line)
            used = _processor_seconds(process.pid)
            begun = result if "begun" in result else None
            if begun is None:
                yield result
                if time.monotonic() > until:
                    process.kill()
                    return


def _processor_seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Read the arguments, fuzz, and write the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="one format's file, such as windows.npz")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder for the files that were not refused in a line")
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop after so many, however many files")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/fuzz.json as well")
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--last", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work is not None:
        return work(given.work, given.first, given.last, given.seed, given.only)
    result = fuzz(given.files, given.seed, given.keep, given.only, given.first, given.minutes)
    if given.save:
        results.save("fuzz", result)
    text = json.dumps(result, indent=2)
    if given.out is not None:
        given.out.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()

"""The process that runs one statement a person typed: ``python -m distaff_data.warehouse.sandbox``.

DuckDB counts neither the memory of expressions nor looks at its clock inside one, so the operating system holds both: this
process may take so much memory and no more, and its alarm ends it wherever it is. It reads a request as JSON from standard
input, and answers with an Arrow stream on standard output, or one line of text and the status :data:`REFUSED`.
"""

from __future__ import annotations

import json
import resource
import signal
import sys
from collections.abc import Iterator
from typing import Any

import duckdb
import pyarrow as pa

from distaff_data.errors import first_line, first_paragraph
from distaff_data.schema import TABLES
from distaff_data.warehouse import engine, query
from distaff_data.warehouse.places import Place

REFUSED = 3
_ROWS = 4096  # a batch; what it holds is in memory before its size is known
_FOR_DUCKDB = 3  # of four parts of the memory; the rest is for what DuckDB does not count


class _TooLargeError(Exception):
    """The rows that were asked for take more bytes than an answer may have."""


def main() -> int:
    """Answer the request on standard input; returns the exit status."""
    request = json.load(sys.stdin)
    memory, largest = int(request["memory"]), int(request["largest"])
    with engine.connect(memory_limit=f"{memory * _FOR_DUCKDB // 4}B", temp_directory="") as con:
        engine.lock(con, query.open_views(con, Place(request["location"]), TABLES, {}))
        _limit_memory(memory)
        signal.setitimer(
            signal.ITIMER_REAL, float(request["seconds"])
        )  # nothing handles the signal: it ends the process
        try:
            reader = con.sql(request["sql"]).to_arrow_reader(_ROWS)
            with pa.ipc.new_stream(sys.stdout.buffer, reader.schema) as out:
                for batch in _head(reader, int(request["rows"]), largest):
                    out.write_batch(batch)
        except (duckdb.Error, pa.ArrowException) as error:
            return _refuse(f"the statement failed: {first_paragraph(error)}")
        except MemoryError:
            return _refuse(f"the statement takes more than {memory / 2**30:.3g} GiB of memory and was stopped")
        except _TooLargeError:
            return _refuse(f"the answer is larger than {largest >> 20} MiB; select fewer rows or columns")
    return 0


def _limit_memory(memory: int) -> None:
    """Let this process take so many bytes more than it has now; other systems than Linux do not keep to such a limit."""
    if sys.platform != "linux":
        return
    with open("/proc/self/statm", encoding="ascii") as file:
        pages = [int(word) for word in file.read().split()]
    for limit, now in ((resource.RLIMIT_AS, pages[0]), (resource.RLIMIT_DATA, pages[5])):
        resource.setrlimit(limit, (now * resource.getpagesize() + memory,) * 2)


def _head(reader: pa.RecordBatchReader, rows: int, largest: int) -> Iterator[pa.RecordBatch]:
    """Yield the first ``rows`` rows.

    Raises:
        _TooLargeError: They take more than ``largest`` bytes.
    """
    left = rows
    for batch in reader:
        kept = batch.slice(0, left)
        left -= kept.num_rows
        largest -= kept.nbytes
        if largest < 0:
            raise _TooLargeError
        yield kept
        if left <= 0:
            return


def _refuse(message: str) -> int:
    sys.stderr.write(message)
    return REFUSED


def _hook(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    """Say in one line what ended the process."""
    sys.stderr.write(first_line(Exception(f"{kind.__name__}: {error}")))


if __name__ == "__main__":
    sys.excepthook = _hook
    sys.exit(main())

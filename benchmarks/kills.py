"""Every command that writes, killed with -9 at random moments: ``python benchmarks/kills.py --kills 1000 --save``.

A small workspace, copied anew for every round, in which each verb is killed a few times in a row, as a supervisor's
restarts would have it, and then made again undisturbed. After every kill another process looks at what is there: what was
acknowledged before must all be there, and what was being replaced is the old or the new and whole. The command that is made
again must end well, and then every table and every model is read.

A moment is one of processor time, drawn evenly over what the command takes undisturbed, so that it falls into the work on
a busy machine as well. Processes are forked from one that has imported everything and opened nothing, so that a kill costs
a second and falls into the work rather than into the start of the interpreter.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import sklearn.decomposition  # noqa: F401 - so that no forked process has to
import torch
from benchmarks import results
from every_verb import commands, write_files

from distaff import doctor, jobs
from distaff.cli import main as command_line
from distaff.model import saving
from distaff.runs import aliases, records
from distaff_data.workspace import Workspace

_WRITING = ["evaluate", "factors", "note", "blind-spots", "diagnose", "embed", "forecast", "anomalies", "schedule add",
            "schedule remove", "schedule run", "score", "train", "promote", "rollback", "sample", "ingest items",
            "ingest series", "ingest incidents", "ingest interactions", "delete run", "restore", "forget", "init", "resume",
            "doctor --fix"]  # fmt: skip
_PEOPLE = 24
_BOUND = 300.0  # seconds of processor time that any command may take; a hang is a failure
_STILL = 900.0  # seconds, so that one which waits for ever is a failure too
_IN_A_ROW = 4  # kills of a command, before it is left to finish


def forked(work: Callable[[], int], log: Path) -> int:
    """Start ``work`` in a process of its own, whose output goes to a file; returns its id."""
    pid = os.fork()
    if pid:
        return pid
    status = 70
    try:
        os.setsid()
        out = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
        os.dup2(out, 1)
        os.dup2(out, 2)
        status = work()
    except SystemExit as ended:
        status = int(ended.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def ended(pid: int, seconds: float = _BOUND) -> int | None:
    """Wait for a process; returns its status, minus the signal's number where one ended it.

    Args:
        pid: The process.
        seconds: Of its processor time; one that takes them is killed, and None returned.
    """
    began, clock = time.monotonic(), (~pid << 3) | 2  # the kernel's name of the processor time of all its threads
    while True:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if time.clock_gettime(clock) >= seconds or time.monotonic() - began > _STILL:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return None
        time.sleep(0.003)


class Torment:
    """The workspace under attack, and what is known to be in it."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.root, self.chance = folder, folder / "ws", random.Random(seed)
        self.log = folder / "log"
        self.counts: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
        self.failures: list[dict[str, Any]] = []
        self.usual: dict[str, float] = {}
        self.n = 0

    @property
    def kills(self) -> int:
        """How many processes were killed at work."""
        return sum(count["killed"] for count in self.counts.values())

    def call(self, *arguments: str, root: Path | None = None, seconds: float = _BOUND) -> int | None:
        """Run a command; returns its status, None where it was killed."""

        def work() -> int:
            sys.argv = ["distaff", "--workspace", str(root or self.root), *arguments]
            command_line()
            return 0

        return ended(forked(work, self.log), seconds)

    def facts(self, *, whole: bool) -> dict[str, Any]:
        """Return what the workspace holds, as another process sees it; what is broken is under ``broken``."""
        file = self.folder / "facts.json"
        status = ended(forked(lambda: _write_facts(self.root, file, whole), self.log))
        if status != 0:
            return {"broken": [f"it cannot be read: {self.log.read_text()[-600:]}"]}
        facts: dict[str, Any] = json.loads(file.read_text())
        return facts

    def fill(self) -> dict[str, str]:
        """Make the workspace; returns its runs."""
        files = self.folder / "files"
        files.mkdir()
        if ended(forked(lambda: _write_files(files), self.log)):  # a forked thread pool would stand still
            raise RuntimeError(self.log.read_text())
        (files / "others.csv").write_text((files / "orders.csv").read_text() + "u0,i1\nu1,i0\n")
        first: list[tuple[str, ...]] = [
            ("ingest", "interactions", "shop", f"{files}/orders.csv", "--split", "random:0.6,0.2,0.2"),
            ("ingest", "items", "shop", f"{files}/items.csv"),
            ("ingest", "series", "sites", f"{files}/sites.csv", "--split", "rows:80,20,20"),
            ("ingest", "incidents", "outages", f"{files}/cases"),
            ("train", "nmf", "shop", "--set", "n_intents=2"),
            ("train", "popularity", "shop"),
            ("train", "pca", "sites", "--set", "seq_len=8", "--set", "n_components=2", "--set", "horizons=4"),
            ("train", "nsigma", "outages"),
        ]
        for arguments in first:
            self._must(*arguments)
        runs: dict[str, str] = {}
        for run in self.facts(whole=True)["runs"]:
            runs.setdefault(run.split("-")[0], run)
        then: list[tuple[str, ...]] = [
            ("score", runs["nmf"], "--top-k", "2"),
            ("factors", runs["nmf"]),
            ("promote", runs["popularity"], "--as", "champion"),
            ("promote", runs["nmf"], "--as", "champion"),
        ]
        for arguments in then:
            self._must(*arguments)
        shutil.copytree(self.root, self.folder / "whole")
        return runs

    def renew(self) -> None:
        """Put the workspace back as it was filled."""
        shutil.rmtree(self.root)
        shutil.copytree(self.folder / "whole", self.root)

    def kill(self, verb: str, runs: Mapping[str, str]) -> None:
        """Kill one command at random moments, look at what is there after each, and let it finish."""
        self.n += 1
        if verb not in self.usual:
            self.usual[verb] = self._usual(verb, runs)
        self._prepare(verb, runs)
        arguments, root = self._arguments(verb, runs)
        before = self.facts(whole=False)
        for _ in range(_IN_A_ROW):
            moment = self.chance.uniform(0.0, 1.05 * self.usual[verb])
            status = self.call(*arguments, root=root, seconds=moment)
            self.counts[verb]["killed" if status is None else "got through"] += 1
            after = self.facts(whole=False)
            self._compare(verb, before, after)
            if status is not None:
                self._expect(verb, "got through and well", status, arguments)
                break
        if verb == "resume" and after.get("running"):
            arguments = ["train", "--resume", after["running"][0]]
            self.counts[verb]["resumed"] += 1
        self._expect(verb, "again", self.call(*arguments, root=root), arguments)
        self._compare(verb, before, self.facts(whole=True))
        for left in self.folder.glob("new*"):
            shutil.rmtree(left)
        if verb == "delete run":  # the other commands of the round are about this run too
            self.renew()

    def _usual(self, verb: str, runs: Mapping[str, str]) -> float:
        """Return the seconds of processor time that a command takes where nobody disturbs it."""
        self._prepare(verb, runs)
        arguments, root = self._arguments(verb, runs)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        self._expect(verb, "undisturbed", self.call(*arguments, root=root), arguments)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.n += 1
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    def _prepare(self, verb: str, runs: Mapping[str, str]) -> None:
        """Make what a command takes away, so that it can be made as often as asked."""
        if verb == "rollback":
            self._must("promote", runs["popularity"], "--as", "champion")
        if verb == "schedule remove":
            self._must("schedule", "add", f"gone{self.n}", "--cron", "0 4 * * 1", "--model", "champion")
        if verb in ("delete run", "restore"):
            self.renew()
        if verb == "restore":
            self._must("delete", "run", runs["pca"])

    def _arguments(self, verb: str, runs: Mapping[str, str]) -> tuple[list[str], Path | None]:
        files = self.folder / "files"
        if verb == "init":
            return ["init"], self.folder / f"new{self.n}"
        if verb == "doctor --fix":
            return ["doctor", "--fix"], None
        if verb == "resume":
            settings = ("--set", "n_intents=2", "--seed", str(1000 + self.n))
            return ["train", "nmf", "shop", *settings], None
        if verb == "score":
            return ["score", runs["nmf"], "--top-k", str(1 + self.n % 5)], None
        if verb == "note":
            return ["note", runs["nmf"], "1", "--note", f"note {self.n}"], None
        if verb == "schedule add":
            return ["schedule", "add", f"job{self.n}", "--cron", "0 4 * * 1", "--model", "champion"], None
        if verb == "forget":
            return ["forget", f"u{self.n % _PEOPLE}", "--dataset", "shop", "--yes"], None
        if verb == "promote":
            return ["promote", runs["nmf"], "--as", f"champion{self.chance.randrange(10**9)}"], None
        if verb == "schedule remove":
            return ["schedule", "remove", f"gone{self.n}"], None
        if verb == "sample":
            return ["sample", "planted-incidents", "--as", "planted", "--set", "n_cases=1", "--replace"], None
        if verb == "ingest interactions":
            name = "others.csv" if self.n % 2 else "orders.csv"
            split = ("--replace", "--split", "random:0.6,0.2,0.2")
            return ["ingest", "interactions", "shop", f"{files}/{name}", *split], None
        return commands(dict(runs), files)[verb], None

    def _must(self, *arguments: str) -> None:
        if (status := self.call(*arguments)) != 0:
            raise RuntimeError(f"{' '.join(arguments)} ended with {status}: {self.log.read_text()[-600:]}")

    def _expect(self, verb: str, when: str, status: int | None, arguments: list[str]) -> None:
        """Note a command that did not end well, but for one that was done before it was killed and says so."""
        said = self.log.read_text()
        usual = (
            "nobody of this id",
            "there is a job of this name",
            "nothing to roll back",
            "had no earlier",
            "already",
        )
        done = usual + {"schedule remove": ("no job",), "delete run": ("no run",), "restore": ("no deletion",)}.get(
            verb, ()
        )
        if status == 0 or (status == 2 and any(words in said for words in done)):
            self.counts[verb][when] += 1
            return
        if status == 1 and verb == "doctor --fix" and "its process is gone" in said:
            self.counts[verb][when] += 1
            return
        failure = {"verb": verb, "when": when, "status": status, "arguments": arguments, "said": said[-800:]}
        self.failures.append(failure)

    def _compare(self, verb: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        problems = list(after["broken"])
        if not problems:
            gone = {"delete run": "runs", "schedule remove": "jobs"}.get(verb)
            for kind in ("runs", "datasets", "aliases", "jobs"):
                missing = [] if kind == gone else [name for name in before[kind] if name not in after[kind]]
                problems += [f"{name} of {kind} is gone" for name in missing]
            changing = {"ingest interactions": ("interactions",), "forget": ("interactions", "attributes"),
                        "note": ("notes",), "ingest items": ("attributes",)}.get(verb, ())  # fmt: skip
            for what in ("interactions", "attributes", "readings", "notes"):
                if what not in changing and before[what] != after[what]:
                    problems.append(f"{what}: {before[what]} became {after[what]}")
        self.counts[verb]["looked at"] += 1
        self.failures += [{"verb": verb, "when": "after", "problem": problem} for problem in problems]


def _write_files(folder: Path) -> int:
    write_files(folder)
    return 0


def _write_facts(root: Path, file: Path, whole: bool) -> int:
    workspace = Workspace.open(root)
    rows, broken = workspace.warehouse.rows, list[str]()
    listed = records.listing(workspace)
    done = [run.run for run in listed if run.status == "done"]
    if whole:
        for run in done:
            saving.load(records.run_folder(workspace, run) / "model")
        broken += [damage.problem for damage in workspace.warehouse.damaged()]
    for row in rows(
        "SELECT run, count(*) AS n, count(DISTINCT user_id) AS users, max(rank) AS k FROM recommendations GROUP BY run"
    ):
        if row["n"] != row["users"] * row["k"]:
            broken.append(f"lists of {row['run']} are not whole: {row}")
    facts = {
        "runs": done,
        "running": [run.run for run in listed if run.status == "running"],
        "datasets": [row["dataset"] for row in rows("SELECT dataset FROM datasets")],
        "aliases": [alias["alias"] for alias in rows("SELECT DISTINCT alias FROM promotions")],
        "jobs": [job.name for job in jobs.read(workspace)],
        "interactions": rows("SELECT count(*) AS n FROM interactions")[0]["n"],
        "attributes": rows("SELECT count(*) AS n FROM attributes WHERE entity = 'item'")[0]["n"],
        "readings": rows("SELECT count(*) AS n FROM readings")[0]["n"],
        "notes": sorted(f"{row['factor']}: {row['note']}" for row in rows("SELECT factor, note FROM factor_notes")),
        "broken": broken,
    }
    aliases.resolve(workspace, "champion") if facts["aliases"] else None
    file.write_text(json.dumps(facts))
    return 0


def torment(kills: int, seed: int, minutes: float, folder: Path, report: Callable[[Torment], None]) -> Torment:
    """Kill commands until there were so many kills, or so many minutes are over."""
    until = time.monotonic() + 60 * minutes
    attack = Torment(folder, seed)
    runs = attack.fill()
    order: list[str] = []
    while attack.kills < kills and time.monotonic() < until:
        if not order:
            order = attack.chance.sample(_WRITING, len(_WRITING))
            attack.renew()
        attack.kill(order.pop(), runs)
        report(attack)
    if ended(forked(lambda: int(_is_damaged(attack.root)), attack.log)) != 0:
        attack.failures.append({"verb": "doctor", "when": "in the end", "said": attack.log.read_text()[-800:]})
    return attack


def summary(attack: Torment, seed: int, begun: float) -> dict[str, Any]:
    """Return the counts so far."""
    total: collections.Counter[str] = sum(attack.counts.values(), collections.Counter())
    return {
        "seed": seed,
        "kills": total["killed"],
        "got_through": total["got through"],
        "made_again_and_well": total["again"],
        "failures": attack.failures,
        "verbs": {verb: dict(count) for verb, count in sorted(attack.counts.items())},
        "minutes": round((time.monotonic() - begun) / 60),
    }


def _is_damaged(root: Path) -> bool:
    found = doctor.examine(root, fix=True)
    problems = [f for f in found if f.state == "problem" and f.check.startswith(("table", "published"))]
    print(problems)
    return bool(problems)


def main() -> None:
    """Read the arguments, kill, and write the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=600, help="stop after so many, however many kills there were")
    parser.add_argument("--folder", type=Path, help="where the workspace is made; in memory is fastest")
    parser.add_argument("--out", type=Path, help="a file for the counts, written after every command")
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/kills.json as well")
    given = parser.parse_args()
    torch.set_num_threads(1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    begun = time.monotonic()

    def report(attack: Torment) -> None:
        if given.out is not None:
            given.out.write_text(json.dumps(summary(attack, given.seed, begun), indent=2) + "\n")

    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        attack = torment(given.kills, given.seed, given.minutes, Path(folder), report)
    report(attack)
    result = summary(attack, given.seed, begun)
    if given.save:
        results.save("kills", result)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()

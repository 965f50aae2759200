"""Jobs: the tables ``[schedule.NAME]`` of a workspace's ``distaff.toml``."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import tomlkit
from cronsim import CronSim, CronSimError
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from tomlkit.exceptions import TOMLKitError

from distaff_data.atomic import replacing
from distaff_data.errors import InputError, UnknownNameError
from distaff_data.workspace import Workspace

_SECTION = "schedule"

Task = Literal["score", "embed", "forecast", "classify", "anomalies", "diagnose"]
"""The task of a job, carried out on its run's dataset as it is then."""


class Job(BaseModel):
    """A piece of work that is done again and again.

    Attributes:
        name: Its name.
        cron: When: minute, hour, day of month, month, day of week.
        model: A run, or an alias, which is looked up each time.
        dataset: The dataset that the run must be of; any when None.
        task: score, embed, forecast, classify, anomalies or diagnose.
        refit: An alias for the fit on the whole dataset, with what the run's validation chose, that lists are made by; it is
            made anew when the dataset has changed. None to score by the run itself.
        top_k: Length of each list, of the task score.
        out: A file that is replaced each time, .csv, .parquet or .arrow; a relative path begins at the workspace and stays
            in it.
        timezone: Whose clock the expression means.
        retries: How often a failed execution is tried again, after waits that double.
        keep_hours: How long rows that were replaced are kept.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]
    cron: str
    model: Annotated[str, Field(min_length=1)]
    dataset: str | None = None
    task: Task = "score"
    refit: Annotated[str, Field(min_length=1)] | None = None
    top_k: Annotated[int, Field(ge=1)] = 20
    out: str | None = None
    timezone: str = "UTC"
    retries: Annotated[int, Field(ge=0)] = 3
    keep_hours: Annotated[float, Field(ge=0)] = 24

    @field_validator("cron")
    @classmethod
    def _is_cron(cls, text: str) -> str:
        try:
            next(CronSim(text, datetime.now(UTC)))
        except (CronSimError, StopIteration) as error:
            raise ValueError(f"no cron expression that ever comes due: {error}") from None
        return text

    @field_validator("out")
    @classmethod
    def _stays(cls, path: str | None) -> str | None:
        if path is not None and not Path(path).is_absolute() and ".." in Path(path).parts:
            raise ValueError("a relative path stays in the workspace; give an absolute one for elsewhere")
        return path

    @field_validator("timezone")
    @classmethod
    def _is_timezone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (OSError, ValueError, KeyError):
            raise ValueError("no time zone such as Europe/Berlin or UTC") from None
        return name

    @model_validator(mode="after")
    def _refits_to_score(self) -> Job:
        if self.refit is not None and self.task != "score":
            raise ValueError("only lists are made by a fit on everything: refit goes with the task score")
        if self.refit is not None and self.refit == self.model:
            raise ValueError("refit is another name than model, which stays the run that was measured")
        return self

    @classmethod
    def parse(cls, name: str, settings: dict[str, Any], path: Path | None = None) -> Job:
        """Build a job from its table.

        Raises:
            InputError: Every key that is unknown or wrong, in one message.
        """
        try:
            return cls.model_validate(settings | {"name": name})
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            raise InputError(f"job {name!r}: {wrong}", path=path) from None

    def times(self, after: datetime) -> Iterator[datetime]:
        """Yield the times when the job is due after a time, in UTC, without end."""
        for time in CronSim(self.cron, after.astimezone(ZoneInfo(self.timezone))):
            yield time.astimezone(UTC)

    def out_path(self, workspace: Workspace) -> Path | None:
        """Return the file to write."""
        return None if self.out is None else workspace.root / self.out


def read(workspace: Workspace) -> list[Job]:
    """Return all jobs.

    Raises:
        InputError: ``distaff.toml`` is not TOML, or a job in it is wrong.
    """
    section = _document(workspace).unwrap().get(_SECTION, {})
    if not isinstance(section, dict) or not all(isinstance(job, dict) for job in section.values()):
        raise InputError(f"jobs are tables: [{_SECTION}.NAME]", path=workspace.config)
    return [Job.parse(name, job, workspace.config) for name, job in section.items()]


def add(workspace: Workspace, job: Job) -> None:
    """Write a job into ``distaff.toml``, which otherwise stays as it is.

    Raises:
        InputError: A job of that name is there, or the file is wrong as it stands.
    """
    with workspace.warehouse.lock("config"):
        if any(other.name == job.name for other in read(workspace)):
            raise InputError("there is a job of this name; remove it first", value=job.name)
        document = _document(workspace)
        section = document.setdefault(_SECTION, tomlkit.table(is_super_table=True))
        section[job.name] = job.model_dump(exclude={"name"}, exclude_defaults=True)
        _write(workspace, document)


def remove(workspace: Workspace, name: str) -> None:
    """Take a job out of ``distaff.toml``.

    Raises:
        UnknownNameError: There is none of that name.
    """
    with workspace.warehouse.lock("config"):
        jobs = read(workspace)
        if all(job.name != name for job in jobs):
            raise UnknownNameError("job", name, (job.name for job in jobs))
        document = _document(workspace)
        section: Any = document[_SECTION]
        del section[name]
        _write(workspace, document)


def _document(workspace: Workspace) -> tomlkit.TOMLDocument:
    try:
        return tomlkit.parse(workspace.config.read_text(encoding="utf-8"))
    except (TOMLKitError, UnicodeDecodeError) as error:
        raise InputError(f"the file is not TOML: {error}", path=workspace.config) from None


def _write(workspace: Workspace, document: tomlkit.TOMLDocument) -> None:
    with replacing(workspace.config) as temporary:
        temporary.write_text(tomlkit.dumps(document), encoding="utf-8")

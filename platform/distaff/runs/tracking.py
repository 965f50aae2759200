"""Runs in MLflow, for those who keep theirs there: settings, metrics, losses by epoch, and the files of the model.

Nothing goes there unless a person asks for it, what was scored on the test least of all: a server sorts runs by any metric
that it has. MLflow is imported at no other time. Credentials come from the
environment (``MLFLOW_TRACKING_USERNAME`` and ``_PASSWORD``, or ``_TOKEN``); an address that holds one is refused. The files
of a recommender name the people that it was fitted on, and a copy in MLflow is out of ``forget``'s reach.
"""

from __future__ import annotations

import importlib.util
import json
import math
import os
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from distaff.runs import logs, records
from distaff.runs.records import Run
from distaff_data.errors import DistaffError, InputError, first_line
from distaff_data.sources.address import ALLOW_HTTP, holds_secret, is_here
from distaff_data.workspace import Workspace

if TYPE_CHECKING:
    from mlflow.entities import Metric
    from mlflow.tracking import MlflowClient

_TAG = "distaff.run"
_LENGTH = 6000  # of a setting, the longest that MLflow keeps
_BATCH = 1000  # metrics that MLflow takes at a time


def export_run(workspace: Workspace, run_id: str, uri: str, *, test: bool = False) -> str:
    """Copy a finished run with its model into MLflow; return its id there, which stays the same when asked again.

    Args:
        workspace: Where the run is.
        run_id: The run.
        uri: Of a tracking server, or a folder as ``file:///...``.
        test: Copy what it scored on the test too, also to a copy that is there.

    Raises:
        InputError: The run is not done, or the address is none.
        DistaffError: MLflow cannot be reached or refuses; what was half copied is taken out by the next request.
    """
    folder = records.model_folder(workspace, run_id)
    client = _client(uri)
    run = records.find(workspace, run_id)
    metrics = records.metrics_of(workspace, [run_id])[run_id]
    try:
        copy = _copied(client, run, folder, metrics.get("valid", {}))
        if test:
            _log(client, copy, _final("test", metrics.get("test", {}), _end(run)))
        return copy
    except Exception as error:  # MLflow's stores raise what their libraries do
        raise DistaffError(f"MLflow does not take the run: {first_line(error)}") from None


def _client(uri: str) -> MlflowClient:
    try:
        url = urlsplit(uri)
        is_secret = url.username is not None or holds_secret(url)
    except ValueError as error:
        raise InputError(f"this is no address: {error}", column="mlflow") from None
    if url.scheme not in ("http", "https", "file", "sqlite", "postgresql", "databricks"):
        raise InputError("the address of MLflow is https://..., http://127.0.0.1:5000 or file:///...", column="mlflow")
    if is_secret:
        raise InputError("credentials come from the environment: MLFLOW_TRACKING_USERNAME and _PASSWORD, or _TOKEN")
    if url.scheme == "http" and not is_here(uri) and os.environ.get(ALLOW_HTTP, "").lower() != "true":
        raise InputError(f"http:// can be read and changed on its way; use https://, or set {ALLOW_HTTP}=true")
    if importlib.util.find_spec("mlflow") is None:
        raise InputError("this needs MLflow; install with: pip install 'distaff[mlflow]'")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # nobody asked that its makers be told
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # of seven, which take minutes
    from mlflow.tracking import MlflowClient

    return MlflowClient(tracking_uri=uri)


def _copied(client: MlflowClient, run: Run, folder: Path, valid: dict[str, float]) -> str:
    from mlflow.entities import Param

    name = f"distaff/{run.dataset}"
    experiment = client.get_experiment_by_name(name)
    where = client.create_experiment(name) if experiment is None else experiment.experiment_id
    for earlier in client.search_runs([where], f"tags.`{_TAG}` = '{run.run}'"):
        if earlier.info.status == "FINISHED":
            return str(earlier.info.run_id)
        client.delete_run(earlier.info.run_id)
    tags = {_TAG: run.run, "distaff.model": run.model, "distaff.control": str(run.control).lower(),
            "distaff.version": run.version, "distaff.dataset_generation": run.dataset_generation,
            "distaff.fitted_on": run.fitted_on}  # fmt: skip
    copy = client.create_run(where, start_time=_begin(run), tags=tags, run_name=run.run).info.run_id
    settings = {"model": run.model, "dataset": run.dataset, "seed": run.seed, **json.loads(run.settings)}
    params = [Param(_allowed(key), str(value)[:_LENGTH]) for key, value in settings.items()]
    client.log_batch(copy, params=params)
    _log(client, copy, _epochs(folder.parent / "log.jsonl", _begin(run)))
    _log(client, copy, _final("valid", valid, _end(run)))
    client.log_artifacts(copy, str(folder), "model")
    client.set_terminated(copy, "FINISHED", _end(run))
    return str(copy)


def _log(client: MlflowClient, copy: str, metrics: Iterator[Metric]) -> None:
    while batch := list(islice(metrics, _BATCH)):
        client.log_batch(copy, metrics=batch)


def _begin(run: Run) -> int:
    """Return when a run began, in milliseconds as MLflow counts."""
    return round(1000 * run.started_at.timestamp())


def _end(run: Run) -> int:
    return _begin(run) + round(1000 * run.seconds)


def _final(split: str, values: dict[str, float], at: int) -> Iterator[Metric]:
    from mlflow.entities import Metric

    for name, value in values.items():
        if math.isfinite(value):
            yield Metric(_allowed(f"{split}/{name}"), value, at, 0)


def _epochs(log: Path, at: int) -> Iterator[Metric]:
    """Yield what was logged of every epoch, with its number as the step."""
    from mlflow.entities import Metric

    for entry in logs.epochs(log) if log.is_file() else ():
        for name, value in entry.items():
            if name != "epoch" and isinstance(value, int | float) and math.isfinite(value):
                yield Metric(_allowed(f"epoch/{name}"), float(value), at, int(entry["epoch"]))


def _allowed(name: str) -> str:
    """Return a name as MLflow allows it: ``recall@20`` is ``recall_at_20``."""
    return re.sub(r"[^\w./ -]", "_", name.replace("@", "_at_"))

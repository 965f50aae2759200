"""Runs in MLflow, for those who keep theirs there: settings, metrics, losses by epoch, and the files of the model.

Nothing goes there unless a person asks for it, and MLflow is imported at no other time. Credentials come from the
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
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from distaff.runs import logs, records
from distaff.runs.records import Run
from distaff_data.errors import DistaffError, InputError, first_line
from distaff_data.sources.address import ALLOW_HTTP, is_here
from distaff_data.workspace import Workspace

if TYPE_CHECKING:
    from mlflow.entities import Metric
    from mlflow.tracking import MlflowClient

_TAG = "distaff.run"
_LENGTH = 6000  # of a setting, the longest that MLflow keeps
_BATCH = 1000  # metrics that MLflow takes at a time


def export_run(workspace: Workspace, run_id: str, uri: str) -> str:
    """Copy a finished run with its model into MLflow; return its id there, which stays the same when asked again.

    Args:
        workspace: Where the run is.
        run_id: The run.
        uri: Of a tracking server, or a folder as ``file:///...``.

    Raises:
        InputError: The run is not done, or the address is none.
        DistaffError: MLflow cannot be reached or refuses; what was half copied is taken out by the next request.
    """
    folder = records.model_folder(workspace, run_id)
    client = _client(uri)
    run = records.find(workspace, run_id)
    metrics = records.metrics_of(workspace, [run_id])[run_id]
    try:
        return _copied(client, run, metrics, folder)
    except Exception as error:  # MLflow's stores raise what their libraries do
        raise DistaffError(f"MLflow does not take the run: {first_line(error)}") from None


def _client(uri: str) -> MlflowClient:
    url = urlsplit(uri)
    if url.scheme not in ("http", "https", "file", "sqlite", "postgresql", "databricks"):
        raise InputError("the address of MLflow is https://..., http://127.0.0.1:5000 or file:///...", column="mlflow")
    if url.password is not None or url.username is not None:
        raise InputError("credentials come from the environment: MLFLOW_TRACKING_USERNAME and _PASSWORD, or _TOKEN")
    if url.scheme == "http" and not is_here(uri) and os.environ.get(ALLOW_HTTP, "").lower() != "true":
        raise InputError(f"http:// can be read and changed on its way; use https://, or set {ALLOW_HTTP}=true")
    if importlib.util.find_spec("mlflow") is None:
        raise InputError("this needs MLflow; install with: pip install 'distaff[mlflow]'")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # nobody asked that its makers be told
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # of seven, which take minutes
    from mlflow.tracking import MlflowClient

    return MlflowClient(tracking_uri=uri)


def _copied(client: MlflowClient, run: Run, metrics: dict[str, dict[str, float]], folder: Path) -> str:
    from mlflow.entities import Param

    name = f"distaff/{run.dataset}"
    experiment = client.get_experiment_by_name(name)
    where = client.create_experiment(name) if experiment is None else experiment.experiment_id
    for earlier in client.search_runs([where], f"tags.`{_TAG}` = '{run.run}'"):
        if earlier.info.status == "FINISHED":
            return str(earlier.info.run_id)
        client.delete_run(earlier.info.run_id)
    begun = round(1000 * run.started_at.timestamp())
    tags = {_TAG: run.run, "distaff.model": run.model, "distaff.control": str(run.control).lower(),
            "distaff.version": run.version, "distaff.dataset_generation": run.dataset_generation,
            "distaff.fitted_on": run.fitted_on}  # fmt: skip
    copy = client.create_run(where, start_time=begun, tags=tags, run_name=run.run).info.run_id
    settings = {"model": run.model, "dataset": run.dataset, "seed": run.seed, **json.loads(run.settings)}
    params = [Param(_allowed(key), str(value)[:_LENGTH]) for key, value in settings.items()]
    ended = begun + round(1000 * run.seconds)
    values = [*_epochs(folder.parent / "log.jsonl", begun), *_final(metrics, ended)]
    client.log_batch(copy, params=params)
    for start in range(0, len(values), _BATCH):
        client.log_batch(copy, metrics=values[start : start + _BATCH])
    client.log_artifacts(copy, str(folder), "model")
    client.set_terminated(copy, "FINISHED", ended)
    return str(copy)


def _final(metrics: dict[str, dict[str, float]], at: int) -> Iterator[Metric]:
    from mlflow.entities import Metric

    for split, values in metrics.items():
        for name, value in values.items():
            if math.isfinite(value):
                yield Metric(_allowed(f"{split}/{name}"), value, at, 0)


def _epochs(log: Path, at: int) -> Iterator[Metric]:
    """Yield what was logged of every epoch, with its number as the step."""
    from mlflow.entities import Metric

    for entry in logs.epochs(log) if log.is_file() else ():
        for name, value in _numbers("epoch", entry):
            if name != "epoch/epoch" and math.isfinite(value):
                yield Metric(_allowed(name), value, at, int(entry["epoch"]))


def _numbers(name: str, value: object) -> Iterator[tuple[str, float]]:
    """Yield the numbers in nested objects, by their path."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _numbers(f"{name}/{key}", inner)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield name, float(value)


def _allowed(name: str) -> str:
    """Return a name as MLflow allows it: ``recall@20`` is ``recall_at_20``."""
    return re.sub(r"[^\w./ -]", "_", name.replace("@", "_at_"))

"""Attacks through configuration files."""

from __future__ import annotations

from pathlib import Path

import pytest

from distaff import jobs
from distaff.model.registry import model_class
from distaff.sweeps import space
from distaff_data.errors import InputError
from distaff_data.workspace import Workspace


@pytest.mark.parametrize(
    "text",
    [
        "[schedule.x]\ncron = '0 * * * *'\nmodel = 'm'\ncommand = 'rm -rf /'\n",
        "[schedule.x]\ncron = '0 * * * *'\nmodel = 'm'\ntask = 'shell'\n",
        "[schedule.'../x']\ncron = '0 * * * *'\nmodel = 'm'\n",
        "[schedule.x]\ncron = '0 * * * *'\nmodel = 'm'\nout = '../../etc/cron.d/x'\n",
        "[schedule.x]\ncron = '@reboot; sh'\nmodel = 'm'\n",
        "[schedule.x]\ncron = '0 * * * *'\nmodel = 'm'\ntimezone = '../../../etc/passwd'\n",
        "[schedule.x]\ncron = '0 * * * *'\nmodel = ['m']\n",
        "schedule = 'x'\n",
        "[schedule]\nx = 1\n",
        "[schedule.x\n",
        "\udcff",
    ],
)
def test_jobs_that_ask_for_more_than_jobs_may_are_refused(workspace: Workspace, text: str) -> None:
    workspace.config.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError):
        jobs.read(workspace)


@pytest.mark.parametrize(
    "settings", [{"__class__": "x"}, {"n_intents": "os.system('x')"}, {"n_intents": [1]}, {"n_intents": -1}]
)
def test_settings_of_models_are_values_within_their_range(settings: dict[str, object]) -> None:
    with pytest.raises(InputError):
        model_class("nmf")(**settings)


def test_search_space_is_read_as_data(tmp_path: Path) -> None:
    file = tmp_path / "space.toml"
    for text in ("lr = '__import__(\"os\")'", "[lr]\nlow = 'a'\nhigh = 1", "no_such = [1, 2]", "lr ="):
        file.write_text(text)
        with pytest.raises(InputError):
            space.search_space(model_class("lightgcn").Config, file)

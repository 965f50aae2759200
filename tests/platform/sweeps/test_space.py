from __future__ import annotations

from pathlib import Path

import optuna
import pytest

from distaff.model.config import Choices, Span
from distaff.model.registry import model_class
from distaff.sweeps import space
from distaff_data.errors import InputError

CONFIG = model_class("lightgcn").Config


def test_file_replaces_what_it_names_and_leaves_the_rest(tmp_path: Path) -> None:
    file = tmp_path / "space.toml"
    file.write_text("lr = {low = 0.01, high = 0.1}\nn_layers = [1, 2]\nembedding_dim = 8\nbatch_size = [16, 64]\n")
    found, fixed = space.search_space(CONFIG, file)
    assert found["lr"] == Span(0.01, 0.1)
    assert found["n_layers"] == Choices(1, 2)
    assert found["batch_size"] == Choices(16, 64)
    assert found["reg"] == CONFIG.search_space()["reg"]
    assert fixed == {"embedding_dim": 8}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("n_layer = [1]", "did you mean n_layers"),
        ("n_layers = []", "list of numbers"),
        ("n_layers = [[1]]", "list of numbers"),
        ("lr = {low = 0.1, high = 0.01}", "low below high"),
        ("lr = {low = 0.1, high = 0.2, step = 1}", "low below high"),
        ("lr = {low = 0.0, high = 0.2, log = true}", "begins above 0"),
        ("lr = {low = -1.0, high = 0.2}", "greater than 0"),
        ("n_layers = [1, -1]", "greater than or equal to 0"),
        ("embedding_dim = 0", "greater than or equal to 1"),
        ("lr = ", "not TOML"),
    ],
)
def test_wrong_files_are_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "space.toml"
    file.write_text(text)
    with pytest.raises(InputError, match=message):
        space.search_space(CONFIG, file)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read"):
        space.search_space(CONFIG, tmp_path / "none.toml")


def test_spans_and_choices_survive_json() -> None:
    found = CONFIG.search_space()
    assert {name: space.from_json(name, said) for name, said in space.to_json(found).items()} == found


def test_whole_numbers_are_proposed_for_whole_settings() -> None:
    trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0)).ask()
    found = space.propose(trial, CONFIG, {"n_layers": Span(1, 4), "reg": Span(1e-6, 1e-2, log=True)})
    assert type(found["n_layers"]) is int
    assert type(found["reg"]) is float
    CONFIG.parse(found)


def test_all_configurations_of_choices_are_counted_and_a_span_has_no_end() -> None:
    choices = {"n_layers": Choices(1, 2), "embedding_dim": Choices(8, 16, 32)}
    found = space.all_of(choices)
    assert found is not None
    assert len(found) == len({tuple(each.values()) for each in found}) == 6
    assert space.all_of({**choices, "lr": Span(0.1, 0.2)}) is None


def test_defaults_outside_the_space_are_left_to_the_sampler() -> None:
    assert space.defaults(CONFIG, {"n_layers": Choices(3), "embedding_dim": Choices(8), "lr": Span(0.1, 0.2)}) == {
        "n_layers": 3
    }

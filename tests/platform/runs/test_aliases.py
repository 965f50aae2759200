from __future__ import annotations

from dataclasses import replace

import pytest
from published import publish

from distaff.runs import aliases, records, training
from distaff.testing.data import checkerboard
from distaff_data.errors import InputError, UnknownNameError
from distaff_data.workspace import Workspace


@pytest.fixture
def fitted(workspace: Workspace) -> tuple[Workspace, list[str]]:
    publish(workspace, checkerboard())
    return workspace, [training.train(workspace, "popularity", "checkerboard", seed=seed).run for seed in range(3)]


def test_promotions_stack_and_rollbacks_take_them_off_one_by_one(fitted: tuple[Workspace, list[str]]) -> None:
    ws, (a, b, c) = fitted
    for run in (a, b, c):
        aliases.promote(ws, run, "champion")
    assert aliases.resolve(ws, "champion") == c
    assert aliases.rollback(ws, "champion").run == b
    assert aliases.promote(ws, c, "champion").run == c
    assert [aliases.rollback(ws, "champion").run for _ in range(2)] == [b, a]
    with pytest.raises(InputError, match="stood for nothing before"):
        aliases.rollback(ws, "champion")
    changes = aliases.history(ws, "champion")
    assert [change.run for change in changes] == [a, b, c, b, c, b, a]
    assert [change.promotion for change in changes] == [*range(1, 8)]


def test_aliases_are_apart_and_an_id_means_its_run(fitted: tuple[Workspace, list[str]]) -> None:
    ws, (a, b, _) = fitted
    aliases.promote(ws, a, "champion")
    aliases.promote(ws, b, "challenger")
    assert aliases.current(ws) == {"champion": a, "challenger": b}
    assert aliases.resolve(ws, b) == b
    assert aliases.resolve(ws, "nobody") == "nobody"


def test_wrong_promotions_change_nothing(fitted: tuple[Workspace, list[str]]) -> None:
    ws, (a, b, _) = fitted
    aliases.promote(ws, a, "champion")
    with pytest.raises(UnknownNameError, match="no run named"):
        aliases.promote(ws, "nobody", "champion")
    with pytest.raises(InputError, match="already"):
        aliases.promote(ws, a, "champion")
    with pytest.raises(InputError, match="cannot be an alias"):
        aliases.promote(ws, a, b)
    for name in ("", "a b", "../x", "1st"):
        with pytest.raises(InputError, match="an alias is letters"):
            aliases.promote(ws, b, name)
    with pytest.raises(UnknownNameError, match="did you mean champion"):
        aliases.rollback(ws, "champoin")
    assert [change.run for change in aliases.history(ws)] == [a]


def test_run_without_a_model_is_not_promoted(fitted: tuple[Workspace, list[str]]) -> None:
    ws, (a, *_) = fitted
    records.record(ws, replace(records.find(ws, a), status="failed"))
    with pytest.raises(InputError, match="is failed, not done"):
        aliases.promote(ws, a, "champion")


def test_a_name_that_a_person_types_stands_for_one_run(fitted: tuple[Workspace, list[str]]) -> None:
    ws, (a, b, c) = fitted
    ease = training.train(ws, "ease", "checkerboard").run
    assert {aliases.resolve(ws, n) for n in ("popularity@latest", "checkerboard:popularity")} == {c}
    assert {aliases.resolve(ws, n) for n in ("checkerboard:ease@latest", "eas", ease[:-1], ease)} == {ease}
    records.record(ws, replace(records.find(ws, c), status="failed"))
    assert aliases.resolve(ws, "popularity@latest") == b  # the newest that is done
    with pytest.raises(InputError, match="3 runs begin with 'popularity'"):
        aliases.resolve(ws, "popularity")
    aliases.promote(ws, a, "ea")
    assert aliases.resolve(ws, "ea") == a  # an alias before the first letters of an id
    for nobody in ("other:ease", "nmf@latest", "zzz", ""):
        assert aliases.resolve(ws, nobody) == nobody

"""Experiments are files that a person can read and add."""

from pathlib import Path

import pytest

from infra.chaos import experiment
from infra.local import LocalError

SERVICES = ["catalog", "cart", "checkout", "notifications", "delivery"]


@pytest.mark.parametrize("name", experiment.names())
def test_every_experiment_can_be_run(name: str) -> None:
    loaded = experiment.load(name)
    schedule = loaded.schedule(SERVICES)
    assert schedule
    assert all(0 < each.start_s <= each.end_s < loaded.customers.duration_s for each in schedule)


@pytest.fixture
def directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(experiment, "DIRECTORY", tmp_path)
    return tmp_path


def test_an_added_file_is_an_experiment(directory: Path) -> None:
    (directory / "mine.toml").write_text(
        'about = "x"\n[[faults]]\nkind = "kill"\npart = "cart"\nstart_s = 2\nend_s = 4\n'
    )
    assert experiment.names() == ["mine"]
    [planned] = experiment.load("mine").schedule(SERVICES)
    assert (planned.fault.kind, planned.fault.part, planned.start_s) == ("kill", "cart", 2)


@pytest.mark.parametrize("text", ["about = ", 'about = "x"', 'about = "x"\nfaults = []\nspeed = 1'])
def test_a_file_that_cannot_be_read_is_named(directory: Path, text: str) -> None:
    (directory / "mine.toml").write_text(text)
    with pytest.raises(LocalError, match=r"mine\.toml"):
        experiment.load("mine")


def test_an_unknown_experiment_names_those_that_are_there() -> None:
    with pytest.raises(LocalError) as raised:
        experiment.load("nothing")
    assert "broker-dies" in raised.value.remedy

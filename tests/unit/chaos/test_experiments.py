"""Experiments are files that a person can read and add."""

import re
import tomllib
from pathlib import Path

import pytest

from infra.lab.chaos import experiment
from infra.lab.chaos.kinds import KINDS
from infra.stack import CHECKOUT, LocalError

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


def test_the_example_in_contributing_shows_every_field_and_can_be_run() -> None:
    [example] = re.findall(r"^```toml\n(.+?)^```", (CHECKOUT / "CONTRIBUTING.md").read_text(), re.MULTILINE | re.DOTALL)
    told = tomllib.loads(example)
    read = experiment.Experiment.model_validate(told)
    assert read.schedule(SERVICES)
    assert told.keys() == type(read).model_fields.keys()
    for part, shown in ((read.customers, "customers"), (read.expect, "expect")):
        assert told[shown].keys() == type(part).model_fields.keys()
    assert told["faults"][0].keys() == type(read.faults[0]).model_fields.keys()


def test_the_readme_counts_every_kind_of_fault() -> None:
    assert re.findall(r"fault kinds +# (\d+) ways", (CHECKOUT / "docs/break-it.md").read_text()) == [str(len(KINDS))]
    assert re.findall(r"There are (\d+) kinds of faults", (CHECKOUT / "README.md").read_text()) == [str(len(KINDS))]


@pytest.mark.parametrize("text", ["about = ", 'about = "x"', 'about = "x"\nfaults = []\nspeed = 1'])
def test_a_file_that_cannot_be_read_is_named(directory: Path, text: str) -> None:
    (directory / "mine.toml").write_text(text)
    with pytest.raises(LocalError, match=r"mine\.toml"):
        experiment.load("mine")


def two_faults(second: str, part: str, start_s: int) -> experiment.Experiment:
    """A reset of a link from the second to the fourth second, and another fault."""
    faults = [
        {"kind": "reset", "part": "cart:db", "start_s": 2, "end_s": 4},
        {"kind": second, "part": part, "start_s": start_s, "end_s": start_s + 2},
    ]
    return experiment.Experiment.model_validate({"about": "x", "faults": faults})


@pytest.mark.parametrize("second", ["reset", "latency"])
def test_a_fault_that_would_replace_another_is_refused(second: str) -> None:
    with pytest.raises(LocalError, match=rf"reset and {second} overlap at cart:db"):
        two_faults(second, "cart:db", 3).schedule(SERVICES)


@pytest.mark.parametrize(("second", "part", "start_s"), [("latency", "cart:db", 5), ("latency", "cart:broker", 3)])
def test_faults_of_other_times_or_places_replace_nothing(second: str, part: str, start_s: int) -> None:
    assert len(two_faults(second, part, start_s).schedule(SERVICES)) == 2


def test_an_unknown_experiment_names_those_that_are_there() -> None:
    with pytest.raises(LocalError) as raised:
        experiment.load("nothing")
    assert "broker-dies" in raised.value.remedy

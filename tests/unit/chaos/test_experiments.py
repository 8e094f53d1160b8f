"""Experiments are files that people can read and add."""

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


def test_the_example_in_contributing_has_every_field_and_can_be_run() -> None:
    [example] = re.findall(r"^```toml\n(.+?)^```", (CHECKOUT / "CONTRIBUTING.md").read_text(), re.MULTILINE | re.DOTALL)
    written = tomllib.loads(example)
    parsed = experiment.Experiment.model_validate(written)
    assert parsed.schedule(SERVICES)
    assert written.keys() == type(parsed).model_fields.keys()
    for part, shown in ((parsed.customers, "customers"), (parsed.expect, "expect")):
        assert written[shown].keys() == type(part).model_fields.keys()
    assert written["faults"][0].keys() == type(parsed.faults[0]).model_fields.keys()


def test_the_documentation_states_the_number_of_kinds_of_faults() -> None:
    assert re.findall(r"fault kinds +# (\d+) ways", (CHECKOUT / "docs/break-it.md").read_text()) == [str(len(KINDS))]
    assert re.findall(r"(\d+) kinds of faults", (CHECKOUT / "README.md").read_text()) == [str(len(KINDS))]


@pytest.mark.parametrize("text", ["about = ", 'about = "x"', 'about = "x"\nfaults = []\nspeed = 1'])
def test_the_error_for_an_invalid_file_names_it(directory: Path, text: str) -> None:
    (directory / "mine.toml").write_text(text)
    with pytest.raises(LocalError, match=r"mine\.toml"):
        experiment.load("mine")


def two_faults(second: str, part: str, start_s: int) -> experiment.Experiment:
    """Return an experiment with a reset of a link from second 2 to second 4, and another fault."""
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
def test_faults_at_other_times_or_places_are_accepted(second: str, part: str, start_s: int) -> None:
    assert len(two_faults(second, part, start_s).schedule(SERVICES)) == 2


def test_the_error_for_an_unknown_experiment_lists_the_known_ones() -> None:
    with pytest.raises(LocalError) as raised:
        experiment.load("nothing")
    assert "broker-dies" in raised.value.remedy

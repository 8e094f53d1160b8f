"""Faults in effect are stored in a journal, from which another process can undo them."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from infra.cli.audit import faults_in_effect
from infra.lab.audit import Fault as Broken
from infra.lab.audit.record import read_record
from infra.lab.chaos import Fault, Journal, check_fault, record_process_faults_ended
from infra.stack import Layout, LocalError

SERVICES = ["cart", "checkout"]


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    ticks: Iterator[int] = count()
    return Journal(tmp_path / "faults", clock=lambda: float(next(ticks)))


def test_another_process_reads_the_same_faults_in_their_order(journal: Journal, tmp_path: Path) -> None:
    faults = [Fault("kill", "cart"), Fault("slow", "payments-a", {"latency_ms": 5.0}), Fault("read-only", "cart-db")]
    for fault in faults:
        journal.add(fault)
    assert [entry.fault for entry in Journal(tmp_path / "faults").entries()] == faults
    assert journal.entry(faults[1].id).fault == faults[1]


def test_a_fault_may_be_removed_more_than_once(journal: Journal) -> None:
    fault = Fault("kill", "cart")
    journal.add(fault)
    for _ in range(2):
        journal.remove(fault.id)
    assert journal.entries() == []
    with pytest.raises(LocalError, match="no fault"):
        journal.entry(fault.id)


def test_a_stack_without_faults_has_none(tmp_path: Path) -> None:
    assert Journal(tmp_path / "nowhere").entries() == []


def test_another_process_may_call_off_a_held_fault(journal: Journal, tmp_path: Path) -> None:
    fault, elsewhere = Fault("held-lock", "cart-db"), Journal(tmp_path / "faults")
    with journal.held(fault.id):
        journal.add(fault)
        assert elsewhere.is_held(fault.id)
        assert journal.is_in_effect(fault.id)
        elsewhere.request_undo(fault.id)
        assert not journal.is_in_effect(fault.id)
        assert elsewhere.entry(fault.id).fault == fault  # until the process that holds it has undone it
    assert not elsewhere.is_held(fault.id)
    journal.remove(fault.id)
    assert list((tmp_path / "faults").iterdir()) == []


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault("dance", "cart"), "no fault 'dance'"),
        (Fault("kill", "payments-a"), "cannot be at 'payments-a'"),
        (Fault("slow", "payments-a", {"speed": 1.0}), "no option 'speed'"),
    ],
)
def test_an_invalid_fault_is_refused(fault: Fault, message: str) -> None:
    with pytest.raises(LocalError, match=message):
        check_fault(fault, SERVICES)


@pytest.mark.parametrize(
    ("standing", "wanted"),
    [
        (Fault("latency", "cart:db"), Fault("reset", "cart:db")),
        (Fault("slow", "mail"), Fault("slow", "mail")),
        (Fault("slow", "mail"), Fault("hang", "mail")),
    ],
)
def test_a_fault_that_would_replace_another_is_refused_with_a_remedy(
    journal: Journal, standing: Fault, wanted: Fault
) -> None:
    journal.add(standing)
    with pytest.raises(LocalError, match=f"{standing.kind} is in effect at {standing.part}") as refused:
        journal.refuse_replacements(wanted)
    assert f"fault rm {standing.id}" in refused.value.remedy
    journal.remove(standing.id)
    journal.refuse_replacements(wanted)


@pytest.mark.parametrize(
    ("standing", "wanted"),
    [
        (Fault("latency", "mail"), Fault("slow", "mail")),  # the link, and the server behind it
        (Fault("latency", "cart:db"), Fault("reset", "cart:broker")),
        (Fault("kill", "cart"), Fault("pause", "cart")),
        (Fault("held-lock", "cart-db"), Fault("terminated-sessions", "cart-db")),
    ],
)
def test_independent_faults_may_be_in_effect_together(journal: Journal, standing: Fault, wanted: Fault) -> None:
    journal.add(standing)
    journal.refuse_replacements(wanted)


@pytest.mark.parametrize(("part", "over"), [("cart", True), ("cart.1", True), ("cart-db", False), ("checkout", False)])
def test_starting_a_part_by_hand_ends_faults_that_stopped_it(tmp_path: Path, part: str, over: bool) -> None:
    where = Layout("x", tmp_path)
    kill, slow = Fault("kill", "cart"), Fault("latency", "cart:db")
    for fault in (kill, slow):
        Journal(where.faults).add(fault)
    record_process_faults_ended(where, part)
    assert [entry.fault for entry in Journal(where.faults).entries()] == ([slow] if over else [kill, slow])
    noted = read_record(where.record).faults
    assert [(fault.kind, fault.part, fault.ended is not None) for fault in noted] == [("kill", "cart", True)] * over


def test_the_audit_knows_the_faults_in_effect_and_when_they_began(tmp_path: Path) -> None:
    where = Layout("x", tmp_path)
    assert faults_in_effect(where) == []
    Journal(where.faults, clock=lambda: 17.0).add(Fault("lost-answers", "mail"))
    assert faults_in_effect(where) == [Broken("lost-answers", "mail", began=17.0, ended=None)]

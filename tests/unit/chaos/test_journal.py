"""What is in effect is written down, and can be read by whoever heals."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from infra.chaos import Fault, Journal, checked
from infra.local import LocalError

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


def test_what_is_undone_is_forgotten_however_often(journal: Journal) -> None:
    fault = Fault("kill", "cart")
    journal.add(fault)
    for _ in range(2):
        journal.remove(fault.id)
    assert journal.entries() == []
    with pytest.raises(LocalError, match="no fault"):
        journal.entry(fault.id)


def test_a_stack_without_faults_has_none(tmp_path: Path) -> None:
    assert Journal(tmp_path / "nowhere").entries() == []


def test_somebody_else_may_call_off_what_is_held(journal: Journal, tmp_path: Path) -> None:
    fault, elsewhere = Fault("held-lock", "cart-db"), Journal(tmp_path / "faults")
    with journal.held(fault.id):
        journal.add(fault)
        assert elsewhere.is_held(fault.id)
        assert journal.stands(fault.id)
        elsewhere.call_off(fault.id)
        assert not journal.stands(fault.id)
        assert elsewhere.entry(fault.id).fault == fault  # until whoever holds it has undone it
    assert not elsewhere.is_held(fault.id)
    journal.remove(fault.id)
    assert list((tmp_path / "faults").iterdir()) == []


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault("dance", "cart"), "no fault 'dance'"),
        (Fault("kill", "payments-a"), "cannot be at 'payments-a'"),
        (Fault("slow", "payments-a", {"speed": 1.0}), "no option 'speed'"),
    ],
)
def test_a_fault_that_cannot_be_is_refused(fault: Fault, said: str) -> None:
    with pytest.raises(LocalError, match=said):
        checked(fault, SERVICES)

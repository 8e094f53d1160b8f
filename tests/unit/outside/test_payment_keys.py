"""The fake payment provider acts at most once under a key, in whatever order requests arrive."""

import asyncio
import itertools
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.lab.stand_ins import payments
from infra.lab.stand_ins.keys import RequestsInProgress
from infra.lab.stand_ins.ledger import SCHEMA, Ledger, append_entry, entries_page
from infra.lab.stand_ins.payments import Charge, capture, refund, void
from infra.lab.stand_ins.problems import Problem


def a_book() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.row_factory = sqlite3.Row
    connection.executescript(SCHEMA + payments.SCHEMA)
    return connection


def a_charge(amount: int = 100) -> Charge:
    return Charge(order_id="order", amount=amount, currency="EUR")


def taken(connection: sqlite3.Connection) -> int:
    signs = {"capture": 1, "refund": -1, "void": -1, "decline": 0}
    entries, _ = entries_page(connection, "payments-a", after=0, limit=1000)
    return sum(signs[entry["kind"]] * entry["amount"] for entry in entries)


STEPS: dict[str, Callable[[sqlite3.Connection], object]] = {
    "charge": lambda connection: capture(connection, "payments-a", "k", a_charge(), fails=False, declined=False),
    "fail": lambda connection: capture(connection, "payments-a", "k", a_charge(), fails=True, declined=False),
    "decline": lambda connection: capture(connection, "payments-a", "k", a_charge(), fails=False, declined=True),
    "other body": lambda connection: capture(connection, "payments-a", "k", a_charge(7), fails=False, declined=False),
    "void": lambda connection: void(connection, "payments-a", "k"),
    "refund": lambda connection: refund(connection, "payments-a", "k"),
}


@given(st.lists(st.sampled_from(sorted(STEPS)), max_size=12))
def test_a_key_is_charged_at_most_once_and_refunded_at_most_once(steps: list[str]) -> None:
    connection = a_book()
    balances = [0]
    for step in steps:
        with suppress(Problem):
            STEPS[step](connection)
        balances.append(taken(connection))
    changes = [after - before for before, after in itertools.pairwise(balances) if after != before]
    assert changes in ([], [100], [100, -100], [7], [7, -7])
    if "void" in steps:
        assert taken(connection) == 0


@given(st.lists(st.sampled_from(["charge", "fail", "decline", "void", "refund"]), max_size=8))
def test_a_definite_refusal_means_that_nothing_is_held_under_the_key(steps: list[str]) -> None:
    connection = a_book()
    for step in steps:
        try:
            STEPS[step](connection)
        except Problem as problem:
            if problem.type == "urn:problem:payments:not-charged":
                assert entries_page(connection, "payments-a", after=0, limit=10) == ([], None)


def test_a_request_is_alone_unless_another_one_uses_its_key() -> None:
    in_progress = RequestsInProgress()
    with in_progress.track("a", "k"):
        assert in_progress.is_only_request("a", "k")
        with in_progress.track("a", "k"):
            assert not in_progress.is_only_request("a", "k")
        assert in_progress.is_only_request("a", "k")


@pytest.fixture
def ledger_file(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite3"


async def test_failed_work_leaves_no_trace_and_does_not_affect_other_work(ledger_file: Path) -> None:
    ledger = Ledger(ledger_file)

    def fails(connection: sqlite3.Connection) -> None:
        append_entry(connection, "part", {"kind": "never"})
        raise ValueError("half done")

    def works(connection: sqlite3.Connection) -> None:
        append_entry(connection, "part", {"kind": "kept"})

    outcomes = await asyncio.gather(*(ledger.run(work) for work in [works, fails, works]), return_exceptions=True)
    entries, _ = await ledger.run(lambda connection: entries_page(connection, "part", 0, 10))
    await ledger.close()
    assert [type(outcome) for outcome in outcomes] == [type(None), ValueError, type(None)]
    assert [entry["kind"] for entry in entries] == ["kept", "kept"]


async def test_closing_a_ledger_completes_the_work_already_requested(ledger_file: Path) -> None:
    ledger = Ledger(ledger_file)
    requested = [
        asyncio.create_task(ledger.run(lambda connection: append_entry(connection, "part", {"kind": "kept"})))
        for _ in range(50)
    ]
    await asyncio.sleep(0)
    await ledger.close()
    await asyncio.gather(*requested)
    connection = sqlite3.connect(ledger_file)
    assert connection.execute("SELECT count(*) FROM entries").fetchone() == (50,)

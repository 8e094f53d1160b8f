"""A carrier call ends within its caller's deadline; its outcome is certain, or known to be in doubt."""

from collections.abc import AsyncIterator

import pytest

from delivery import gateways
from delivery.domain import PostalAddress
from delivery.gateways import Book, Booked, Clients, NotBooked, NotSent, OutcomeUnknown, Unbook
from marketplace_runtime.database import new_id
from marketplace_runtime.resilience import within
from tests.integration.outside.callee import Callee, a_callee

TIMEOUT_S, CONNECT_S, EARLY_S = 30.0, 0.5, 10.0


@pytest.fixture
async def callee() -> AsyncIterator[Callee]:
    async with a_callee() as callee:
        yield callee


@pytest.fixture
async def outside(callee: Callee, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Clients]:
    for name in ("CARRIER_A_URL", "CARRIER_B_URL", "DELIVERY_PUBLIC_URL"):
        monkeypatch.setenv(name, callee.url)
    monkeypatch.setenv("CARRIER_TIMEOUT_S", str(TIMEOUT_S))
    monkeypatch.setenv("CARRIER_CONNECT_TIMEOUT_S", str(CONNECT_S))
    async with gateways.connect() as outside:
        yield outside


def a_booking() -> Book:
    place = PostalAddress(name="Ada", street="1 Lane", city="Bath", postal_code="BA1", country="GB")
    return Book(new_id(), new_id(), "a", place, asked_before=False)


async def test_a_request_tells_the_carrier_its_timeout(callee: Callee, outside: Clients) -> None:
    callee.answering.set()
    assert await gateways.book(a_booking(), outside) == Booked("a", "T-1")
    async with within(TIMEOUT_S / 2):
        assert await gateways.book(a_booking(), outside) == Booked("a", "T-1")
    assert callee.told_s[0] == TIMEOUT_S
    assert CONNECT_S < callee.told_s[1] < TIMEOUT_S / 2


async def test_a_sent_booking_is_in_doubt_at_the_deadline_and_a_late_one_is_not_sent(
    callee: Callee, outside: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "marketplace_runtime.resilience.deadline.RESERVE_S", EARLY_S
    )  # long enough to tell both apart on a loaded machine
    async with within(EARLY_S + 2 * CONNECT_S):
        with pytest.raises(OutcomeUnknown):
            await gateways.book(a_booking(), outside)
        assert await gateways.book(a_booking(), outside) == NotBooked("a")
        with pytest.raises(NotSent):
            await gateways.unbook(Unbook(new_id(), "a"), outside)
    assert len(callee.told_s) == 1

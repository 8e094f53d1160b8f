"""A provider call ends within its caller's deadline; its outcome is certain, or known to be in doubt."""

from collections.abc import AsyncIterator

import pytest

from checkout import gateways
from checkout.gateways import Captured, Charge, Clients, NotCharged, NotSent, OutcomeUnknown, Void
from marketplace_runtime.database import new_id
from marketplace_runtime.resilience import within
from tests.integration.outside.callee import Callee, a_callee

TIMEOUT_S, CONNECT_S = 30.0, 0.5


@pytest.fixture
async def callee(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callee]:
    async with a_callee() as callee:
        for name in ("PAYMENT_A_URL", "PAYMENT_B_URL"):
            monkeypatch.setenv(name, callee.url)
        monkeypatch.setenv("PAYMENT_TIMEOUT_S", str(TIMEOUT_S))
        monkeypatch.setenv("PAYMENT_CONNECT_TIMEOUT_S", str(CONNECT_S))
        yield callee


@pytest.fixture
async def outside(callee: Callee) -> AsyncIterator[Clients]:
    async with gateways.connect() as outside:
        yield outside


@pytest.fixture
def early(monkeypatch: pytest.MonkeyPatch) -> float:
    """Set how long before the deadline calls end: long enough to tell both apart on a loaded machine."""
    monkeypatch.setattr("marketplace_runtime.resilience.deadline.RESERVE_S", 10.0)
    return 10.0


def a_charge(*, asked_before: bool = False) -> Charge:
    return Charge(new_id(), "a", 500, "EUR", request_number=3, asked_before=asked_before)


async def test_a_request_tells_the_provider_its_timeout(callee: Callee, outside: Clients) -> None:
    callee.answering.set()
    assert await gateways.charge_or_void(a_charge(), outside) == Captured("a")
    async with within(2 * TIMEOUT_S):
        assert await gateways.charge_or_void(a_charge(), outside) == Captured("a")
    async with within(TIMEOUT_S / 2):
        assert await gateways.charge_or_void(a_charge(), outside) == Captured("a")
    assert callee.told_s[:2] == [TIMEOUT_S, TIMEOUT_S]
    assert CONNECT_S < callee.told_s[2] < TIMEOUT_S / 2


async def test_a_sent_charge_is_in_doubt_at_the_deadline_and_is_not_retried_without_time_left(
    callee: Callee, outside: Clients, early: float
) -> None:
    with pytest.raises(OutcomeUnknown):
        async with within(early + 2 * CONNECT_S):
            await gateways.charge_or_void(a_charge(), outside)
    assert len(callee.told_s) == 1


async def test_a_charge_in_doubt_is_retried_if_there_is_time(callee: Callee, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAYMENT_TIMEOUT_S", "0.2")
    async with gateways.connect() as outside:
        with pytest.raises(OutcomeUnknown):
            async with within(TIMEOUT_S):
                await gateways.charge_or_void(a_charge(), outside)
    assert len(callee.told_s) == 2


async def test_a_charge_that_could_not_be_answered_in_time_is_not_sent(
    callee: Callee, outside: Clients, early: float
) -> None:
    async with within(early + CONNECT_S):
        assert await gateways.charge_or_void(a_charge(), outside) == NotCharged("a", request_number=3)
        with pytest.raises(NotSent):  # an earlier call may have charged
            await gateways.charge_or_void(a_charge(asked_before=True), outside)
        with pytest.raises(NotSent):
            await gateways.charge_or_void(Void(new_id(), "a"), outside)
    assert callee.told_s == []

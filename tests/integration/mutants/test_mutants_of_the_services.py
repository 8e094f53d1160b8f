"""Tests services with a database, payment providers and a mail server, with and without a safeguard.

The audit's invariants check the final content of the real ledgers; all other evidence is correct.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import aiohttp
import pytest

from catalog.service import SERVICE as CATALOG
from checkout import gateways
from contracts import Envelope
from contracts.checkout import OrderDeliveredV1
from infra.lab.audit.evidence import Evidence
from infra.lab.audit.judge import DEFAULT_MINIMUM, judge
from infra.lab.audit.ledgers import read_mails, read_payments
from infra.stack import PrivatePostgres
from marketplace_runtime.database import Database, make_partitions, migrate, new_id
from marketplace_runtime.service import Service
from marketplace_runtime.telemetry import new_traceparent
from notifications import handlers
from notifications.domain import Contact
from notifications.gateways import connect
from notifications.service import SERVICE as NOTIFICATIONS
from tests.integration.catalog.stocking import race
from tests.integration.mutants.mutant import expect_failure
from tests.integration.mutants.services import mail_sent_for_every_event, new_key_per_request, stock_without_its_lock
from tests.integration.outside.outside_process import OutsideProcess, set_dial
from tests.unit.audit.world import ADA, KEPT, a_world, total


@asynccontextmanager
async def database_of(service: Service, postgres: PrivatePostgres) -> AsyncIterator[Database]:
    urls = await postgres.create_database(f"{service.name}_mutants")
    await migrate(urls.owner, app_url=urls.app, migrations=service.migrations)
    database = Database(urls.app, source=service.name, internal_subscriptions=service.internal_subscriptions)
    async with database.transaction() as tx:
        await make_partitions(tx)
    yield database
    await database.close()


def require_no_violation(found: Evidence) -> None:
    assert {each.invariant for each in judge(found, DEFAULT_MINIMUM).violations} == set()


@pytest.fixture
async def pay(
    outside: OutsideProcess, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], Awaitable[Evidence]]:
    """Return a function that pays an order whose provider loses an answer. It returns the audit's evidence."""
    monkeypatch.setenv("PAYMENT_A_URL", f"{outside.url}/payments/a")
    monkeypatch.setenv("PAYMENT_B_URL", f"{outside.url}/payments/b")

    async def run() -> Evidence:
        order = new_id()
        charge = gateways.Charge(order, "a", total(KEPT), "EUR", request_number=1, asked_before=False)
        async with gateways.connect() as providers:
            await set_dial(http, "payments-a", lost_answer_rate=1)
            with pytest.raises(gateways.OutcomeUnknown):
                await gateways.charge_or_void(charge, providers)
            await set_dial(http, "payments-a")
            assert await gateways.charge_or_void(charge, providers) == gateways.Captured("a")
        ledger = await read_payments(http, outside.url)
        right = a_world()
        held = [replace(entry, order_id=KEPT) for entry in ledger if entry.order_id == str(order)]
        return replace(right, payments=(*held, *(each for each in right.payments if each.order_id != KEPT)))

    return run


async def test_a_repeated_charge_uses_the_same_key(
    pay: Callable[[], Awaitable[Evidence]], monkeypatch: pytest.MonkeyPatch
) -> None:
    require_no_violation(await pay())
    new_key_per_request(monkeypatch.setattr)
    charged = await pay()
    with expect_failure("never-charged-twice"):
        require_no_violation(charged)


@pytest.fixture
async def notify_twice(
    postgres: PrivatePostgres, outside: OutsideProcess, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Callable[[], Awaitable[Evidence]]]:
    """Return a function that handles two events of one delivery. It returns the audit's evidence."""
    monkeypatch.setenv("SMTP_PORT", str(outside.smtp_port))
    async with database_of(NOTIFICATIONS, postgres) as database, connect() as mailer:

        async def handle(event: OrderDeliveredV1) -> None:
            now = datetime.now(UTC)
            cause = Envelope(new_id(), event.type, event.publisher, event.subject, now, new_traceparent())
            async with database.transaction(cause) as tx:
                mail = await handlers.prepare_mail(event, tx)
            if mail is not None:
                answer = await mailer.send(mail)
                async with database.transaction(cause) as tx:
                    await handlers.record_mail(event, answer, tx)

        async def run() -> Evidence:
            order: UUID = new_id()
            for _ in range(2):
                await handle(OrderDeliveredV1(order_id=order, customer_id=ADA))
            right, arrived = a_world(), await read_mails(http, outside.url)
            ours = [mail for mail in arrived if mail.about == str(order)]
            mails = [replace(mail, about=KEPT, text=mail.text.replace(str(order), KEPT)) for mail in ours]
            others = [mail for mail in right.mails if (mail.about, mail.kind) != (KEPT, "order-delivered")]
            return replace(right, mails=(*mails, *others))

        async with database.transaction() as tx:
            tx.add(Contact(ADA, "ada@example.com"))
        yield run


async def test_several_events_about_a_matter_send_one_mail(
    notify_twice: Callable[[], Awaitable[Evidence]], monkeypatch: pytest.MonkeyPatch
) -> None:
    require_no_violation(await notify_twice())
    mail_sent_for_every_event(monkeypatch.setattr)
    second_run = await notify_twice()
    with expect_failure("no-mail-comes-twice"):
        require_no_violation(second_run)


async def test_concurrent_reservations_lock_their_products(
    postgres: PrivatePostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same check runs without a mutant in the catalog's tests."""
    async with database_of(CATALOG, postgres) as database:
        stock_without_its_lock(monkeypatch.setattr)
        with expect_failure(r"assert await stock\(database, products\) =="):
            await race(database)

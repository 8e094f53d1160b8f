"""A deferred recipient opens no circuit and closes no connection."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from marketplace_runtime.database import new_id
from notifications.gateways import Mail, MailAccepted, Mailer, MailNotAccepted, RecipientDeferred, Undeliverable
from notifications.settings import MailServer
from tests.integration.outside.outside_process import free_port


@dataclass
class Server:
    """An SMTP server that answers each recipient with the code at the start of the address."""

    sessions: set[int] = field(default_factory=set)
    taken: list[str] = field(default_factory=list)

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, _: object) -> str:
        self.sessions.add(id(session))
        code = address.partition("-")[0]
        if code.isdigit():
            return f"{code} as told"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.taken += envelope.rcpt_tos
        return "250 Kept"


@pytest.fixture
async def server() -> Server:
    return Server()


@pytest.fixture
async def mailer(server: Server) -> AsyncIterator[Mailer]:
    port, loop = free_port(), asyncio.get_running_loop()
    listening = await loop.create_server(lambda: SMTP(server, loop=loop), "127.0.0.1", port)
    mailer = Mailer(MailServer(smtp_host="127.0.0.1", smtp_port=port, mail_from="shop@example.org", smtp_connections=1))
    yield mailer
    mailer.close()
    listening.close()


def mail(to: str) -> Mail:
    return Mail(new_id(), f"{to}@example.org", "Hello", "Hello", "x", "order-confirmed", datetime.now(UTC))


async def test_deferred_recipients_do_not_delay_others(server: Server, mailer: Mailer) -> None:
    for number in range(30):
        with pytest.raises(RecipientDeferred, match="450"):
            await mailer.send(mail(f"450-{number}"))
        assert await mailer.send(mail("550-nobody")) == Undeliverable()
    assert await mailer.send(mail("ada")) == MailAccepted()
    assert server.taken == ["ada@example.org"]
    assert len(server.sessions) == 1, "more than one connection was opened"


async def test_the_circuit_opens_for_a_server_that_closes_connections(server: Server, mailer: Mailer) -> None:
    for _ in range(5):
        with pytest.raises(MailNotAccepted):
            await mailer.send(mail("421-ada"))
    with pytest.raises(Exception, match="circuit breaker of mail refuses calls"):
        await mailer.send(mail("ada"))

"""A mail sink: accepts every mail by SMTP, stores it, and lists it over HTTP."""

import asyncio
import logging
import sqlite3
from email import policy
from email.message import Message
from email.parser import BytesParser
from functools import partial
from typing import Any, cast

from aiosmtpd.smtp import SMTP, Envelope, Session
from fastapi import APIRouter
from fastapi.responses import JSONResponse
from starlette.responses import Response

from infra.lab.stand_ins.connection_cuts import HANG_AT_MOST_S
from infra.lab.stand_ins.dials import Dials
from infra.lab.stand_ins.keys import After, Limit
from infra.lab.stand_ins.ledger import Ledger, now
from infra.lab.stand_ins.problems import Problem

SCHEMA = """
CREATE TABLE IF NOT EXISTS mails (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, message_id TEXT, recipient TEXT NOT NULL, subject TEXT, about TEXT,
    kind TEXT, received_at TEXT NOT NULL, content BLOB NOT NULL
) STRICT;
"""
LARGEST_MAIL = 1 << 20


class MailSink:
    """Handler of the SMTP server. A mail is on disk before it is accepted."""

    def __init__(self, ledger: Ledger, dials: Dials) -> None:
        self._ledger = ledger
        self._dials = dials

    async def listen(self, host: str, port: int) -> asyncio.Server:
        """Listens on the SMTP port in the running event loop."""
        logging.getLogger("mail.log").setLevel(logging.WARNING)  # it logs every address at INFO
        loop = asyncio.get_running_loop()
        return await loop.create_server(
            lambda: SMTP(self, hostname="localhost", data_size_limit=LARGEST_MAIL, enable_SMTPUTF8=True, loop=loop),
            host,
            port,
        )

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Stores the mail once per recipient, with the faults that the dial draws. Returns the SMTP reply."""
        fate = self._dials.roll("mail")
        await asyncio.sleep(fate.delay_s)
        if fate.hangs:
            await asyncio.sleep(HANG_AT_MOST_S)
            await _cut(server)
        if fate.fails:
            return "451 Temporary failure, try again later"
        await self._ledger.do(partial(keep, envelope=envelope))
        if fate.loses_answer:
            await _cut(server)
        return "250 Kept"


def keep(book: sqlite3.Connection, envelope: Envelope) -> None:
    """Stores the mail once per recipient, with the headers for its id, subject, matter and kind."""
    content: bytes = envelope.original_content or b""
    headers: Message = BytesParser(policy=policy.compat32).parsebytes(content, headersonly=True)
    about = [_header(headers, name) for name in ("Message-ID", "Subject", "X-About", "X-Kind")]
    for recipient in envelope.rcpt_tos:
        book.execute(
            "INSERT INTO mails (message_id, subject, about, kind, recipient, received_at, content)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (*about, recipient, now(), content),
        )


def shown(mail: dict[str, Any]) -> dict[str, Any]:
    """Returns a stored mail with its decoded plain text instead of the raw content."""
    message = BytesParser(policy=policy.default).parsebytes(mail.pop("content"))
    part = message.get_body(("plain",))
    return mail | {"text": None if part is None else part.get_content()}


def routes(ledger: Ledger) -> APIRouter:
    """Returns the HTTP API to read received mail."""
    router = APIRouter(prefix="/mail")

    @router.get("/messages")
    async def messages(after: After = 0, limit: Limit = 500) -> Response:
        def read(book: sqlite3.Connection) -> list[dict[str, Any]]:
            rows = book.execute(
                'SELECT seq, message_id, recipient AS "to", subject, about, kind, received_at, content FROM mails'
                " WHERE seq > ? ORDER BY seq LIMIT ?",
                (after, limit),
            )
            return [shown(dict(row)) for row in rows]

        return JSONResponse({"messages": await ledger.do(read)})

    @router.get("/messages/{seq}")
    async def message(seq: int) -> Response:
        def read(book: sqlite3.Connection) -> bytes | None:
            row = book.execute("SELECT content FROM mails WHERE seq = ?", (seq,)).fetchone()
            return None if row is None else bytes(row["content"])

        content = await ledger.do(read)
        if content is None:
            raise Problem(404, "mail:unknown-message", "No mail has this number.")
        return Response(content, media_type="message/rfc822")

    return router


def _header(headers: Message, name: str) -> str | None:
    """Returns the unfolded value of the header, on one line (RFC 5322, 2.2.3)."""
    value = headers.get(name)
    return None if value is None else "".join(str(value).splitlines()).strip()


async def _cut(server: SMTP) -> None:
    """Resets the connection. The SMTP server then cancels the handler that awaits this."""
    cast("asyncio.Transport", server.transport).abort()
    await asyncio.sleep(HANG_AT_MOST_S)

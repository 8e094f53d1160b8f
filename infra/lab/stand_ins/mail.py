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

from infra.lab.stand_ins.connection_cuts import MAX_HANG_S
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
MAX_MAIL_BYTES = 1 << 20


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
            lambda: SMTP(self, hostname="localhost", data_size_limit=MAX_MAIL_BYTES, enable_SMTPUTF8=True, loop=loop),
            host,
            port,
        )

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Stores the mail once per recipient, unless a fault is drawn that prevents it. Returns the SMTP reply."""
        faults = self._dials.draw_faults("mail")
        await asyncio.sleep(faults.delay_s)
        if faults.hangs:
            await asyncio.sleep(MAX_HANG_S)
            await _reset_connection(server)
        if faults.fails:
            return "451 Temporary failure, try again later"
        await self._ledger.run(partial(store_mail, envelope=envelope))
        if faults.loses_answer:
            await _reset_connection(server)
        return "250 Kept"


def store_mail(connection: sqlite3.Connection, envelope: Envelope) -> None:
    """Stores the mail once per recipient, with the headers for its id, subject, matter and kind."""
    content: bytes = envelope.original_content or b""
    headers: Message = BytesParser(policy=policy.compat32).parsebytes(content, headersonly=True)
    header_values = [_header(headers, name) for name in ("Message-ID", "Subject", "X-About", "X-Kind")]
    for recipient in envelope.rcpt_tos:
        connection.execute(
            "INSERT INTO mails (message_id, subject, about, kind, recipient, received_at, content)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (*header_values, recipient, now(), content),
        )


def decode_mail(mail: dict[str, Any]) -> dict[str, Any]:
    """Returns a stored mail with its decoded plain text instead of the raw content."""
    message = BytesParser(policy=policy.default).parsebytes(mail.pop("content"))
    part = message.get_body(("plain",))
    return mail | {"text": None if part is None else part.get_content()}


def routes(ledger: Ledger) -> APIRouter:
    """Returns the HTTP API to read received mail."""
    router = APIRouter(prefix="/mail")

    @router.get("/messages")
    async def messages(after: After = 0, limit: Limit = 500) -> Response:
        def read(connection: sqlite3.Connection) -> list[dict[str, Any]]:
            rows = connection.execute(
                'SELECT seq, message_id, recipient AS "to", subject, about, kind, received_at, content FROM mails'
                " WHERE seq > ? ORDER BY seq LIMIT ?",
                (after, limit),
            )
            return [decode_mail(dict(row)) for row in rows]

        return JSONResponse({"messages": await ledger.run(read)})

    @router.get("/messages/{seq}")
    async def message(seq: int) -> Response:
        def read(connection: sqlite3.Connection) -> bytes | None:
            row = connection.execute("SELECT content FROM mails WHERE seq = ?", (seq,)).fetchone()
            return None if row is None else bytes(row["content"])

        content = await ledger.run(read)
        if content is None:
            raise Problem(404, "mail:unknown-message", "No mail has this number.")
        return Response(content, media_type="message/rfc822")

    return router


def _header(headers: Message, name: str) -> str | None:
    """Returns the unfolded value of the header, on one line (RFC 5322, 2.2.3)."""
    value = headers.get(name)
    return None if value is None else "".join(str(value).splitlines()).strip()


async def _reset_connection(server: SMTP) -> None:
    """Resets the connection. The SMTP server then cancels the handler that awaits this."""
    cast("asyncio.Transport", server.transport).abort()
    await asyncio.sleep(MAX_HANG_S)

"""The mail sink keeps every mail that it accepts, and fails as its dial is set."""

import uuid
from email.message import EmailMessage
from typing import Any

import aiohttp
import aiosmtplib
import pytest

from tests.integration.outside.outside_process import OutsideProcess


def a_mail() -> EmailMessage:
    mail = EmailMessage()
    mail["Message-ID"] = f"<{uuid.uuid4()}@marketplace.test>"
    mail["From"] = "shop@marketplace.test"
    mail["To"] = "anna@example.test"
    mail["Subject"] = "Your order is on its way"
    mail["X-About"] = "order-1"
    mail["X-Kind"] = "dispatched"
    mail.set_content("Dear Anna, it is.")
    return mail


async def send(outside: OutsideProcess, mail: EmailMessage) -> None:
    await aiosmtplib.send(mail, hostname="127.0.0.1", port=outside.smtp_port, timeout=5)


async def kept(http: aiohttp.ClientSession, mail: EmailMessage) -> list[dict[str, Any]]:
    async with http.get("/mail/messages", params={"limit": "1000"}) as answer:
        messages = (await answer.json())["messages"]
    return [message for message in messages if message["message_id"] == mail["Message-ID"]]


async def test_an_accepted_mail_can_be_read(http: aiohttp.ClientSession, outside: OutsideProcess) -> None:
    mail = a_mail()
    await send(outside, mail)
    [message] = await kept(http, mail)
    assert (message["to"], message["subject"]) == ("anna@example.test", "Your order is on its way")
    assert (message["about"], message["kind"]) == ("order-1", "dispatched")
    async with http.get(f"/mail/messages/{message['seq']}") as answer:
        assert "Dear Anna" in await answer.text()


async def test_a_folded_header_is_shown_unfolded(http: aiohttp.ClientSession, outside: OutsideProcess) -> None:
    mail, about = a_mail(), f"{uuid.uuid4()}:{uuid.uuid4()}"
    del mail["X-About"]
    mail["X-About"] = about
    assert f"X-About:\n {about}" in mail.as_string()
    await send(outside, mail)
    [message] = await kept(http, mail)
    assert message["about"] == about


async def test_a_failing_sink_answers_with_a_temporary_error_and_keeps_nothing(
    http: aiohttp.ClientSession, outside: OutsideProcess
) -> None:
    async with http.put("/dials/mail", json={"error_rate": 1}):
        pass
    mail = a_mail()
    with pytest.raises(aiosmtplib.SMTPDataError) as refused:
        await send(outside, mail)
    assert refused.value.code == 451
    assert await kept(http, mail) == []


async def test_a_mail_whose_answer_was_lost_is_kept(http: aiohttp.ClientSession, outside: OutsideProcess) -> None:
    async with http.put("/dials/mail", json={"lost_answer_rate": 1}):
        pass
    mail = a_mail()
    with pytest.raises(aiosmtplib.SMTPServerDisconnected):
        await send(outside, mail)
    assert len(await kept(http, mail)) == 1

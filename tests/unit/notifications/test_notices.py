"""Mails have correct texts and headers, and each is sent only to the address that was accepted."""

from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import SMTP
from uuid import uuid4

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from contracts.checkout import CancellationReason
from contracts.notifications import NotificationFailureReason, NotificationKind, WebhookDisabledReason
from notifications.api import Email
from notifications.domain import SUBJECTS, Contact, Failure, Kind, Message, Notice, Sent, Status, notification_id
from notifications.gateways import Mail, to_mime_message
from notifications.notices import CANCELLATION_TEXTS, DISABLED_TEXTS, KINDS, as_money

NOW = datetime(2026, 1, 1, tzinfo=UTC)
EMAIL: TypeAdapter[str] = TypeAdapter(Email)
ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,9}"
LABEL = r"[a-z0-9]([a-z0-9-]{0,9}[a-z0-9])?"


def a_mail(**changes: str) -> Mail:
    values = {"to": "ada@example.com", "subject": "Hello", "text": "Hello.\n", "about": "order-1", "kind": "hello"}
    return Mail(notification_id=uuid4(), at=NOW, **{**values, **changes})


def is_accepted(email: str) -> bool:
    try:
        EMAIL.validate_python(email)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize(
    "text", ["Hello.\n", "Grüße aus Köln, 東京\n" * 3, "=" * 1000 + "\n", ".\n..\nFrom here\n", ""]
)
def test_a_mail_is_read_as_it_was_written(text: str):
    mail = message_from_bytes(
        to_mime_message(a_mail(text=text, about="Zoë:1"), sender="shop@example.com").as_bytes(), policy=SMTP
    )
    assert mail.get_content().replace("\r\n", "\n") == text
    assert (mail["X-About"], mail["Subject"]) == ("Zoë:1", "Hello")
    assert not mail.defects


@given(st.from_regex(rf"{ATOM}(\.{ATOM})?@{LABEL}(\.{LABEL})?", fullmatch=True))
@example("ada@localhost")
def test_a_mail_is_sent_only_to_the_accepted_address(email: str):
    if is_accepted(email):
        mail = message_from_bytes(to_mime_message(a_mail(to=email), sender="shop@example.com").as_bytes(), policy=SMTP)
        assert [address.addr_spec for address in mail["To"].addresses] == [email]
        assert sorted(mail.keys()) == sorted(to_mime_message(a_mail(), sender="shop@example.com").keys())


@given(st.text(), st.sampled_from(["\r\n", "\n", "\r", ",", " ", "<", ">", ";", '"', "\0", "\u2028", "é"]), st.text())
def test_an_address_with_a_separator_or_a_control_character_is_not_accepted(before: str, cut: str, after: str):
    assert not is_accepted(f"ada{before}{cut}{after}@example.com")
    assert not is_accepted(f"ada@example.com{cut}{before}")


@pytest.mark.parametrize("field", ["to", "subject", "about", "kind"])
@pytest.mark.parametrize("injected", ["x\r\nBcc: mallory@example.com", "x\nBcc: mallory@example.com", "x\r\rBcc: m"])
def test_a_header_cannot_be_injected(field: str, injected: str):
    with pytest.raises(ValueError):
        to_mime_message(a_mail(**{field: injected}), sender="shop@example.com").as_bytes()


def test_a_mail_s_headers_name_its_subject_and_that_it_is_automatic():
    mail = a_mail(kind=Kind.ORDER_CONFIRMED)
    message = message_from_bytes(to_mime_message(mail, sender="shop@example.com").as_bytes(), policy=SMTP)
    assert message["Message-ID"] == f"<{mail.notification_id}@example.com>"
    assert (message["X-About"], message["X-Kind"]) == ("order-1", "order-confirmed")
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"].datetime == NOW


def test_the_id_of_a_message_depends_on_its_subject_and_kind():
    assert notification_id("o1", Kind.ORDER_CONFIRMED) == notification_id("o1", Kind.ORDER_CONFIRMED)
    ids = {notification_id(about, kind) for about in ("o1", "o2") for kind in Kind}
    assert len(ids) == 2 * len(Kind)


def test_the_result_of_a_message_is_recorded_once():
    message = Message.of(Notice("o1", Kind.ORDER_CONFIRMED, "ada", "Hello.\n"), uuid4(), NOW)
    assert message.record_sent(NOW) == [Sent()]
    assert message.record_sent(NOW) == []
    assert message.record_failed(Failure.UNDELIVERABLE) == []
    assert (message.status, message.failure) == (Status.SENT, None)


def test_people_choose_order_updates_and_reminders_separately():
    contact = Contact("ada", "ada@example.com", order_updates=False)
    assert not contact.wants(Kind.ORDER_CONFIRMED)
    assert contact.wants(Kind.CART_ABANDONED)


def test_an_address_does_not_appear_in_logs():
    assert "ada@" not in repr(Contact("ada", "ada@example.com"))
    assert "ada@" not in repr(a_mail())


def test_every_kind_and_reason_of_the_contracts_has_a_text():
    assert {*Kind} == {*SUBJECTS} == {*KINDS.values()}
    assert {*Kind} - {Kind.WEBHOOK_DISABLED} == {*NotificationKind}
    assert {*DISABLED_TEXTS} == {*WebhookDisabledReason}
    assert {*Failure} == {*NotificationFailureReason}
    assert {*CANCELLATION_TEXTS} == {*CancellationReason}


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (1999, "EUR", "19.99 EUR"),
        (5, "USD", "0.05 USD"),
        (1999, "JPY", "1999 JPY"),
        (1500, "XOF", "1500 XOF"),
        (1500, "UGX", "1500 UGX"),
        (1234, "KWD", "1.234 KWD"),
        (12345, "CLF", "1.2345 CLF"),
        (1500, "ZZZ", "15.00 ZZZ"),
        (1500, "XXX", "15.00 XXX"),
    ],
)
def test_money_is_written_with_the_currency_s_decimals(amount: int, currency: str, text: str):
    assert as_money(amount, currency) == text


def test_only_the_event_that_created_a_pending_message_sends_it():
    mine, other = uuid4(), uuid4()
    message = Message.of(Notice("o1", Kind.ORDER_CONFIRMED, "ada", "Hello.\n"), mine, NOW)
    assert message.is_to_be_sent_for(mine)
    assert not message.is_to_be_sent_for(other)
    message.record_sent(NOW)
    assert not message.is_to_be_sent_for(mine)

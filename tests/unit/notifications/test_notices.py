"""What people are told, and that it can be told to nobody else."""

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
from notifications.gateways import Mail, written
from notifications.notices import DISABLED, KINDS, REASONS, readable

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
def test_what_is_written_is_what_is_read(text: str):
    mail = message_from_bytes(
        written(a_mail(text=text, about="Zoë:1"), sender="shop@example.com").as_bytes(), policy=SMTP
    )
    assert mail.get_content().replace("\r\n", "\n") == text
    assert (mail["X-About"], mail["Subject"]) == ("Zoë:1", "Hello")
    assert not mail.defects


@given(st.from_regex(rf"{ATOM}(\.{ATOM})?@{LABEL}(\.{LABEL})?", fullmatch=True))
@example("ada@localhost")
def test_a_mail_goes_to_the_address_that_was_accepted_and_to_no_other(email: str):
    if is_accepted(email):
        mail = message_from_bytes(written(a_mail(to=email), sender="shop@example.com").as_bytes(), policy=SMTP)
        assert [address.addr_spec for address in mail["To"].addresses] == [email]
        assert sorted(mail.keys()) == sorted(written(a_mail(), sender="shop@example.com").keys())


@given(st.text(), st.sampled_from(["\r\n", "\n", "\r", ",", " ", "<", ">", ";", '"', "\0", "\u2028", "é"]), st.text())
def test_an_address_with_anything_that_ends_or_multiplies_it_is_not_accepted(before: str, cut: str, after: str):
    assert not is_accepted(f"ada{before}{cut}{after}@example.com")
    assert not is_accepted(f"ada@example.com{cut}{before}")


@pytest.mark.parametrize("field", ["to", "subject", "about", "kind"])
@pytest.mark.parametrize("injected", ["x\r\nBcc: mallory@example.com", "x\nBcc: mallory@example.com", "x\r\rBcc: m"])
def test_a_header_cannot_be_injected(field: str, injected: str):
    with pytest.raises(ValueError):
        written(a_mail(**{field: injected}), sender="shop@example.com").as_bytes()


def test_a_mail_says_what_it_is_about_and_that_no_person_wrote_it():
    mail = a_mail(kind=Kind.ORDER_CONFIRMED)
    message = message_from_bytes(written(mail, sender="shop@example.com").as_bytes(), policy=SMTP)
    assert message["Message-ID"] == f"<{mail.notification_id}@example.com>"
    assert (message["X-About"], message["X-Kind"]) == ("order-1", "order-confirmed")
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"].datetime == NOW


def test_there_is_one_message_per_matter_and_kind():
    assert notification_id("o1", Kind.ORDER_CONFIRMED) == notification_id("o1", Kind.ORDER_CONFIRMED)
    ids = {notification_id(about, kind) for about in ("o1", "o2") for kind in Kind}
    assert len(ids) == 2 * len(Kind)


def test_what_became_of_a_message_is_said_once():
    message = Message.of(Notice("o1", Kind.ORDER_CONFIRMED, "ada", "Hello.\n"), uuid4(), NOW)
    assert message.sent(NOW) == [Sent()]
    assert message.sent(NOW) == []
    assert message.failed(Failure.UNDELIVERABLE) == []
    assert (message.status, message.failure) == (Status.SENT, None)


def test_people_choose_order_updates_and_reminders():
    contact = Contact("ada", "ada@example.com", order_updates=False)
    assert not contact.wants(Kind.ORDER_CONFIRMED)
    assert contact.wants(Kind.CART_ABANDONED)


def test_an_address_does_not_show_in_logs():
    assert "ada@" not in repr(Contact("ada", "ada@example.com"))
    assert "ada@" not in repr(a_mail())


def test_there_are_words_for_everything_that_the_contracts_name():
    assert {*Kind} == {*SUBJECTS} == {*KINDS.values()}
    assert {*Kind} - {Kind.WEBHOOK_DISABLED} == {*NotificationKind}
    assert {*DISABLED} == {*WebhookDisabledReason}
    assert {*Failure} == {*NotificationFailureReason}
    assert {*REASONS} == {*CancellationReason}


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
def test_money_is_written_as_people_do(amount: int, currency: str, text: str):
    assert readable(amount, currency) == text


def test_while_one_event_sends_a_message_another_about_the_same_does_not():
    mine, other = uuid4(), uuid4()
    message = Message.of(Notice("o1", Kind.ORDER_CONFIRMED, "ada", "Hello.\n"), mine, NOW)
    assert message.is_to_be_sent_for(mine)
    assert not message.is_to_be_sent_for(other)
    message.sent(NOW)
    assert not message.is_to_be_sent_for(mine)

"""Use cases of notifications: send each event as one mail to the person concerned, if they want it."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from contracts.cart import CartAbandonedV1
from contracts.catalog import StockRunningLowV1
from contracts.delivery import CancellationRefusedV1
from contracts.notifications import NotificationFailedV1, NotificationSentV1, WebhookDisabledV1
from marketplace_runtime.consumer import Reject, RetryLater
from marketplace_runtime.database import Transaction, publishes
from notifications import store
from notifications.domain import Contact, Failure, Kind, Message, Notice, notification_id
from notifications.gateways import Answer, Mail, MailAccepted
from notifications.notices import KINDS, MailEvent, OrderEvent, text_of
from notifications.publishing import publish_message_changes

MISSING_ROW_RETRY_INTERVAL, MISSING_ROW_TIME_LIMIT = timedelta(seconds=1), timedelta(days=1)
"""Retry interval of CancellationRefused, and the time until it is dead-lettered.

CancellationRefused does not name the customer. It is retried until the order's confirmation, which does, was handled.
"""


@publishes(NotificationFailedV1)
async def prepare_mail(event: MailEvent, tx: Transaction) -> Mail | None:
    """Record that a mail is about to be sent, and return it.

    Returns None if it was sent before, if another event sends it, or if the person has no contact data or does not want
    it.
    """
    event_id, notice = _cause_id(tx), await _notice(event, tx)
    message = await tx.get(Message, notice.notification_id)
    if message is None:
        message = Message.of(notice, event_id, tx.now)
        tx.add(message)
    elif not message.is_to_be_sent_for(event_id):
        return None
    contact = await tx.get(Contact, notice.person_id)
    if contact is None:
        publish_message_changes(tx, message, message.record_failed(Failure.NO_CONTACT))
        return None
    if not contact.wants(notice.kind):
        message.skip()
        return None
    return Mail(
        notification_id=notice.notification_id,
        to=contact.email,
        subject=notice.subject,
        text=notice.text,
        about=notice.about,
        kind=notice.kind,
        at=message.created_at,
    )


@publishes(NotificationSentV1, NotificationFailedV1)
async def record_mail(event: MailEvent, answer: Answer, tx: Transaction) -> None:
    """Record the answer of the mail server."""
    message = await tx.get(Message, notification_id(about_of(event, tx), KINDS[type(event)]))
    if message is None:
        raise Reject("the message's row was lost after its mail was sent")
    changes = (
        message.record_sent(tx.now)
        if isinstance(answer, MailAccepted)
        else message.record_failed(Failure.UNDELIVERABLE)
    )
    publish_message_changes(tx, message, changes)


async def load_for_orders(events: Sequence[OrderEvent], tx: Transaction) -> None:
    """Lock and load the messages and contacts that a batch about orders needs, in two statements."""
    ids = [notification_id(str(event.order_id), KINDS[type(event)]) for event in events]
    confirmed = [
        notification_id(str(event.order_id), Kind.ORDER_CONFIRMED)
        for event in events
        if isinstance(event, CancellationRefusedV1)
    ]
    people = {event.customer_id for event in events if not isinstance(event, CancellationRefusedV1)}
    await store.load_messages_and_contacts(tx, [*ids, *confirmed], people)


def about_of(event: MailEvent, tx: Transaction) -> str:
    """Return the matter of the mail, about which there is one message per kind.

    It is the order, or one event about a cart, product or endpoint.
    """
    match event:
        case CartAbandonedV1():
            return f"{event.customer_id}:{_cause_id(tx)}"
        case StockRunningLowV1():
            return f"{event.product_id}:{_cause_id(tx)}"
        case WebhookDisabledV1():
            return f"{event.endpoint_id}:{_cause_id(tx)}"
        case _:
            return str(event.order_id)


async def _notice(event: MailEvent, tx: Transaction) -> Notice:
    return Notice(about_of(event, tx), KINDS[type(event)], await _person(event, tx), text_of(event))


async def _person(event: MailEvent, tx: Transaction) -> str:
    match event:
        case StockRunningLowV1():
            return event.seller_id
        case WebhookDisabledV1():
            return event.person_id
        case CancellationRefusedV1():  # it does not name the customer; the message about the order's confirmation does
            confirmed = await tx.get(Message, notification_id(str(event.order_id), Kind.ORDER_CONFIRMED))
            if confirmed is None:
                raise RetryLater(MISSING_ROW_RETRY_INTERVAL, give_up_after=MISSING_ROW_TIME_LIMIT)
            return confirmed.person_id
        case _:
            return event.customer_id


def _cause_id(tx: Transaction) -> UUID:
    if tx.cause is None:
        raise RuntimeError("mail is sent for events only")
    return tx.cause.id

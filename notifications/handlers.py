"""What notifications does about what it hears: one mail to whoever it concerns, if they want it."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from iso4217 import Currency

from contracts import Event
from contracts.cart import CartAbandonedV1
from contracts.catalog import StockRunningLowV1
from contracts.checkout import (
    CancellationReason,
    OrderCancelledV1,
    OrderConfirmedV1,
    OrderDeliveredV1,
    PaymentRefundedV1,
)
from contracts.delivery import CancellationRefusedV1, ShipmentDispatchedV2
from contracts.notifications import (
    NotificationFailedV1,
    NotificationSentV1,
    WebhookDisabledReason,
    WebhookDisabledV1,
)
from marketplace_runtime.consumer import Reject, RetryLater
from marketplace_runtime.database import Transaction, publishes
from notifications import store
from notifications.domain import Contact, Failure, Kind, Message, Notice, notification_id
from notifications.gateways import Answer, Mail, Taken
from notifications.publishing import publish_message_changes

UNHEARD_OF, MISSING_FOR = timedelta(seconds=1), timedelta(days=1)
"""How soon a refusal looks again for the confirmation that says whose order it is, and when it gives up."""

REASONS = {
    CancellationReason.CUSTOMER: "as you wished",
    CancellationReason.STOCK_REJECTED: "since not all of it could be had",
    CancellationReason.PRICE_CHANGED: "since a price had changed",
    CancellationReason.NO_STOCK_ANSWER: "since we could not find out whether all of it can be had",
    CancellationReason.RESERVATION_EXPIRED: "since it was not paid in time",
    CancellationReason.PAYMENT_DECLINED: "since the payment was declined",
    CancellationReason.PAYMENT_TIMED_OUT: "since the payment did not succeed in time",
    CancellationReason.SHIPPING_FAILED: "since it could not be shipped",
}

DETAILS = {
    "no-address": "since we have no address to bring it to. Record your address, then check out again",
}
"""Of the details of a cancellation, those that say more than its reason."""

DISABLED = {
    WebhookDisabledReason.FAILING: "it has failed for too long",
    WebhookDisabledReason.GONE: "it answered 410 Gone",
    WebhookDisabledReason.OVERRUN: "more events wait for it than are kept",
}

OrderEvent = (
    OrderConfirmedV1
    | OrderCancelledV1
    | PaymentRefundedV1
    | OrderDeliveredV1
    | ShipmentDispatchedV2
    | CancellationRefusedV1
)
Heard = OrderEvent | CartAbandonedV1 | StockRunningLowV1 | WebhookDisabledV1

KINDS: dict[type[Event], Kind] = {
    OrderConfirmedV1: Kind.ORDER_CONFIRMED,
    OrderCancelledV1: Kind.ORDER_CANCELLED,
    PaymentRefundedV1: Kind.PAYMENT_REFUNDED,
    OrderDeliveredV1: Kind.ORDER_DELIVERED,
    ShipmentDispatchedV2: Kind.SHIPMENT_DISPATCHED,
    CancellationRefusedV1: Kind.CANCELLATION_REFUSED,
    CartAbandonedV1: Kind.CART_ABANDONED,
    StockRunningLowV1: Kind.STOCK_RUNNING_LOW,
    WebhookDisabledV1: Kind.WEBHOOK_DISABLED,
}


USUAL_DECIMALS = 2
"""Of a code that ISO 4217 does not know any more, or gives no minor unit."""


@publishes(NotificationFailedV1)
async def prepare_mail(event: Heard, tx: Transaction) -> Mail | None:
    """Note that the person is about to be told; None where it was done, or they can't or won't be."""
    event_id, notice = _cause(tx), await _notice(event, tx)
    message = await tx.get(Message, notice.notification_id)
    if message is None:
        message = Message.of(notice, event_id, tx.now)
        tx.add(message)
    elif not message.is_to_be_sent_for(event_id):
        return None
    contact = await tx.get(Contact, notice.person_id)
    if contact is None:
        publish_message_changes(tx, message, message.failed(Failure.NO_CONTACT))
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
async def record_mail(event: Heard, answer: Answer, tx: Transaction) -> None:
    """Note what the mail server said."""
    message = await tx.get(Message, notification_id(about(event, tx), KINDS[type(event)]))
    if message is None:
        raise Reject("the message's row was lost after its mail was sent")
    changes = message.sent(tx.now) if isinstance(answer, Taken) else message.failed(Failure.UNDELIVERABLE)
    publish_message_changes(tx, message, changes)


async def load_for_orders(events: Sequence[OrderEvent], tx: Transaction) -> None:
    """Lock and load what a batch about orders needs, in two statements."""
    ids = [notification_id(str(event.order_id), KINDS[type(event)]) for event in events]
    confirmed = [
        notification_id(str(event.order_id), Kind.ORDER_CONFIRMED)
        for event in events
        if isinstance(event, CancellationRefusedV1)
    ]
    people = {event.customer_id for event in events if not isinstance(event, CancellationRefusedV1)}
    await store.load_messages_and_contacts(tx, [*ids, *confirmed], people)


def about(event: Heard, tx: Transaction) -> str:
    """The matter, of which there is one message per kind: the order, or this time that a cart or product is told of."""
    match event:
        case CartAbandonedV1():
            return f"{event.customer_id}:{_cause(tx)}"
        case StockRunningLowV1():
            return f"{event.product_id}:{_cause(tx)}"
        case WebhookDisabledV1():
            return f"{event.endpoint_id}:{_cause(tx)}"
        case _:
            return str(event.order_id)


async def _notice(event: Heard, tx: Transaction) -> Notice:
    return Notice(about(event, tx), KINDS[type(event)], await _person(event, tx), _text(event))


async def _person(event: Heard, tx: Transaction) -> str:
    match event:
        case StockRunningLowV1():
            return event.seller_id
        case WebhookDisabledV1():
            return event.person_id
        case CancellationRefusedV1():  # it names the order alone; its confirmation named the customer
            confirmed = await tx.get(Message, notification_id(str(event.order_id), Kind.ORDER_CONFIRMED))
            if confirmed is None:
                raise RetryLater(UNHEARD_OF, give_up_after=MISSING_FOR)
            return confirmed.person_id
        case _:
            return event.customer_id


def _text(event: Heard) -> str:  # noqa: PLR0911 - one arm per event
    match event:
        case OrderConfirmedV1():
            total = readable(event.total.amount, event.total.currency)
            return f"Order {event.order_id} is paid: {total}. We are getting it ready.\n"
        case OrderCancelledV1():
            why = DETAILS.get(event.detail or "", REASONS[event.reason])
            return f"Order {event.order_id} was cancelled, {why}.\nWhat you paid, if anything, will be given back.\n"
        case PaymentRefundedV1():
            return f"We gave back {readable(event.amount.amount, event.amount.currency)} for order {event.order_id}.\n"
        case OrderDeliveredV1():
            return f"Order {event.order_id} was delivered. Enjoy!\n"
        case ShipmentDispatchedV2():
            where = f"carrier {event.tracking.carrier}, tracking code {event.tracking.code}"
            return f"Order {event.order_id} is on its way: {where}.\n"
        case CancellationRefusedV1():
            return f"Order {event.order_id} could not be cancelled: the parcel is already on its way.\n"
        case CartAbandonedV1():
            count = len(event.product_ids)
            return f"There {'is 1 product' if count == 1 else f'are {count} products'} in your cart.\n"
        case StockRunningLowV1():
            return f"Units left of product {event.product_id}: {event.available}.\n"
        case WebhookDisabledV1():
            path = f"/webhooks/{event.endpoint_id}"
            return (
                f"Nothing is sent to your webhook endpoint {event.endpoint_id} any more: {DISABLED[event.reason]}.\n"
                f"Once it works, POST {path}/enable. What it misses until then is kept for 7 days:\n"
                f"POST {path}/redeliver-missed has it sent.\n"
            )


def _cause(tx: Transaction) -> UUID:
    if tx.cause is None:
        raise RuntimeError("mail is sent for events only")
    return tx.cause.id


def readable(amount: int, currency: str) -> str:
    """Minor units as people write them: 1999 EUR is 19.99 EUR, 1500 XOF is 1500 XOF."""
    decimals = _decimals(currency)
    if decimals == 0:
        return f"{amount} {currency}"
    whole, rest = divmod(amount, 10**decimals)
    return f"{whole}.{rest:0{decimals}} {currency}"


def _decimals(currency: str) -> int:
    try:
        known = Currency(currency).exponent
    except ValueError:
        return USUAL_DECIMALS
    return USUAL_DECIMALS if known is None else known

"""The payment rules of an order.

At most one provider is *open* (asked, outcome unknown) at any time. The next provider is asked only after the open one
refused the only request that was ever sent to it, or after its idempotency key was closed for ever. An order that is
given up with an open provider is `VOIDING` until it is certain that this provider did not charge, or its key is closed.
If a charge is reported meanwhile, the void gives the money back.
"""

from datetime import datetime

from checkout.domain.journal import Entry, EntryType
from checkout.domain.order import Order
from checkout.domain.states import Payment, Reason, Status

PROVIDERS = ("a", "b")
"""The payment providers, in the order in which they are asked."""


def choose_provider(order: Order, at: datetime) -> tuple[str | None, list[Entry]]:
    """Record which provider is about to be asked to charge: the open provider, otherwise the next one.

    Returns the provider, or None if no charge is to be requested, and the entries.
    """
    if order.status is not Status.PAYING or order.payment is Payment.CLOSING or order.awaits_address:
        return None, []
    again = order.payment is Payment.ASKED
    provider = order.provider if again else _next_provider(order)
    return provider, order.record(EntryType.PAYMENT_ASKED, at, provider=provider, ask=order.asks + 1, again=again)


def record_capture(order: Order, provider: str, at: datetime) -> list[Entry]:
    """Record that the provider holds the money, and confirm the order.

    Changes nothing once a void was decided: the void gives the money back.
    """
    if order.status is Status.PAYING and order.payment is Payment.ASKED and order.provider == provider:
        return [
            *order.record(EntryType.PAYMENT_CAPTURED, at, provider=provider),
            *order.record(EntryType.CONFIRMED, at),
        ]
    return []


def record_decline(order: Order, provider: str, at: datetime) -> list[Entry]:
    """Cancel the order because the provider declined the payment for good."""
    if order.status is Status.PAYING and _is_open(order, provider):
        return [
            *order.record(EntryType.PAYMENT_DECLINED, at, provider=provider),
            *order.record(EntryType.CANCELLED, at, reason=Reason.PAYMENT_DECLINED),
        ]
    return []


def record_not_charged(order: Order, provider: str, request_number: int, at: datetime) -> list[Entry]:
    """Record that the provider did not charge by the request `request_number`.

    The outcome is certain if this was the only request to the provider. If there was another one, it may still arrive
    there. Then the provider's idempotency key is closed before another provider is asked.
    """
    if not _is_open(order, provider) or order.payment is Payment.CLOSING:
        return []
    certain = request_number == order.asks and not order.doubtful
    if certain:
        changes = order.record(EntryType.PAYMENT_NOT_CHARGED, at, provider=provider)
        if order.status is Status.VOIDING:
            changes += order.record(EntryType.CANCELLED, at, reason=order.reason)
        return changes
    if order.status is Status.PAYING:
        return order.record(EntryType.PAYMENT_DOUBTED, at, provider=provider)
    return []


def record_void(order: Order, provider: str, *, refunded: bool | None, at: datetime) -> list[Entry]:
    """Record that the provider gave back what it held, if anything, and can never charge this order again.

    Cancels the order if it was given up, or if no provider is left. `refunded` says whether the provider held
    something. None: its key was already closed.
    """
    if not _is_open(order, provider):
        return []
    if order.status is Status.VOIDING:
        return [
            *order.record(EntryType.PAYMENT_VOIDED, at, provider=provider, refunded=refunded),
            *order.record(EntryType.CANCELLED, at, reason=order.reason),
        ]
    changes = order.record(EntryType.PAYMENT_CLOSED, at, provider=provider, refunded=refunded)
    if set(order.closed) == set(PROVIDERS):
        changes += order.record(EntryType.CANCELLED, at, reason=Reason.PAYMENT_TIMED_OUT)
    return changes


def record_refund(order: Order, at: datetime) -> list[Entry]:
    """Record that the provider gave back the whole amount of a cancelled order."""
    return order.record(EntryType.REFUNDED, at, provider=order.provider) if needs_refund(order) else []


def give_up(order: Order, reason: Reason, at: datetime) -> list[Entry]:
    """Cancel an order that is not paid: at once, or after a void if a provider may hold the money."""
    if order.status not in (Status.PLACED, Status.PAYING):
        return []
    may_be_held = order.status is Status.PAYING and order.payment in (Payment.ASKED, Payment.CLOSING)
    return order.record(EntryType.GIVEN_UP if may_be_held else EntryType.CANCELLED, at, reason=reason)


def give_up_unpaid(order: Order, at: datetime) -> list[Entry]:
    """Give up the order: no provider charged, or no address became known, before the payment deadline."""
    if order.status is not Status.PAYING:
        return []
    return give_up(order, Reason.NO_ADDRESS if order.awaits_address else Reason.PAYMENT_TIMED_OUT, at)


def needs_refund(order: Order) -> bool:
    """Whether the order is cancelled and a provider still holds its money."""
    return order.status is Status.CANCELLED and order.payment is Payment.CAPTURED


def key_to_close(order: Order) -> str | None:
    """Return the provider whose key must be closed, so that it can never charge this order. None if there is none."""
    unsettled = order.status is Status.VOIDING or (order.status is Status.PAYING and order.payment is Payment.CLOSING)
    return order.provider if unsettled else None


def every_provider_refused(order: Order) -> bool:
    """Whether every usable provider refused in this round. Then the next request starts a new round, after a pause."""
    # a round goes through the providers in alphabetical order: a next provider that is not later begins a new round
    return _next_provider(order) <= (order.provider or "")


def _is_open(order: Order, provider: str) -> bool:
    unanswered = order.payment in (Payment.ASKED, Payment.CLOSING)
    return order.status in (Status.PAYING, Status.VOIDING) and unanswered and order.provider == provider


def _next_provider(order: Order) -> str:
    usable = [provider for provider in PROVIDERS if provider not in order.closed]
    later = [provider for provider in usable if provider > (order.provider or "")]
    return (later or usable)[0]

"""The payment rules in one place.

At most one provider is *open* (asked, outcome unknown) at any time: the next one is asked only after the open one said
no to the only request that was ever sent to it, or after its key was closed for ever. An order that gives up with an
open provider is `VOIDING` until that provider's key is closed; a charge that is reported meanwhile is what the void
gives back.
"""

from datetime import datetime

from checkout.domain.journal import Entry, EntryType
from checkout.domain.order import Order
from checkout.domain.states import Payment, Reason, Status

PROVIDERS = ("a", "b")
"""In the order in which they are asked."""


def ask_provider(order: Order, at: datetime) -> tuple[str | None, list[Entry]]:
    """Write down who is about to be asked for the money: the open provider, else the next in turn.

    Returns the provider (None: nobody is to be asked to charge) and the entries.
    """
    if order.status is not Status.PAYING or order.payment is Payment.CLOSING or order.awaits_address:
        return None, []
    again = order.payment is Payment.ASKED
    provider = order.provider if again else _next_provider(order)
    return provider, order.record(EntryType.PAYMENT_ASKED, at, provider=provider, ask=order.asks + 1, again=again)


def captured(order: Order, provider: str, at: datetime) -> list[Entry]:
    """The provider holds the money. Too late once a void was decided: the void gives it back."""
    if order.status is Status.PAYING and order.payment is Payment.ASKED and order.provider == provider:
        return [
            *order.record(EntryType.PAYMENT_CAPTURED, at, provider=provider),
            *order.record(EntryType.CONFIRMED, at),
        ]
    return []


def declined(order: Order, provider: str, at: datetime) -> list[Entry]:
    """The provider said no for good; it will say the same whenever it is asked again."""
    if order.status is Status.PAYING and _is_open(order, provider):
        return [
            *order.record(EntryType.PAYMENT_DECLINED, at, provider=provider),
            *order.record(EntryType.CANCELLED, at, reason=Reason.PAYMENT_DECLINED),
        ]
    return []


def not_charged(order: Order, provider: str, ask: int, at: datetime) -> list[Entry]:
    """The provider did not charge by request number `ask`.

    That settles it if this was the only request. If another was begun before or since, it may
    still arrive there, so the provider's key is closed before anyone else is asked.
    """
    if not _is_open(order, provider) or order.payment is Payment.CLOSING:
        return []
    certain = ask == order.asks and not order.doubtful
    if certain:
        changes = order.record(EntryType.PAYMENT_NOT_CHARGED, at, provider=provider)
        if order.status is Status.VOIDING:
            changes += order.record(EntryType.CANCELLED, at, reason=order.reason)
        return changes
    if order.status is Status.PAYING:
        return order.record(EntryType.PAYMENT_DOUBTED, at, provider=provider)
    return []


def voided(order: Order, provider: str, *, refunded: bool | None, at: datetime) -> list[Entry]:
    """The provider gave back what it held, if anything, and can never charge this order again.

    `refunded` says whether it held something; None where it was found closed already.
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


def refunded(order: Order, at: datetime) -> list[Entry]:
    """The provider gave the whole amount of a cancelled order back."""
    return order.record(EntryType.REFUNDED, at, provider=order.provider) if owes_refund(order) else []


def give_up(order: Order, reason: Reason, at: datetime) -> list[Entry]:
    """Cancel an order that is not paid: at once, or by a void if a provider may hold the money."""
    if order.status not in (Status.PLACED, Status.PAYING):
        return []
    may_be_held = order.status is Status.PAYING and order.payment in (Payment.ASKED, Payment.CLOSING)
    return order.record(EntryType.GIVEN_UP if may_be_held else EntryType.CANCELLED, at, reason=reason)


def overdue(order: Order, at: datetime) -> list[Entry]:
    """Give up: no provider has charged in time, or no address became known in time."""
    if order.status is not Status.PAYING:
        return []
    return give_up(order, Reason.NO_ADDRESS if order.awaits_address else Reason.PAYMENT_TIMED_OUT, at)


def owes_refund(order: Order) -> bool:
    """Whether the order is cancelled and a provider still holds its money."""
    return order.status is Status.CANCELLED and order.payment is Payment.CAPTURED


def key_to_close(order: Order) -> str | None:
    """The provider that must never charge this order again, if there is one to be told so."""
    unsettled = order.status is Status.VOIDING or (order.status is Status.PAYING and order.payment is Payment.CLOSING)
    return order.provider if unsettled else None


def every_provider_refused(order: Order) -> bool:
    """The next provider to ask is one that was asked before, so that it is worth waiting."""
    return _next_provider(order) <= (order.provider or "")


def _is_open(order: Order, provider: str) -> bool:
    unanswered = order.payment in (Payment.ASKED, Payment.CLOSING)
    return order.status in (Status.PAYING, Status.VOIDING) and unanswered and order.provider == provider


def _next_provider(order: Order) -> str:
    usable = [provider for provider in PROVIDERS if provider not in order.closed]
    later = [provider for provider in usable if provider > (order.provider or "")]
    return (later or usable)[0]

"""The payment rules in one place.

At most one provider is *open* (asked, outcome unknown) at any time: the next one is asked only after the open one said
no to the only request that was ever sent to it, or after its key was closed for ever. An order that gives up with an
open provider is `VOIDING` until that provider's key is closed; a charge that is reported meanwhile is what the void
gives back.
"""

from datetime import datetime

from checkout.domain.journal import EntryType
from checkout.domain.order import Order
from checkout.domain.states import Payment, Reason, Status

PROVIDERS = ("a", "b")
"""In the order in which they are asked."""


def ask_provider(order: Order, at: datetime) -> str | None:
    """Write down who is about to be asked for the money: the open provider, else the next in turn.

    Returns it; None where nobody is to be asked to charge.
    """
    if order.status is not Status.PAYING or order.payment is Payment.CLOSING or order.awaits_address:
        return None
    again = order.payment is Payment.ASKED
    provider = order.provider if again else _next_provider(order)
    order.record(EntryType.PAYMENT_ASKED, at, provider=provider, ask=order.asks + 1, again=again)
    return provider


def captured(order: Order, provider: str, at: datetime) -> None:
    """The provider holds the money. Too late once a void was decided: the void gives it back."""
    if order.status is Status.PAYING and order.payment is Payment.ASKED and order.provider == provider:
        order.record(EntryType.PAYMENT_CAPTURED, at, provider=provider)
        order.record(EntryType.CONFIRMED, at)


def declined(order: Order, provider: str, at: datetime) -> None:
    """The provider said no for good; it will say the same whenever it is asked again."""
    if order.status is Status.PAYING and _is_open(order, provider):
        order.record(EntryType.PAYMENT_DECLINED, at, provider=provider)
        order.record(EntryType.CANCELLED, at, reason=Reason.PAYMENT_DECLINED)


def not_charged(order: Order, provider: str, ask: int, at: datetime) -> None:
    """The provider did not charge by request number `ask`.

    That settles it if this was the only request. If another was begun before or since, it may
    still arrive there, so the provider's key is closed before anyone else is asked.
    """
    if not _is_open(order, provider) or order.payment is Payment.CLOSING:
        return
    certain = ask == order.asks and not order.doubtful
    if certain:
        order.record(EntryType.PAYMENT_NOT_CHARGED, at, provider=provider)
        if order.status is Status.VOIDING:
            order.record(EntryType.CANCELLED, at, reason=order.reason)
    elif order.status is Status.PAYING:
        order.record(EntryType.PAYMENT_DOUBTED, at, provider=provider)


def voided(order: Order, provider: str, *, refunded: bool | None, at: datetime) -> None:
    """The provider gave back what it held, if anything, and can never charge this order again.

    `refunded` says whether it held something; None where it was found closed already.
    """
    if not _is_open(order, provider):
        return
    if order.status is Status.VOIDING:
        order.record(EntryType.PAYMENT_VOIDED, at, provider=provider, refunded=refunded)
        order.record(EntryType.CANCELLED, at, reason=order.reason)
        return
    order.record(EntryType.PAYMENT_CLOSED, at, provider=provider, refunded=refunded)
    if set(order.closed) == set(PROVIDERS):
        order.record(EntryType.CANCELLED, at, reason=Reason.PAYMENT_TIMED_OUT)


def refunded(order: Order, at: datetime) -> None:
    """The provider gave the whole amount of a cancelled order back."""
    if owes_refund(order):
        order.record(EntryType.REFUNDED, at, provider=order.provider)


def give_up(order: Order, reason: Reason, at: datetime) -> None:
    """Cancel an order that is not paid: at once, or by a void if a provider may hold the money."""
    if order.status is Status.PLACED:
        order.record(EntryType.CANCELLED, at, reason=reason)
    elif order.status is Status.PAYING:
        if order.payment in (Payment.ASKED, Payment.CLOSING):
            order.record(EntryType.GIVEN_UP, at, reason=reason)
        else:
            order.record(EntryType.CANCELLED, at, reason=reason)


def overdue(order: Order, at: datetime) -> None:
    """Give up: no provider has charged in time, or no address became known in time."""
    if order.status is Status.PAYING:
        give_up(order, Reason.NO_ADDRESS if order.awaits_address else Reason.PAYMENT_TIMED_OUT, at)


def owes_refund(order: Order) -> bool:
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

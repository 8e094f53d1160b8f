"""The payment rules in one place.

At most one provider is *open* (asked, outcome unknown) at any time: the next one is asked only after the open one said
no to the only request that was ever sent to it, or after its key was closed for ever. An order that gives up with an
open provider is `VOIDING` until that provider's key is closed; a charge that is reported meanwhile is what the void
gives back.
"""

from datetime import datetime

from checkout.domain.journal import EntryType
from checkout.domain.journalled import Journalled
from checkout.domain.states import Payment, Reason, Status

PROVIDERS = ("a", "b")
"""In the order in which they are asked."""


class Payable(Journalled):
    """An order until it is paid or given up, and its refund."""

    def ask_provider(self, at: datetime) -> str | None:
        """Write down who is about to be asked for the money: the open provider, else the next in turn.

        Returns it; None where nobody is to be asked to charge.
        """
        if self.status is not Status.PAYING or self.payment is Payment.CLOSING or self.awaits_address:
            return None
        again = self.payment is Payment.ASKED
        provider = self.provider if again else self._next_provider()
        self._write(EntryType.PAYMENT_ASKED, at, provider=provider, ask=self.asks + 1, again=again)
        return provider

    @property
    def key_to_close(self) -> str | None:
        """The provider that must never charge this order again, if there is one to be told so."""
        unsettled = self.status is Status.VOIDING or (self.status is Status.PAYING and self.payment is Payment.CLOSING)
        return self.provider if unsettled else None

    @property
    def every_provider_refused(self) -> bool:
        """The next provider to ask is one that was asked before, so that it is worth waiting."""
        return self._next_provider() <= (self.provider or "")

    def captured(self, provider: str, at: datetime) -> None:
        """The provider holds the money. Too late once a void was decided: the void gives it back."""
        if self.status is Status.PAYING and self.payment is Payment.ASKED and self.provider == provider:
            self._write(EntryType.PAYMENT_CAPTURED, at, provider=provider)
            self._write(EntryType.CONFIRMED, at)

    def declined(self, provider: str, at: datetime) -> None:
        """The provider said no for good; it will say the same whenever it is asked again."""
        if self.status is Status.PAYING and self._is_open(provider):
            self._write(EntryType.PAYMENT_DECLINED, at, provider=provider)
            self._cancel(Reason.PAYMENT_DECLINED, at)

    def not_charged(self, provider: str, ask: int, at: datetime) -> None:
        """The provider did not charge by request number `ask`.

        That settles it if this was the only request. If another was begun before or since, it may
        still arrive there, so the provider's key is closed before anyone else is asked.
        """
        if not self._is_open(provider) or self.payment is Payment.CLOSING:
            return
        certain = ask == self.asks and not self.doubtful
        if certain:
            self._write(EntryType.PAYMENT_NOT_CHARGED, at, provider=provider)
            if self.status is Status.VOIDING:
                self._cancel(self.reason, at)
        elif self.status is Status.PAYING:
            self._write(EntryType.PAYMENT_DOUBTED, at, provider=provider)

    def voided(self, provider: str, *, refunded: bool | None, at: datetime) -> None:
        """The provider gave back what it held, if anything, and can never charge this order again.

        `refunded` says whether it held something; None where it was found closed already.
        """
        if not self._is_open(provider):
            return
        if self.status is Status.VOIDING:
            self._write(EntryType.PAYMENT_VOIDED, at, provider=provider, refunded=refunded)
            self._cancel(self.reason, at)
            return
        self._write(EntryType.PAYMENT_CLOSED, at, provider=provider, refunded=refunded)
        if set(self.closed) == set(PROVIDERS):
            self._cancel(Reason.PAYMENT_TIMED_OUT, at)

    def refunded(self, at: datetime) -> None:
        """The provider gave the whole amount of a cancelled order back."""
        if self.owes_refund:
            self._write(EntryType.REFUNDED, at, provider=self.provider)

    @property
    def owes_refund(self) -> bool:
        return self.status is Status.CANCELLED and self.payment is Payment.CAPTURED

    def _is_open(self, provider: str) -> bool:
        unanswered = self.payment in (Payment.ASKED, Payment.CLOSING)
        return self.status in (Status.PAYING, Status.VOIDING) and unanswered and self.provider == provider

    def _next_provider(self) -> str:
        usable = [provider for provider in PROVIDERS if provider not in self.closed]
        later = [provider for provider in usable if provider > (self.provider or "")]
        return (later or usable)[0]

    # -- giving up, before confirmation -------------------------------------------------------------

    def give_up(self, reason: Reason, at: datetime) -> None:
        """Cancel an order that is not paid: at once, or by a void if a provider may hold the money."""
        if self.status is Status.PLACED:
            self._cancel(reason, at)
        elif self.status is Status.PAYING:
            if self.payment in (Payment.ASKED, Payment.CLOSING):
                self._write(EntryType.GIVEN_UP, at, reason=reason)
            else:
                self._cancel(reason, at)

    def payment_overdue(self, at: datetime) -> None:
        """Give up: no provider has charged in time, or no address became known in time."""
        if self.status is Status.PAYING:
            self.give_up(Reason.NO_ADDRESS if self.awaits_address else Reason.PAYMENT_TIMED_OUT, at)

    def _cancel(self, reason: Reason | None, at: datetime) -> None:
        self._write(EntryType.CANCELLED, at, reason=reason)

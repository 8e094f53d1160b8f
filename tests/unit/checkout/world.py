"""Simulates everything around one order, with faults: providers, catalog, delivery, and a runtime that crashes.

Messages arrive at least once, in any order; deadlines may pass at any time. A provider may execute a request long after
its sender gave up. The use cases are the real ones.
"""

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from checkout import handlers
from checkout.domain import Order, TooLate
from checkout.gateways import (
    Answer,
    Captured,
    Charge,
    Closed,
    Declined,
    NotCharged,
    OutcomeUnknown,
    Refund,
    Refunded,
    Void,
)
from contracts import Event, Money
from contracts.cart import CartCheckedOutV1, Line
from contracts.catalog import (
    RejectedLine,
    RejectionReason,
    ReservationExpiredV1,
    StockRejectedV1,
    StockReservedV1,
)
from contracts.checkout import (
    CancellationRequestedV1,
    ChargeDueV1,
    OrderConfirmedV1,
    OrderPlacedV1,
    PaymentDueV1,
    RefundDueV1,
    ReservationOverV1,
    ShippingOverdueV1,
    StockAnswerDueV1,
    VoidDueV1,
)
from contracts.delivery import (
    AddressErasedV1,
    AddressRecordedV1,
    CancellationRefusedV1,
    RefusalReason,
    ShipmentCancelledV1,
    ShipmentDeliveredV1,
    ShipmentDispatchedV1,
    ShipmentFailedV1,
    ShipmentFailureReason,
)
from marketplace_runtime.scheduler.retry_policy import RetryLater
from tests.unit.checkout.fakes import FakeDatabase, FakeTransaction

ORDER = UUID("01930000-0000-7000-8000-000000000001")
PRODUCT = UUID("01930000-0000-7000-8000-000000000002")
SHIPMENT = UUID("01930000-0000-7000-8000-000000000003")
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ADDRESS = UUID("01930000-0000-7000-8000-000000000004")
PRICE = Money(amount=700, currency="EUR")
TOTAL = Money(amount=1400, currency="EUR")
LINES = [Line(product_id=PRODUCT, quantity=2, unit_price=PRICE)]
CUSTOMER = "ada"

DEADLINES = (StockAnswerDueV1, PaymentDueV1, ReservationOverV1, ShippingOverdueV1)

Handler = Callable[[Any, Any], Awaitable[None]]
WITHOUT_CALL: dict[type[Event], Handler] = {
    CartCheckedOutV1: handlers.place_order,
    StockRejectedV1: handlers.reject_order,
    ReservationExpiredV1: handlers.schedule_expiry,
    ReservationOverV1: handlers.expire_order,
    StockAnswerDueV1: handlers.stop_waiting_for_stock,
    PaymentDueV1: handlers.stop_waiting_for_payment,
    ShippingOverdueV1: handlers.note_delay,
    AddressRecordedV1: handlers.copy_address,
    AddressErasedV1: handlers.copy_address,
    ShipmentDispatchedV1: handlers.note_dispatch,
    ShipmentDeliveredV1: handlers.complete_order,
    ShipmentFailedV1: handlers.cancel_unshippable_order,
    ShipmentCancelledV1: handlers.cancel_stopped_order,
    CancellationRefusedV1: handlers.refuse_cancellation,
}
WITH_CALL: dict[type[Event], tuple[Any, Any]] = {
    StockReservedV1: (handlers.prepare_charge, handlers.record_payment),
    ChargeDueV1: (handlers.prepare_charge, handlers.record_payment),
    VoidDueV1: (handlers.prepare_void, handlers.record_payment),
    RefundDueV1: (handlers.prepare_refund, handlers.record_refund),
}


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that never waits, since nothing here does I/O. Returns its result."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("the use case awaited something that the fakes do not have")


@dataclass(eq=False)
class Message:
    """A delivery of an event; done once its effect was committed."""

    event: Event
    done: bool = False


@dataclass(eq=False)
class Call:
    """A request to a provider on behalf of a message."""

    message: Message
    request: Charge | Void | Refund
    executed: bool = False
    """Whether the provider executed it."""
    abandoned: bool = False
    """Whether the caller stopped waiting for the answer. The request may still reach the provider."""
    answer: Answer | Refunded | None = None


@dataclass
class FakeProvider:
    """A provider that acts once per key. A refusal of a request with a known key concerns that request only."""

    keys: dict[UUID, str] = field(default_factory=dict)
    captures: int = 0

    @property
    def holds(self) -> int:
        return sum(state == "captured" for state in self.keys.values())

    def execute(self, request: Charge | Void | Refund, *, refuse: bool, decline: bool) -> Answer | Refunded:
        state, name = self.keys.get(request.order_id), request.provider
        match request:
            case Charge():
                assert request.amount == TOTAL.amount
                if state == "voided":
                    return Closed(name, refunded=None)
                if refuse:
                    return NotCharged(name, request.request_number)
                if state is None:
                    state = self.keys[request.order_id] = "declined" if decline else "captured"
                    self.captures += not decline
                return Declined(name) if state == "declined" else Captured(name)
            case Void():
                if refuse:
                    raise OutcomeUnknown
                self.keys[request.order_id] = "voided"
                return Closed(name, refunded=state == "captured")
            case Refund():
                assert state in ("captured", "refunded"), "a refund of a payment that was never captured"
                if refuse:
                    raise OutcomeUnknown
                self.keys[request.order_id] = "refunded"
                return Refunded(name)


@dataclass
class World:
    database: FakeDatabase = field(default_factory=FakeDatabase)
    providers: dict[str, FakeProvider] = field(default_factory=lambda: {"a": FakeProvider(), "b": FakeProvider()})
    messages: list[Message] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    consumed: int = 0
    shipment: str | None = None
    """The shipment's state in delivery: scheduled, dispatched, delivered, failed or cancelled."""
    address: UUID | None = ADDRESS
    """The address that the cart knew."""
    revisions: int = 0
    """The last revision of the address that delivery published."""

    def __post_init__(self) -> None:
        event = CartCheckedOutV1(
            order_id=ORDER, customer_id=CUSTOMER, lines=LINES, total=TOTAL, address_id=self.address
        )
        self.send(event)

    # -- state ---------------------------------------------------------------------------------------

    @property
    def order(self) -> Order | None:
        return self.database.order(ORDER) if ORDER in self.database.journals else None

    @property
    def waiting(self) -> list[Message]:
        return [message for message in self.messages if not message.done]

    @property
    def has_address(self) -> bool:
        """Whether checkout may already know an address for the order."""
        known = self.database.addresses.get(CUSTOMER)
        return (known.address_id if known else self.address) is not None

    @property
    def useful(self) -> list[Message]:
        """Ready messages, except charges that would only find again that there is no address."""
        lacks_address = self.order is not None and self.order.awaits_address and not self.has_address
        return [message for message in self.ready if not (lacks_address and isinstance(message.event, ChargeDueV1))]

    @property
    def deadlines(self) -> list[Message]:
        return [message for message in self.waiting if isinstance(message.event, DEADLINES)]

    @property
    def ready(self) -> list[Message]:
        return [message for message in self.waiting if not isinstance(message.event, DEADLINES)]

    @property
    def held(self) -> int:
        """The number of charges that all providers hold."""
        return sum(provider.holds for provider in self.providers.values())

    def count_published(self, kind: type[Event]) -> int:
        return sum(isinstance(event, kind) for event in self.database.published)

    # -- the runtime --------------------------------------------------------------------------------

    def send(self, event: Event) -> None:
        self.messages.append(Message(event))

    def deliver(self, message: Message, *, crash: bool = False) -> None:
        """Run a use case without a call, or the first step of one with a call."""
        tx = FakeTransaction(self.database)
        request: Charge | Void | Refund | None = None
        steps = WITH_CALL.get(type(message.event))
        try:
            if steps:
                request = run(steps[0](message.event, tx))
            else:
                run(WITHOUT_CALL[type(message.event)](message.event, tx))
        except RetryLater:
            return
        if isinstance(request, Charge) and not request.asked_before:
            assert request.request_number > 1 or self.has_address, "a charge was requested without an address"
        if crash:
            return
        self._commit(tx)
        if request is None:
            message.done = True
        else:
            self.calls.append(Call(message, request))

    def refuse_connection(self, call: Call) -> None:
        """Fail to connect: the request is never sent. The result is that of the gateway."""
        if isinstance(call.request, Charge) and not call.request.asked_before:
            call.answer = NotCharged(call.request.provider, call.request.request_number)
            call.executed = True
        else:
            self.calls.remove(call)

    def execute(self, call: Call, *, refuse: bool = False, decline: bool = False, lose: bool = False) -> None:
        """Let the request reach its provider."""
        call.executed = True
        provider = self.providers[call.request.provider]
        try:
            call.answer = provider.execute(call.request, refuse=refuse, decline=decline)
        except OutcomeUnknown:
            call.abandoned = True
        if lose:
            call.abandoned = True
        if call.abandoned:
            self.calls.remove(call)

    def record(self, call: Call, *, crash: bool = False) -> None:
        """Record the answer, unless another delivery of the message has been handled."""
        self.calls.remove(call)
        if crash or call.message.done:
            return
        tx = FakeTransaction(self.database)
        run(WITH_CALL[type(call.message.event)][1](call.message.event, call.answer, tx))
        self._commit(tx)
        call.message.done = True

    def cancel(self) -> bool:
        """Request a cancellation for the customer. Returns whether it was accepted."""
        tx = FakeTransaction(self.database)
        try:
            found = run(handlers.cancel_order(ORDER, CUSTOMER, tx))
        except TooLate:
            return False
        self._commit(tx)
        return found is not None

    def _commit(self, tx: FakeTransaction) -> None:
        tx.commit()
        for event, _ in self.database.scheduled:
            self.send(event)
        self.database.scheduled.clear()

    # -- the other services ---------------------------------------------------------------------------

    def catalog_answers(self, *, reserve: bool = True) -> bool:
        """Let the catalog handle OrderPlaced, once. Returns whether it did."""
        if not self.count_published(OrderPlacedV1) or self.was_sent(StockReservedV1, StockRejectedV1):
            return False
        if reserve:
            self.send(StockReservedV1(order_id=ORDER, expires_at=NOON + timedelta(seconds=30)))
        else:
            line = RejectedLine(product_id=PRODUCT, reason=RejectionReason.PRICE_CHANGED, requested=2, price=TOTAL)
            self.send(StockRejectedV1(order_id=ORDER, lines=[line]))
        return True

    def address_changes(self, *, erased: bool) -> None:
        """Let the customer record an address, or erase it."""
        self.revisions += 1
        what = {"customer_id": CUSTOMER, "revision": self.revisions}
        self.send(AddressErasedV1(**what) if erased else AddressRecordedV1(**what, address_id=ADDRESS))

    def delivery_consumes(self) -> bool:
        """Let delivery handle checkout's next event. Returns whether there was one for it."""
        while self.consumed < len(self.database.published):
            event = self.database.published[self.consumed]
            self.consumed += 1
            if isinstance(event, OrderConfirmedV1):
                self.shipment = "scheduled"
                return True
            if isinstance(event, CancellationRequestedV1):
                self._answer_cancellation()
                return True
        return False

    def _answer_cancellation(self) -> None:
        if self.shipment == "scheduled":
            self.shipment = "cancelled"
            self.send(ShipmentCancelledV1(order_id=ORDER))
        elif self.shipment in ("dispatched", "delivered"):
            self.send(CancellationRefusedV1(order_id=ORDER, reason=RefusalReason.ALREADY_DISPATCHED))

    def shipment_fails(self) -> None:
        if self.shipment == "scheduled":
            self.shipment = "failed"
            reason = ShipmentFailureReason.NO_CARRIER
            self.send(ShipmentFailedV1(order_id=ORDER, shipment_id=SHIPMENT, customer_id=CUSTOMER, reason=reason))

    def carrier_progresses(self) -> bool:
        """Dispatch the parcel, then deliver it. Returns whether anything changed."""
        if self.shipment == "scheduled":
            self.shipment = "dispatched"
            self.send(
                ShipmentDispatchedV1(
                    order_id=ORDER, shipment_id=SHIPMENT, customer_id=CUSTOMER, carrier="a", tracking_code="T1"
                )
            )
            return True
        if self.shipment == "dispatched":
            self.shipment = "delivered"
            self.send(ShipmentDeliveredV1(order_id=ORDER, shipment_id=SHIPMENT, customer_id=CUSTOMER))
            return True
        return False

    def was_sent(self, *kinds: type[Event]) -> bool:
        return any(isinstance(message.event, kinds) for message in self.messages)

    # -- the end of all faults --------------------------------------------------------------------------

    def settle(self) -> None:
        """End all faults, and let everything under way arrive. Requests that nobody waits for arrive last."""
        for call in [call for call in self.calls if call.executed]:
            self.record(call)
        for _ in range(200):
            busy = self.catalog_answers() or self.delivery_consumes()
            for message in self.useful or self.deadlines or self.ready:
                busy = True
                self.deliver(message)
                for call in [call for call in self.calls if call.message is message and not call.abandoned]:
                    if not call.executed:
                        self.execute(call)
                    self.record(call)
            if not busy and not self.carrier_progresses():
                break
        else:
            raise AssertionError(f"the order does not end: {self.order}, {self.waiting}")
        for call in [call for call in self.calls if not call.executed]:
            self.execute(call)

"""Everything around one order, at its worst: providers, catalog, delivery, and a runtime that crashes.

Messages arrive at least once, in any order, at any time; deadlines strike whenever they please. A
request to a provider can be carried out long after its sender gave up. The use cases are the real ones.
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
PLAIN: dict[type[Event], Handler] = {
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
    ShipmentFailedV1: handlers.cancel_unsendable,
    ShipmentCancelledV1: handlers.cancel_stopped,
    CancellationRefusedV1: handlers.refuse_cancellation,
}
ASKING: dict[type[Event], tuple[Any, Any]] = {
    StockReservedV1: (handlers.prepare_charge, handlers.record_payment),
    ChargeDueV1: (handlers.prepare_charge, handlers.record_payment),
    VoidDueV1: (handlers.prepare_void, handlers.record_payment),
    RefundDueV1: (handlers.prepare_refund, handlers.record_refund),
}


def drive(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run what never really waits, since nothing here does I/O."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("a use case waited for something that the fakes do not have")


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
    worked: bool = False
    """The provider carried it out."""
    abandoned: bool = False
    """Nobody waits for the answer any more; it may still reach the provider."""
    answer: Answer | Refunded | None = None


@dataclass
class FakeProvider:
    """Acts once per key. It may say no to a key that it knows: its word is good for that request alone."""

    keys: dict[UUID, str] = field(default_factory=dict)
    captures: int = 0

    @property
    def holds(self) -> int:
        return sum(state == "captured" for state in self.keys.values())

    def work(self, request: Charge | Void | Refund, *, refuse: bool, decline: bool) -> Answer | Refunded:
        state, name = self.keys.get(request.order_id), request.provider
        match request:
            case Charge():
                assert request.amount == TOTAL.amount
                if state == "voided":
                    return Closed(name, refunded=None)
                if refuse:
                    return NotCharged(name, request.ask)
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
                assert state in ("captured", "refunded"), "a refund of what was never captured"
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
    heard: int = 0
    shipment: str | None = None
    """As delivery knows it: scheduled, dispatched, delivered, failed or cancelled."""
    address: UUID | None = ADDRESS
    """As the cart knew it."""
    revisions: int = 0
    """Of the address, as delivery said it."""

    def __post_init__(self) -> None:
        event = CartCheckedOutV1(
            order_id=ORDER, customer_id=CUSTOMER, lines=LINES, total=TOTAL, address_id=self.address
        )
        self.tell(event)

    # -- reading ------------------------------------------------------------------------------------

    @property
    def order(self) -> Order | None:
        return self.database.order(ORDER) if ORDER in self.database.journals else None

    @property
    def waiting(self) -> list[Message]:
        return [message for message in self.messages if not message.done]

    @property
    def has_address(self) -> bool:
        """Whether checkout may know by now of an address to bring the order to."""
        known = self.database.addresses.get(CUSTOMER)
        return (known.address_id if known else self.address) is not None

    @property
    def pressing(self) -> list[Message]:
        """What is ready, but for looking once more for an address that is not there."""
        vain = self.order is not None and self.order.awaits_address and not self.has_address
        return [message for message in self.ready if not (vain and isinstance(message.event, ChargeDueV1))]

    @property
    def deadlines(self) -> list[Message]:
        return [message for message in self.waiting if isinstance(message.event, DEADLINES)]

    @property
    def ready(self) -> list[Message]:
        return [message for message in self.waiting if not isinstance(message.event, DEADLINES)]

    @property
    def held(self) -> int:
        """How many charges providers hold, all together."""
        return sum(provider.holds for provider in self.providers.values())

    def said(self, kind: type[Event]) -> int:
        return sum(isinstance(event, kind) for event in self.database.said)

    # -- the runtime --------------------------------------------------------------------------------

    def tell(self, event: Event) -> None:
        self.messages.append(Message(event))

    def deliver(self, message: Message, *, crash: bool = False) -> None:
        """Run a plain use case, or the first step of an outside call."""
        tx = FakeTransaction(self.database)
        request: Charge | Void | Refund | None = None
        asking = ASKING.get(type(message.event))
        try:
            if asking:
                request = drive(asking[0](message.event, tx))
            else:
                drive(PLAIN[type(message.event)](message.event, tx))
        except RetryLater:
            return
        if isinstance(request, Charge) and not request.asked_before:
            assert request.ask > 1 or self.has_address, "nobody is charged without an address"
        if crash:
            return
        self._commit(tx)
        if request is None:
            message.done = True
        else:
            self.calls.append(Call(message, request))

    def refuse_connection(self, call: Call) -> None:
        """The request never leaves: what the gateway makes of it."""
        if isinstance(call.request, Charge) and not call.request.asked_before:
            call.answer = NotCharged(call.request.provider, call.request.ask)
            call.worked = True
        else:
            self.calls.remove(call)

    def work(self, call: Call, *, refuse: bool = False, decline: bool = False, lose: bool = False) -> None:
        """The request reaches its provider."""
        call.worked = True
        provider = self.providers[call.request.provider]
        try:
            call.answer = provider.work(call.request, refuse=refuse, decline=decline)
        except OutcomeUnknown:
            call.abandoned = True
        if lose:
            call.abandoned = True
        if call.abandoned:
            self.calls.remove(call)

    def record(self, call: Call, *, crash: bool = False) -> None:
        """The answer is taken in, unless the message was done by another delivery of it."""
        self.calls.remove(call)
        if crash or call.message.done:
            return
        tx = FakeTransaction(self.database)
        drive(ASKING[type(call.message.event)][1](call.message.event, call.answer, tx))
        self._commit(tx)
        call.message.done = True

    def cancel(self) -> bool:
        """The customer wants out. Whether it was accepted."""
        tx = FakeTransaction(self.database)
        try:
            found = drive(handlers.cancel_order(ORDER, CUSTOMER, tx))
        except TooLate:
            return False
        self._commit(tx)
        return found is not None

    def _commit(self, tx: FakeTransaction) -> None:
        tx.commit()
        for event, _ in self.database.scheduled:
            self.tell(event)
        self.database.scheduled.clear()

    # -- the other services ---------------------------------------------------------------------------

    def catalog_answers(self, *, reserve: bool = True) -> bool:
        """The catalog acts on OrderPlaced, once."""
        if not self.said(OrderPlacedV1) or self.told(StockReservedV1, StockRejectedV1):
            return False
        if reserve:
            self.tell(StockReservedV1(order_id=ORDER, expires_at=NOON + timedelta(seconds=30)))
        else:
            line = RejectedLine(product_id=PRODUCT, reason=RejectionReason.PRICE_CHANGED, requested=2, price=TOTAL)
            self.tell(StockRejectedV1(order_id=ORDER, lines=[line]))
        return True

    def address_changes(self, *, erased: bool) -> None:
        """The customer records an address, or erases it."""
        self.revisions += 1
        what = {"customer_id": CUSTOMER, "revision": self.revisions}
        self.tell(AddressErasedV1(**what) if erased else AddressRecordedV1(**what, address_id=ADDRESS))

    def delivery_hears(self) -> bool:
        """Delivery acts on the next thing that we said."""
        while self.heard < len(self.database.said):
            event = self.database.said[self.heard]
            self.heard += 1
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
            self.tell(ShipmentCancelledV1(order_id=ORDER))
        elif self.shipment in ("dispatched", "delivered"):
            self.tell(CancellationRefusedV1(order_id=ORDER, reason=RefusalReason.ALREADY_DISPATCHED))

    def shipment_fails(self) -> None:
        if self.shipment == "scheduled":
            self.shipment = "failed"
            reason = ShipmentFailureReason.NO_CARRIER
            self.tell(ShipmentFailedV1(order_id=ORDER, shipment_id=SHIPMENT, customer_id=CUSTOMER, reason=reason))

    def carrier_moves(self) -> bool:
        """Dispatched, then delivered."""
        if self.shipment == "scheduled":
            self.shipment = "dispatched"
            self.tell(
                ShipmentDispatchedV1(
                    order_id=ORDER, shipment_id=SHIPMENT, customer_id=CUSTOMER, carrier="a", tracking_code="T1"
                )
            )
            return True
        if self.shipment == "dispatched":
            self.shipment = "delivered"
            self.tell(ShipmentDeliveredV1(order_id=ORDER, shipment_id=SHIPMENT, customer_id=CUSTOMER))
            return True
        return False

    def told(self, *kinds: type[Event]) -> bool:
        return any(isinstance(message.event, kinds) for message in self.messages)

    # -- the end of all faults --------------------------------------------------------------------------

    def settle(self) -> None:
        """Everyone works again, and everything that is under way arrives; stray requests come last."""
        for call in [call for call in self.calls if call.worked]:
            self.record(call)
        for _ in range(200):
            busy = self.catalog_answers() or self.delivery_hears()
            for message in self.pressing or self.deadlines or self.ready:
                busy = True
                self.deliver(message)
                for call in [call for call in self.calls if call.message is message and not call.abandoned]:
                    if not call.worked:
                        self.work(call)
                    self.record(call)
            if not busy and not self.carrier_moves():
                break
        else:
            raise AssertionError(f"never settles: {self.order}, {self.waiting}")
        for call in [call for call in self.calls if not call.worked]:
            self.work(call)

"""One order as a state machine: messages, calls and crashes in any order."""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from checkout.domain import Payment, Status
from contracts.catalog import ReservationExpiredV1, StockReservedV1
from contracts.checkout import (
    OrderCancelledV1,
    OrderConfirmedV1,
    OrderDeliveredV1,
    OrderPlacedV1,
    PaymentCapturedV1,
    PaymentDeclinedV1,
    PaymentRefundedV1,
)
from tests.examples import examples
from tests.unit.checkout.world import ORDER, Message, World

SELDOM = st.integers(0, 6).map(lambda n: n == 3)  # not at a boundary: those are drawn too often
OFTEN = st.sampled_from([False, False, True])


class Marketplace(RuleBasedStateMachine):
    """One order, and everything that can go wrong around it."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()

    # -- the runtime: at least once, in any order, with crashes between the steps

    @initialize(
        start=st.sampled_from(["placed", "charging", "charging", "charging", "confirmed"]),
        homeless=st.sampled_from([False, False, False, True]),
    )
    def head_start(self, start: str, homeless: bool) -> None:
        """Most of what can go wrong begins with a charge or with a parcel."""
        if homeless:
            self.world = World(address=None)
        world = self.world
        world.deliver(world.waiting[0])
        if start == "placed":
            return
        world.catalog_answers()
        world.deliver(world.ready[0])
        if start == "confirmed" and not homeless:
            world.work(world.calls[0])
            world.record(world.calls[0])

    @precondition(lambda self: self.world.ready)
    @rule(data=st.data(), crash=SELDOM)
    def deliver(self, data: st.DataObject, crash: bool) -> None:
        self.world.deliver(data.draw(st.sampled_from(self.world.ready)), crash=crash)

    @precondition(lambda self: self.world.deadlines)
    @rule(data=st.data(), really=SELDOM)
    def deadline_strikes(self, data: st.DataObject, really: bool) -> None:
        if really:
            self.world.deliver(data.draw(st.sampled_from(self.world.deadlines)))

    @precondition(lambda self: self.world.messages)
    @rule(data=st.data())
    def duplicate(self, data: st.DataObject) -> None:
        message = data.draw(st.sampled_from(self.world.messages))
        self.world.messages.append(Message(message.event))

    @precondition(lambda self: any(not call.worked for call in self.world.calls))
    @rule(data=st.data(), refuse=OFTEN, decline=SELDOM, lose=OFTEN)
    def reach_provider(self, data: st.DataObject, refuse: bool, decline: bool, lose: bool) -> None:
        call = data.draw(st.sampled_from([call for call in reversed(self.world.calls) if not call.worked]))
        self.world.work(call, refuse=refuse, decline=decline, lose=lose)

    @precondition(lambda self: any(not call.worked and not call.abandoned for call in self.world.calls))
    @rule(data=st.data(), sent=st.booleans())
    def give_up_waiting(self, data: st.DataObject, sent: bool) -> None:
        calls = [call for call in self.world.calls if not call.worked and not call.abandoned]
        call = data.draw(st.sampled_from(calls))
        if sent:
            call.abandoned = True
        else:
            self.world.refuse_connection(call)

    @precondition(lambda self: any(call.worked for call in self.world.calls))
    @rule(data=st.data(), crash=SELDOM)
    def record(self, data: st.DataObject, crash: bool) -> None:
        call = data.draw(st.sampled_from([call for call in self.world.calls if call.worked]))
        self.world.record(call, crash=crash)

    # -- the others

    @precondition(lambda self: self.world.order)
    @rule(reject=SELDOM)
    def catalog_answers(self, reject: bool) -> None:
        self.world.catalog_answers(reserve=not reject)

    @precondition(lambda self: self.world.told(StockReservedV1) and not self.world.told(ReservationExpiredV1))
    @rule()
    def reservation_expires(self) -> None:
        self.world.tell(ReservationExpiredV1(order_id=ORDER))

    @precondition(lambda self: self.world.order)
    @rule(really=SELDOM)
    def customer_cancels(self, really: bool) -> None:
        if not really:
            return
        status = self.world.order.status
        accepted = self.world.cancel()
        assert accepted or status in (Status.CONFIRMED, Status.DELIVERED)

    @rule(erased=OFTEN, really=SELDOM)
    def address_changes(self, erased: bool, really: bool) -> None:
        if really:
            self.world.address_changes(erased=erased)

    @precondition(lambda self: self.world.said(OrderConfirmedV1))
    @rule()
    def delivery_hears(self) -> None:
        self.world.delivery_hears()

    @precondition(lambda self: self.world.shipment)
    @rule(fails=st.booleans())
    def parcel_moves(self, fails: bool) -> None:
        if fails:
            self.world.shipment_fails()
        else:
            self.world.carrier_moves()

    # -- what must hold

    @invariant()
    def no_order_is_held_twice(self) -> None:
        assert self.world.held <= 1
        assert sum(provider.captures for provider in self.world.providers.values()) <= 2

    @invariant()
    def confirmed_means_paid(self) -> None:
        order = self.world.order
        if order and order.status in (Status.CONFIRMED, Status.CANCELLING, Status.DELIVERED):
            assert self.world.held == 1
            assert order.payment is Payment.CAPTURED

    @invariant()
    def there_is_one_end(self) -> None:
        said = self.world.said
        assert said(OrderCancelledV1) + said(OrderDeliveredV1) <= 1
        for once in (OrderPlacedV1, OrderConfirmedV1, PaymentCapturedV1, PaymentDeclinedV1, PaymentRefundedV1):
            assert said(once) <= 1

    def teardown(self) -> None:
        self.world.settle()
        order = self.world.order
        assert order.status in (Status.CANCELLED, Status.DELIVERED)
        assert self.world.held == (1 if order.status is Status.DELIVERED else 0)
        assert self.world.said(OrderCancelledV1) + self.world.said(OrderDeliveredV1) == 1
        if order.status is Status.CANCELLED and self.world.said(OrderConfirmedV1):
            assert order.payment is Payment.REFUNDED


Marketplace.TestCase.settings = settings(
    max_examples=examples(400), stateful_step_count=20, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)

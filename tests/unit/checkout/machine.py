"""A state machine of one order for Hypothesis: messages, calls and crashes in any order."""

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

SELDOM = st.integers(0, 6).map(lambda n: n == 3)  # not at a boundary, since Hypothesis draws those too often
OFTEN = st.sampled_from([False, False, True])


class Marketplace(RuleBasedStateMachine):
    """One order, and everything that can go wrong around it."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()

    # -- the runtime: delivers at least once, in any order, with crashes between the steps

    @initialize(
        start=st.sampled_from(["placed", "charging", "charging", "charging", "confirmed"]),
        without_address=st.sampled_from([False, False, False, True]),
    )
    def head_start(self, start: str, without_address: bool) -> None:
        """Start at a later state, since most faults concern a charge or a parcel."""
        if without_address:
            self.world = World(address=None)
        world = self.world
        world.deliver(world.waiting[0])
        if start == "placed":
            return
        world.catalog_answers()
        world.deliver(world.ready[0])
        if start == "confirmed" and not without_address:
            world.execute(world.calls[0])
            world.record(world.calls[0])

    @precondition(lambda self: self.world.ready)
    @rule(data=st.data(), crash=SELDOM)
    def deliver(self, data: st.DataObject, crash: bool) -> None:
        self.world.deliver(data.draw(st.sampled_from(self.world.ready)), crash=crash)

    @precondition(lambda self: self.world.deadlines)
    @rule(data=st.data(), really=SELDOM)
    def deadline_passes(self, data: st.DataObject, really: bool) -> None:
        if really:
            self.world.deliver(data.draw(st.sampled_from(self.world.deadlines)))

    @precondition(lambda self: self.world.messages)
    @rule(data=st.data())
    def duplicate(self, data: st.DataObject) -> None:
        message = data.draw(st.sampled_from(self.world.messages))
        self.world.messages.append(Message(message.event))

    @precondition(lambda self: any(not call.executed for call in self.world.calls))
    @rule(data=st.data(), refuse=OFTEN, decline=SELDOM, lose=OFTEN)
    def reach_provider(self, data: st.DataObject, refuse: bool, decline: bool, lose: bool) -> None:
        call = data.draw(st.sampled_from([call for call in reversed(self.world.calls) if not call.executed]))
        self.world.execute(call, refuse=refuse, decline=decline, lose=lose)

    @precondition(lambda self: any(not call.executed and not call.abandoned for call in self.world.calls))
    @rule(data=st.data(), sent=st.booleans())
    def give_up_waiting(self, data: st.DataObject, sent: bool) -> None:
        calls = [call for call in self.world.calls if not call.executed and not call.abandoned]
        call = data.draw(st.sampled_from(calls))
        if sent:
            call.abandoned = True
        else:
            self.world.refuse_connection(call)

    @precondition(lambda self: any(call.executed for call in self.world.calls))
    @rule(data=st.data(), crash=SELDOM)
    def record(self, data: st.DataObject, crash: bool) -> None:
        call = data.draw(st.sampled_from([call for call in self.world.calls if call.executed]))
        self.world.record(call, crash=crash)

    # -- the other services, the customer and the carrier

    @precondition(lambda self: self.world.order)
    @rule(reject=SELDOM)
    def catalog_answers(self, reject: bool) -> None:
        self.world.catalog_answers(reserve=not reject)

    @precondition(lambda self: self.world.was_sent(StockReservedV1) and not self.world.was_sent(ReservationExpiredV1))
    @rule()
    def reservation_expires(self) -> None:
        self.world.send(ReservationExpiredV1(order_id=ORDER))

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

    @precondition(lambda self: self.world.count_published(OrderConfirmedV1))
    @rule()
    def delivery_consumes(self) -> None:
        self.world.delivery_consumes()

    @precondition(lambda self: self.world.shipment)
    @rule(fails=st.booleans())
    def parcel_progresses(self, fails: bool) -> None:
        if fails:
            self.world.shipment_fails()
        else:
            self.world.carrier_progresses()

    # -- invariants

    @invariant()
    def at_most_one_charge_is_held(self) -> None:
        assert self.world.held <= 1
        assert sum(provider.captures for provider in self.world.providers.values()) <= 2

    @invariant()
    def a_confirmed_order_is_paid(self) -> None:
        order = self.world.order
        if order and order.status in (Status.CONFIRMED, Status.CANCELLING, Status.DELIVERED):
            assert self.world.held == 1
            assert order.payment is Payment.CAPTURED

    @invariant()
    def an_order_ends_once(self) -> None:
        count_published = self.world.count_published
        assert count_published(OrderCancelledV1) + count_published(OrderDeliveredV1) <= 1
        for once in (OrderPlacedV1, OrderConfirmedV1, PaymentCapturedV1, PaymentDeclinedV1, PaymentRefundedV1):
            assert count_published(once) <= 1

    def teardown(self) -> None:
        self.world.settle()
        order = self.world.order
        assert order.status in (Status.CANCELLED, Status.DELIVERED)
        assert self.world.held == (1 if order.status is Status.DELIVERED else 0)
        assert self.world.count_published(OrderCancelledV1) + self.world.count_published(OrderDeliveredV1) == 1
        if order.status is Status.CANCELLED and self.world.count_published(OrderConfirmedV1):
            assert order.payment is Payment.REFUNDED


Marketplace.TestCase.settings = settings(
    max_examples=examples(400), stateful_step_count=20, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)

"""A state machine of a shipment and its carriers for Hypothesis."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from delivery.domain import CARRIERS, Shipment, ShipmentChange, Status
from tests.examples import examples

START = datetime(2026, 1, 1, tzinfo=UTC)
DEADLINE = timedelta(seconds=30)
HELD = ("booked", "dispatched", "delivered")
SETTLED = (Status.DELIVERED, Status.CANCELLED, Status.FAILED)
ANSWERS = (ShipmentChange.CANCELLED, ShipmentChange.CANCELLATION_REFUSED)


@dataclass
class ModelCarrier:
    """A carrier that keeps its promises: it acts once per key, and a cancelled key stays cancelled."""

    state: str = "unknown"

    def book(self, *, refuses: bool) -> str:
        if self.state == "cancelled":
            return "closed"
        if self.state == "unknown":
            if refuses:
                return "not-booked"
            self.state = "booked"
        return "booked"

    def cancel(self) -> str:
        if self.state in ("unknown", "booked", "cancelled"):
            self.state = "cancelled"
            return "closed"
        return "dispatched"


@dataclass
class Request:
    """One call. It may be on its way, answered, or abandoned by its caller."""

    carrier: str
    books: bool
    """False for a request to cancel the booking."""
    asked_before: bool = False
    answers: list[str] = field(default_factory=list)
    awaited: bool = True


class Deliveries(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.shipment = Shipment(uuid4(), uuid4(), "ada", START, START + DEADLINE)
        self.carriers = {name: ModelCarrier() for name in CARRIERS}
        self.has_address = True
        self.tasks = [ShipmentChange.TO_BE_BOOKED]
        self.requests: list[Request] = []
        self.callbacks: list[tuple[str, str]] = []
        self.published: list[ShipmentChange] = []
        self.cancellations = 0
        self.deadlines = 1

    def publish(self, changes: list[ShipmentChange]) -> None:
        for change in changes:
            if change in (ShipmentChange.TO_BE_BOOKED, ShipmentChange.REFUSED_BY_ALL_CARRIERS):
                self.tasks.append(ShipmentChange.TO_BE_BOOKED)
            elif change is ShipmentChange.TO_BE_UNBOOKED:
                self.tasks.append(ShipmentChange.TO_BE_UNBOOKED)
            elif change is ShipmentChange.DEADLINE_EXTENDED:
                self.deadlines += 1
            else:
                self.published.append(change)

    # -- our side ------------------------------------------------------------------------------------------

    @initialize(requests=st.sampled_from([0, 1, 2, 2]), refuses=st.booleans())
    def head_start(self, requests: int, refuses: bool) -> None:
        """Start with lost requests and the answer to the last, since most faults begin there."""
        for number in range(requests):
            if number:
                self.requests[-1].awaited = False
                self.tasks.append(ShipmentChange.TO_BE_BOOKED)
            self.begin_call(self.tasks.pop())
        if self.requests and refuses:
            self.arrive(self.requests[-1], refuses=True)

    @precondition(lambda self: self.tasks)
    @rule(data=st.data())
    def prepare(self, data: st.DataObject) -> None:
        self.begin_call(self.tasks.pop(data.draw(st.integers(0, len(self.tasks) - 1))))

    def begin_call(self, task: ShipmentChange) -> None:
        """Run the first of a call's three steps. Its writes are committed before the request is sent."""
        shipment = self.shipment
        if task is ShipmentChange.TO_BE_UNBOOKED:
            if shipment.status is Status.STOPPING and shipment.carrier:
                self.requests.append(Request(shipment.carrier, books=False))
        elif shipment.status is Status.SCHEDULED:
            if self.has_address:
                before = not shipment.is_unassigned
                carrier = shipment.choose_carrier(self.now)
                self.requests.append(Request(carrier, books=True, asked_before=before))
            elif shipment.is_unassigned:
                self.tasks.append(task)  # tries again in a second
            else:
                self.publish(shipment.rebook())

    def awaited(self) -> list[Request]:
        return [request for request in self.requests if request.awaited]

    @precondition(lambda self: any(request.answers for request in self.awaited()))
    @rule(data=st.data())
    def record(self, data: st.DataObject) -> None:
        request = data.draw(st.sampled_from([each for each in self.awaited() if each.answers]))
        request.awaited = False
        self.apply_answer(request, request.answers[0])

    def apply_answer(self, request: Request, answer: str) -> None:
        match answer:
            case "booked":
                self.publish(self.shipment.record_booked(request.carrier, "T"))
            case "not-booked":
                self.publish(self.shipment.record_not_booked(request.carrier))
            case "closed":
                self.publish(self.shipment.record_key_closed(request.carrier))
            case "dispatched":
                self.publish(self.shipment.record_already_dispatched(request.carrier))

    @precondition(lambda self: self.awaited())
    @rule(data=st.data())
    def give_up_waiting_or_crash(self, data: st.DataObject) -> None:
        request = data.draw(st.sampled_from(self.awaited()))
        request.awaited = False
        self.tasks.append(ShipmentChange.TO_BE_BOOKED if request.books else ShipmentChange.TO_BE_UNBOOKED)

    @precondition(lambda self: any(not request.answers for request in self.awaited()))
    @rule(data=st.data())
    def cannot_connect(self, data: st.DataObject) -> None:
        request = data.draw(st.sampled_from([each for each in self.awaited() if not each.answers]))
        self.requests.remove(request)  # it was never sent
        if request.asked_before or not request.books:
            self.tasks.append(ShipmentChange.TO_BE_BOOKED if request.books else ShipmentChange.TO_BE_UNBOOKED)
        else:
            self.apply_answer(request, "not-booked")

    @precondition(lambda self: self.cancellations == 0)
    @rule()
    def cancellation_requested(self) -> None:
        self.cancellations += 1
        if self.shipment.status is Status.FAILED:
            self.cancellations = 0  # checkout knows of the failure and sends no other request
        self.publish(self.shipment.cancel())

    @precondition(lambda self: self.deadlines)
    @rule(late=st.booleans(), trying=st.booleans())
    def deadline(self, late: bool, trying: bool) -> None:
        self.deadlines -= 1
        self.now = self.shipment.due_at + timedelta(seconds=60 if late else 0)
        if trying and self.shipment.asked_at:
            self.shipment.asked_at = self.now - timedelta(seconds=5)
        self.publish(self.shipment.check_deadline(self.now, DEADLINE, has_address=self.has_address))

    @rule()
    def address_erased_or_written(self) -> None:
        self.has_address = not self.has_address

    # -- the carriers' side --------------------------------------------------------------------------------

    @precondition(lambda self: self.requests)
    @rule(data=st.data(), refuses=st.booleans())
    def request_arrives(self, data: st.DataObject, refuses: bool) -> None:
        """Let a request arrive: perhaps late, twice, or after its caller stopped waiting."""
        request = data.draw(st.sampled_from(self.requests))
        self.arrive(request, refuses=refuses)

    def arrive(self, request: Request, *, refuses: bool) -> None:
        carrier = self.carriers[request.carrier]
        if not request.books:
            request.answers.append(carrier.cancel())
        elif not request.answers:
            request.answers.append(carrier.book(refuses=refuses))
        else:
            carrier.book(refuses=request.answers[0] == "not-booked")

    @rule(name=st.sampled_from(CARRIERS))
    def fetch(self, name: str) -> None:
        if self.carriers[name].state == "booked":
            self.carriers[name].state = "dispatched"
            self.callbacks.append((name, "dispatched"))

    @rule(name=st.sampled_from(CARRIERS))
    def hand_over(self, name: str) -> None:
        if self.carriers[name].state == "dispatched":
            self.carriers[name].state = "delivered"
            self.callbacks.append((name, "delivered"))

    @precondition(lambda self: self.callbacks)
    @rule(data=st.data(), again=st.booleans())
    def callback(self, data: st.DataObject, again: bool) -> None:
        at = data.draw(st.integers(0, len(self.callbacks) - 1))
        name, kind = self.callbacks[at] if again else self.callbacks.pop(at)
        apply = self.shipment.dispatch if kind == "dispatched" else self.shipment.deliver
        self.publish(apply(name, "T", self.now))  # raises if a parcel left that should not have

    # -- invariants ----------------------------------------------------------------------------------------

    @invariant()
    def at_most_one_carrier_holds_the_parcel(self) -> None:
        assert sum(carrier.state in HELD for carrier in self.carriers.values()) <= 1

    @invariant()
    def a_cancelled_or_failed_shipment_never_leaves(self) -> None:
        if self.shipment.status in (Status.CANCELLED, Status.FAILED):
            assert not any(carrier.state in HELD for carrier in self.carriers.values())

    @invariant()
    def each_change_is_published_once(self) -> None:
        assert len(self.published) == len(set(self.published))
        assert sum(change in ANSWERS for change in self.published) <= self.cancellations

    def teardown(self) -> None:
        """End all faults. Then the shipment settles, and every cancellation request is answered."""
        for _ in range(100):
            if self.shipment.status in SETTLED and not (self.tasks or self.awaited() or self.callbacks):
                break
            self.heal()
        assert self.shipment.status in SETTLED, self.shipment
        answers = [change for change in self.published if change in ANSWERS]
        assert len(answers) == self.cancellations
        delivered = [carrier for carrier in self.carriers.values() if carrier.state == "delivered"]
        assert len(delivered) == (self.shipment.status is Status.DELIVERED)
        for request in self.requests:  # requests that were on their way all the time
            self.arrive(request, refuses=False)
        self.at_most_one_carrier_holds_the_parcel()
        self.a_cancelled_or_failed_shipment_never_leaves()

    def heal(self) -> None:
        for request in self.awaited():
            self.arrive(request, refuses=False)
            request.awaited = False
            self.apply_answer(request, request.answers[0])
        for name in CARRIERS:
            self.fetch(name)
            self.hand_over(name)
        for name, kind in [*self.callbacks]:
            apply = self.shipment.dispatch if kind == "dispatched" else self.shipment.deliver
            self.publish(apply(name, "T", self.now))
        self.callbacks.clear()
        tasks, self.tasks = self.tasks, []
        for task in tasks:
            self.begin_call(task)
        if self.deadlines:
            self.deadline(late=False, trying=True)


Deliveries.TestCase.settings = settings(
    max_examples=examples(200), stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)

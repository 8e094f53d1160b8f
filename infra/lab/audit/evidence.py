"""What the audit goes by: what each source said, as plain values."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID

from contracts.registry import BY_TYPE
from infra.lab.audit.life import Entry, Life, fold
from infra.lab.audit.log import Log, Said, why_wrong
from infra.lab.audit.record import Record

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Money:
    """One entry of a payment provider's ledger."""

    seq: int
    """Orders the entries of both providers."""
    provider: str
    kind: str
    """capture, decline, void or refund."""
    order_id: str
    amount: int
    currency: str | None


@dataclass(frozen=True, slots=True)
class Parcel:
    """One entry of a carrier's ledger."""

    seq: int
    carrier: str
    kind: str
    """booking, cancellation, dispatch or delivery."""
    key: str
    order_id: str | None
    """None where a key was cancelled that was never booked."""


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail in the sink."""

    about: str | None
    kind: str | None
    to: str
    at: datetime
    text: str = ""

    @property
    def moment(self) -> UUID | None:
        """The id of the event that it is about; None if it is about an order."""
        _, colon, event_id = (self.about or "").rpartition(":")
        return UUID(event_id) if colon else None


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue's depth, and which event types the broker puts there."""

    name: str
    ready: int
    unacknowledged: int
    types: frozenset[str]

    @property
    def service(self) -> str:
        return self.name.partition(".")[0]

    @property
    def subscription(self) -> str:
        return self.name.partition(".")[2]


@dataclass(frozen=True)
class Books:
    """What the messaging runtime keeps in one service's database."""

    outbox: Mapping[tuple[UUID, str], bytes] = field(default_factory=dict)
    """SHA-256 of the body by event id and type."""
    pending: int = 0
    inbox: frozenset[tuple[str, UUID]] = frozenset()
    """Subscription and event id."""
    scheduled: tuple[Row, ...] = ()
    """Retries and parked work, and deadlines that are overdue; not those that lie ahead."""
    claims: int = 0
    dead: tuple[Row, ...] = ()
    discarded: tuple[Row, ...] = ()
    """Dead letters that a person took off the file; the inbox has their events as handled."""


@dataclass(frozen=True, slots=True)
class Unlogged:
    """An event that is in its outbox and not in the log."""

    said: Said
    """As the outbox has it; it has no copies."""
    handled: Mapping[tuple[str, str], datetime]
    """When it was handled, by service and subscription."""


@dataclass(frozen=True)
class Catalog:
    products: Mapping[str, Row] = field(default_factory=dict)
    reservations: Mapping[str, Row] = field(default_factory=dict)


@dataclass(frozen=True)
class Cart:
    products: Mapping[str, Row] = field(default_factory=dict)
    checkouts: Mapping[str, Row] = field(default_factory=dict)
    lines: tuple[Row, ...] = ()
    addresses: Mapping[str, Row] = field(default_factory=dict)
    """What it knows of them, by customer."""


@dataclass(frozen=True)
class Checkout:
    orders: Mapping[str, Row] = field(default_factory=dict)
    journal: Mapping[str, tuple[Entry, ...]] = field(default_factory=dict)
    """By order, in the order of versions."""
    addresses: Mapping[str, Row] = field(default_factory=dict)
    """What it knows of them, by customer."""


@dataclass(frozen=True)
class Delivery:
    shipments: Mapping[str, Row] = field(default_factory=dict)
    """By order."""
    addresses: Mapping[str, Row] = field(default_factory=dict)
    """The ids and revisions of those that customers have now, by customer."""


@dataclass(frozen=True)
class Webhooks:
    endpoints: Mapping[str, Row] = field(default_factory=dict)
    """Whose each is."""
    deliveries: tuple[Row, ...] = ()
    """What each was sent, or is to be sent."""


@dataclass(frozen=True)
class Evidence:
    """Everything that was found, each source by its own field; `unread` names those that could not be read."""

    record: Record = field(default_factory=Record)
    payments: tuple[Money, ...] = ()
    parcels: tuple[Parcel, ...] = ()
    mails: tuple[Mail, ...] = ()
    log: Log = field(default_factory=Log)
    queues: tuple[Queue, ...] = ()
    catalog: Catalog = field(default_factory=Catalog)
    cart: Cart = field(default_factory=Cart)
    checkout: Checkout = field(default_factory=Checkout)
    delivery: Delivery = field(default_factory=Delivery)
    notifications: Mapping[tuple[str, str], Row] = field(default_factory=dict)
    """Messages by matter and kind."""
    webhooks: Webhooks = field(default_factory=Webhooks)
    books: Mapping[str, Books] = field(default_factory=dict)
    """By service."""
    unlogged: tuple[Unlogged, ...] = ()
    views: Mapping[str, Row] = field(default_factory=dict)
    """Each order of the record's customers, as their own GET /orders shows it."""
    deadlines: Mapping[str, float] = field(default_factory=dict)
    """Seconds that an order waits, by the reason that it is then cancelled for."""
    unread: Mapping[str, str] = field(default_factory=dict)
    """Field to why it says nothing."""

    @cached_property
    def lives(self) -> dict[str, Life]:
        """What the journals tell of every order, folded by rules of the audit's own."""
        return {order_id: fold(entries) for order_id, entries in self.checkout.journal.items()}

    @cached_property
    def wrong(self) -> dict[tuple[UUID, str], str]:
        """What is wrong with events of the log, by id and type; most have nothing."""
        judged = ((key, why_wrong(said)) for key, said in self.log.events.items())
        return {key: why for key, why in judged if why is not None}

    @cached_property
    def checked_out(self) -> dict[str, dict[str, Any]]:
        """What the cart said was ordered, by order."""
        return {said.subject: said.body for said in self.said("cart.cart-checked-out")}

    @cached_property
    def prices_said(self) -> dict[str, set[tuple[int, str]]]:
        """Every price that the catalog ever said of a product: amount and currency."""
        prices: dict[str, set[tuple[int, str]]] = defaultdict(set)
        for said in self.said("catalog.product-listed", "catalog.price-changed"):
            price = said.body["facts"]["price"]
            prices[said.subject].add((price["amount"], price["currency"]))
        return prices

    @cached_property
    def addresses_said(self) -> dict[str, Said]:
        """What was said last of each customer's address."""
        newest: dict[str, tuple[int, Said]] = {}
        for said in self.said("delivery.address-recorded", "delivery.address-erased"):
            revision = said.body["revision"]
            newest[said.subject] = max((revision, said), newest.get(said.subject, (0, said)), key=lambda each: each[0])
        return {customer: said for customer, (_, said) in newest.items()}

    @cached_property
    def disabled_last(self) -> dict[str, Said]:
        """By which event each endpoint was disabled the last time."""
        said = sorted(self.said("notifications.webhook-disabled"), key=lambda said: said.id)
        return {each.subject: each for each in said}

    @cached_property
    def money_by_order(self) -> dict[str, list[Money]]:
        """Both providers' entries in the order in which they happened."""
        found: dict[str, list[Money]] = defaultdict(list)
        for entry in sorted(self.payments, key=lambda entry: entry.seq):
            found[entry.order_id].append(entry)
        return found

    @cached_property
    def parcels_by_order(self) -> dict[str, list[Parcel]]:
        """Both carriers' entries in the order in which they happened, tombstones left out."""
        found: dict[str, list[Parcel]] = defaultdict(list)
        for entry in sorted(self.parcels, key=lambda entry: entry.seq):
            if entry.order_id is not None:
                found[entry.order_id].append(entry)
        return found

    def said(self, *names: str) -> Iterator[Said]:
        """The events of these names in the log, each once, but for those with which something is wrong.

        Of an event that was said in several versions, the newest.
        """
        newest: dict[UUID, Said] = {}
        for key, said in self.log.events.items():
            if said.name in names and key not in self.wrong:
                newest[said.id] = max(said, newest.get(said.id, said), key=lambda each: BY_TYPE[each.type].version)
        yield from newest.values()

"""Defines the evidence of an audit: the contents of each source as plain values."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID

from contracts.registry import BY_TYPE
from infra.lab.audit.log import Log, PublishedEvent, find_contract_violation
from infra.lab.audit.order_history import Entry, OrderHistory, fold
from infra.lab.audit.record import Record

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PaymentEntry:
    """One entry of a payment provider's ledger."""

    seq: int
    """Sequence number across the ledgers of both providers."""
    provider: str
    kind: str
    """One of capture, decline, void and refund."""
    order_id: str
    amount: int
    currency: str | None


@dataclass(frozen=True, slots=True)
class CarrierEntry:
    """One entry of a carrier's ledger."""

    seq: int
    carrier: str
    kind: str
    """One of booking, cancellation, dispatch and delivery."""
    key: str
    order_id: str | None
    """None for a tombstone: the cancellation of a key that was never booked."""


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail in the sink."""

    about: str | None
    kind: str | None
    to: str
    at: datetime
    text: str = ""

    @property
    def event_id(self) -> UUID | None:
        """Id of the event that the mail is about; None if it is about an order."""
        _, colon, suffix = (self.about or "").rpartition(":")
        return UUID(suffix) if colon else None


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue's depth, and the event types that are bound to it."""

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
class MessagingTables:
    """The tables of the messaging runtime in one service's database."""

    outbox: Mapping[tuple[UUID, str], bytes] = field(default_factory=dict)
    """SHA-256 of the body by event id and type."""
    pending: int = 0
    inbox: frozenset[tuple[str, UUID]] = frozenset()
    """Subscription and event id of each event that was handled."""
    scheduled: tuple[Row, ...] = ()
    """Scheduled retries, parked messages and overdue deadlines; not deadlines in the future."""
    claims: int = 0
    dead: tuple[Row, ...] = ()
    discarded: tuple[Row, ...] = ()
    """Dead letters that a person discarded. The inbox lists their events as handled."""


@dataclass(frozen=True, slots=True)
class Unlogged:
    """An event that is in its service's outbox but not in the log."""

    published: PublishedEvent
    """The event as the outbox has it, with no copies."""
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
    """The cart's copy of address ids, by customer."""


@dataclass(frozen=True)
class Checkout:
    orders: Mapping[str, Row] = field(default_factory=dict)
    journal: Mapping[str, tuple[Entry, ...]] = field(default_factory=dict)
    """Journal entries by order, in version order."""
    addresses: Mapping[str, Row] = field(default_factory=dict)
    """Checkout's copy of address ids, by customer."""


@dataclass(frozen=True)
class Delivery:
    shipments: Mapping[str, Row] = field(default_factory=dict)
    """Shipments by order."""
    addresses: Mapping[str, Row] = field(default_factory=dict)
    """Ids and revisions of the customers' current addresses, by customer."""


@dataclass(frozen=True)
class Webhooks:
    endpoints: Mapping[str, Row] = field(default_factory=dict)
    """Endpoints with their owners, by endpoint id."""
    deliveries: tuple[Row, ...] = ()
    """What was sent, or is to be sent, to each endpoint."""


@dataclass(frozen=True)
class Evidence:
    """All evidence of an audit, one field per source. `unread` lists the sources that could not be read."""

    record: Record = field(default_factory=Record)
    payments: tuple[PaymentEntry, ...] = ()
    parcels: tuple[CarrierEntry, ...] = ()
    mails: tuple[Mail, ...] = ()
    log: Log = field(default_factory=Log)
    queues: tuple[Queue, ...] = ()
    catalog: Catalog = field(default_factory=Catalog)
    cart: Cart = field(default_factory=Cart)
    checkout: Checkout = field(default_factory=Checkout)
    delivery: Delivery = field(default_factory=Delivery)
    notifications: Mapping[tuple[str, str], Row] = field(default_factory=dict)
    """Notifications by what they are about and by kind."""
    webhooks: Webhooks = field(default_factory=Webhooks)
    messaging_tables: Mapping[str, MessagingTables] = field(default_factory=dict)
    """Tables of the messaging runtime, by service."""
    unlogged: tuple[Unlogged, ...] = ()
    customer_orders: Mapping[str, Row] = field(default_factory=dict)
    """Every order of the record's customers, as their own GET /orders shows it."""
    deadlines: Mapping[str, float] = field(default_factory=dict)
    """Seconds that an order waits, by the reason for which it is then cancelled."""
    unread: Mapping[str, str] = field(default_factory=dict)
    """Why a source could not be read, by the name of its field. The key `the state at rest` means that events were
    published during every attempt to read, so the sources may describe different moments."""

    @cached_property
    def order_histories(self) -> dict[str, OrderHistory]:
        """Every order as its journal describes it, folded by the audit's own rules."""
        return {order_id: fold(entries) for order_id, entries in self.checkout.journal.items()}

    @cached_property
    def invalid_events(self) -> dict[tuple[UUID, str], str]:
        """What is wrong with invalid events of the log, by id and type. Valid events have no entry."""
        judged = ((key, find_contract_violation(published)) for key, published in self.log.events.items())
        return {key: why for key, why in judged if why is not None}

    @cached_property
    def checked_out(self) -> dict[str, dict[str, Any]]:
        """Body of each published `cart.cart-checked-out` event, by order."""
        return {published.subject: published.body for published in self.events_named("cart.cart-checked-out")}

    @cached_property
    def published_prices(self) -> dict[str, set[tuple[int, str]]]:
        """Every price (amount and currency) that the catalog published, by product."""
        prices: dict[str, set[tuple[int, str]]] = defaultdict(set)
        for published in self.events_named("catalog.product-listed", "catalog.price-changed"):
            price = published.body["facts"]["price"]
            prices[published.subject].add((price["amount"], price["currency"]))
        return prices

    @cached_property
    def latest_address_events(self) -> dict[str, PublishedEvent]:
        """The address event (recorded or erased) with the highest revision, by customer."""
        newest: dict[str, tuple[int, PublishedEvent]] = {}
        for published in self.events_named("delivery.address-recorded", "delivery.address-erased"):
            revision = published.body["revision"]
            newest[published.subject] = max(
                (revision, published), newest.get(published.subject, (0, published)), key=lambda each: each[0]
            )
        return {customer: published for customer, (_, published) in newest.items()}

    @cached_property
    def latest_disabling_events(self) -> dict[str, PublishedEvent]:
        """The latest event that disabled each webhook endpoint."""
        published = sorted(self.events_named("notifications.webhook-disabled"), key=lambda published: published.id)
        return {each.subject: each for each in published}

    @cached_property
    def payment_entries_by_order(self) -> dict[str, list[PaymentEntry]]:
        """Entries of both providers' ledgers by order, in the order in which they happened."""
        found: dict[str, list[PaymentEntry]] = defaultdict(list)
        for entry in sorted(self.payments, key=lambda entry: entry.seq):
            found[entry.order_id].append(entry)
        return found

    @cached_property
    def carrier_entries_by_order(self) -> dict[str, list[CarrierEntry]]:
        """Entries of both carriers' ledgers by order, in the order in which they happened, without tombstones."""
        found: dict[str, list[CarrierEntry]] = defaultdict(list)
        for entry in sorted(self.parcels, key=lambda entry: entry.seq):
            if entry.order_id is not None:
                found[entry.order_id].append(entry)
        return found

    def events_named(self, *names: str) -> Iterator[PublishedEvent]:
        """Yield each valid event of the log that has one of these names.

        An event that was published in several versions is yielded once, in the newest version.
        """
        newest: dict[UUID, PublishedEvent] = {}
        for key, published in self.log.events.items():
            if published.name in names and key not in self.invalid_events:
                newest[published.id] = max(
                    published, newest.get(published.id, published), key=lambda each: BY_TYPE[each.type].version
                )
        yield from newest.values()

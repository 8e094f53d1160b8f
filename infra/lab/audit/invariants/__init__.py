"""Lists every invariant that an audit checks. The name and docstring of its function are its id and promise."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass

from infra.lab.audit.evidence import Evidence
from infra.lab.audit.findings import Findings
from infra.lab.audit.invariants import carts, content, events, mail, money, orders, parcels, rest, stock


@dataclass(frozen=True)
class Invariant:
    """An invariant: a promise, and the function that finds its violations."""

    find: Callable[[Evidence], Findings]
    needs: tuple[str, ...]
    """Sources without which the invariant cannot be checked."""

    @property
    def id(self) -> str:
        return self.find.__name__.replace("_", "-")

    @property
    def promise(self) -> str:
        """The promise in a sentence or two."""
        return " ".join(inspect.getdoc(self.find).split())  # type: ignore[union-attr] # a test checks that each has one


INVARIANTS = (
    Invariant(orders.accepted_is_ordered, ("record", "checkout")),
    Invariant(orders.nobody_ordered_unasked, ("record", "checkout")),
    Invariant(orders.checked_out_is_placed, ("log", "checkout")),
    Invariant(orders.every_order_ends, ("checkout",)),
    Invariant(orders.journals_are_lawful, ("checkout",)),
    Invariant(orders.read_model_is_its_journal, ("checkout",)),
    Invariant(orders.customers_read_the_truth, ("record", "checkout", "customer_orders")),
    Invariant(orders.said_is_journalled, ("log", "checkout")),
    Invariant(orders.deadlines_are_honoured, ("checkout",)),
    Invariant(money.captured_is_owed, ("payments", "checkout")),
    Invariant(money.nobody_pays_more, ("log", "checkout")),
    Invariant(money.never_charged_twice, ("payments", "checkout")),
    Invariant(money.one_provider_at_a_time, ("payments",)),
    Invariant(money.charged_in_the_orders_currency, ("payments", "checkout")),
    Invariant(money.charged_as_a_whole, ("payments", "checkout")),
    Invariant(money.refunds_match, ("payments", "log")),
    Invariant(stock.stock_adds_up, ("record", "catalog", "checkout")),
    Invariant(stock.nothing_is_oversold, ("catalog",)),
    Invariant(stock.nothing_stays_reserved, ("catalog",)),
    Invariant(stock.reservations_follow_orders, ("catalog", "checkout", "log")),
    Invariant(stock.stock_is_answered_once, ("log",)),
    Invariant(stock.carts_know_the_catalog, ("catalog", "cart")),
    Invariant(stock.bought_leaves_the_cart, ("cart", "checkout")),
    Invariant(carts.carts_hold_what_was_put, ("record", "cart", "checkout")),
    Invariant(content.facts_follow_one_another, ("log", "catalog", "record")),
    Invariant(parcels.shipped_once, ("parcels", "checkout")),
    Invariant(parcels.one_carrier_at_a_time, ("parcels",)),
    Invariant(parcels.shipments_follow_carriers, ("parcels", "delivery", "checkout")),
    Invariant(parcels.parcels_are_of_their_orders, ("parcels", "delivery")),
    Invariant(parcels.parcels_are_told, ("parcels", "log")),
    Invariant(parcels.parcels_go_where_ordered, ("delivery", "checkout", "log")),
    Invariant(parcels.addresses_are_known, ("delivery", "cart", "checkout")),
    Invariant(mail.every_mail_arrives, ("mails", "log", "notifications", "record")),
    Invariant(mail.no_mail_comes_twice, ("mails", "log", "record")),
    Invariant(mail.mail_reaches_its_customer, ("mails", "record", "notifications")),
    Invariant(mail.no_mail_is_made_up, ("mails", "log")),
    Invariant(content.mail_says_what_happened, ("mails", "log")),
    Invariant(content.webhooks_say_what_was_said, ("webhooks", "log")),
    Invariant(
        content.events_say_what_is_recorded,
        ("log", "record", "catalog", "cart", "checkout", "delivery", "notifications", "webhooks"),
    ),
    Invariant(events.one_id_one_body, ("log",)),
    Invariant(events.events_are_authentic, ("log", "record")),
    Invariant(events.said_is_in_the_outbox, ("log", "messaging_tables")),
    Invariant(events.every_event_took_effect, ("log", "messaging_tables", "queues")),
    Invariant(events.causes_come_first, ("log",)),
    Invariant(events.versions_agree, ("log",)),
    Invariant(rest.queues_are_empty, ("queues",)),
    Invariant(rest.outboxes_are_drained, ("messaging_tables",)),
    Invariant(rest.nothing_waits, ("messaging_tables",)),
    Invariant(rest.nothing_died, ("messaging_tables", "log", "record")),
)

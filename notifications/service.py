"""Declares the notifications service: its subscriptions, the events it publishes and its HTTP routes."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.cart import CartAbandonedV1
from contracts.catalog import StockRunningLowV1
from contracts.checkout import OrderCancelledV1, OrderConfirmedV1, OrderDeliveredV1, PaymentRefundedV1
from contracts.delivery import CancellationRefusedV1, ShipmentDispatchedV1, ShipmentDispatchedV2
from contracts.naming import MARKETPLACE
from contracts.notifications import NotificationFailedV1, NotificationSentV1, WebhookDisabledV1, WebhookDueV1
from contracts.upcasts import shipment_dispatched_v2
from marketplace_runtime.consumer import Reaction, on, subscription
from marketplace_runtime.database import Transaction
from marketplace_runtime.http import Router
from marketplace_runtime.service import Service, caller
from notifications import api, gateways
from notifications.handlers import load_for_orders, prepare_mail, record_mail
from notifications.notices import MailEvent
from notifications.webhooks import api as webhooks_api
from notifications.webhooks import gateways as webhook_gateways
from notifications.webhooks import handlers as webhooks
from notifications.webhooks.domain import Answer

UNLIMITED = None
"""Value of `attempts` for calls that are retried without limit.

Mail waits for the mail server. Webhook endpoints have their own retry policy.
"""


@dataclass(frozen=True, slots=True)
class Clients:
    """The clients of the mail server and of webhook endpoints."""

    mailer: gateways.Mailer
    webhook_sender: webhook_gateways.WebhookSender


@asynccontextmanager
async def connect() -> AsyncIterator[Clients]:
    """Open the clients. They live as long as the service."""
    async with gateways.connect() as mailer, webhook_gateways.connect() as webhook_sender:
        yield Clients(mailer, webhook_sender)


async def send_mail(mail: gateways.Mail, clients: Clients) -> gateways.Answer:
    return await clients.mailer.send(mail)


async def send_webhooks(turn: webhook_gateways.Turn, clients: Clients) -> Sequence[Answer]:
    return await clients.webhook_sender.send(turn)


def send_mail_on(
    event: type[MailEvent], *, load: Callable[[Sequence[Any], Transaction], Awaitable[None]] | None = load_for_orders
) -> Reaction:
    """Return the reaction that sends a mail about each `event`."""
    return on(event, prepare=prepare_mail, call=send_mail, record=record_mail, load=load, attempts=UNLIMITED)


SERVICE = Service(
    name="notifications",
    naming=MARKETPLACE,
    subscriptions=[
        subscription(
            "mail",
            send_mail_on(OrderConfirmedV1),
            send_mail_on(OrderCancelledV1),
            send_mail_on(PaymentRefundedV1),
            send_mail_on(OrderDeliveredV1),
            send_mail_on(ShipmentDispatchedV2).or_older(ShipmentDispatchedV1, shipment_dispatched_v2),
            send_mail_on(CancellationRefusedV1),
            send_mail_on(CartAbandonedV1, load=None),
            send_mail_on(StockRunningLowV1, load=None),
            send_mail_on(WebhookDisabledV1, load=None),
            concurrency=16,
            batch=50,
        ),
        subscription(
            "webhooks",
            *(
                on(event, webhooks.create_deliveries, load=webhooks.load_candidates)
                for event in webhooks.WEBHOOK_EVENTS
            ),
        ),
        subscription(
            "endpoints",
            on(
                WebhookDueV1,
                prepare=webhooks.prepare_turn,
                call=send_webhooks,
                record=webhooks.record_turn,
                load=webhooks.load_endpoints,
                attempts=UNLIMITED,
            ),
            concurrency=200,  # a turn spends most of its time waiting for the endpoint
        ),
    ],
    sweeps=[webhooks.find_forgotten, webhooks.forget_missed],
    publishes=[NotificationSentV1, NotificationFailedV1, WebhookDisabledV1],
    routes=Router(routes=[*api.router.routes, *webhooks_api.router.routes]),
    exposed=[
        caller("GET /contacts/{person}", "PUT /contacts/{person}", "DELETE /contacts/{person}"),
        caller("GET /notifications", "GET /webhooks/{endpoint_id}/deliveries", cost=5),
        caller("GET /webhooks", "POST /webhooks", "GET /webhooks/{endpoint_id}", "DELETE /webhooks/{endpoint_id}"),
        caller("POST /webhooks/{endpoint_id}/enable", "POST /webhooks/{endpoint_id}/rotate"),
        caller("POST /webhooks/{endpoint_id}/deliveries/{event_id}/redeliver", cost=5),
        caller("POST /webhooks/{endpoint_id}/redeliver-missed", cost=5),
    ],
    migrations=Path(__file__).parent / "migrations",
    clients=connect,
)

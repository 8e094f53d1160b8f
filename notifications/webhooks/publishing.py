"""Translates changes of an endpoint into events. No other module of this package publishes."""

from collections.abc import Sequence

from contracts.notifications import WebhookDisabledReason, WebhookDisabledV1, WebhookDueV1
from marketplace_runtime.database import Transaction
from marketplace_runtime.telemetry import get_logger
from notifications.webhooks.domain import Disabled, Endpoint, EndpointChange, TurnScheduled

log = get_logger(__name__)


def publish_endpoint_changes(tx: Transaction, endpoint: Endpoint, changes: Sequence[EndpointChange]) -> None:
    """Schedule each new turn of an endpoint. Log and publish that it is disabled."""
    endpoint_id = endpoint.endpoint_id
    for change in changes:
        match change:
            case TurnScheduled(turn, after):
                tx.schedule(WebhookDueV1(endpoint_id=endpoint_id, turn=turn), after=after)
            case Disabled(why):
                reason = WebhookDisabledReason(why)
                log.warning("webhook endpoint disabled", endpoint_id=str(endpoint_id), reason=reason)
                tx.publish(WebhookDisabledV1(endpoint_id=endpoint_id, person_id=endpoint.owner, reason=reason))

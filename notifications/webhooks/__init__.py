"""Webhooks: events are sent to HTTP endpoints that people register (Standard Webhooks).

Owns: endpoints with their secrets, and their deliveries, past and pending; all of it erasable.
Subscribes to: the events that may be sent outside (`handlers.WEBHOOK_EVENTS`); its own WebhookDue.
Publishes: WebhookDisabled.
"""

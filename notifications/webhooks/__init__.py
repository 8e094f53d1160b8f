"""Webhooks: what happens is told to HTTP endpoints that people register (Standard Webhooks).

Owns: endpoints with their secrets, and what each was or is to be sent; all of it erasable.
Hears: what may leave the house (`handlers.HEARD`); its own WebhookDue.
Says: WebhookDisabled.
"""

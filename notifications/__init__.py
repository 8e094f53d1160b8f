"""Notifications: tells people by mail what happened, once per matter and kind.

Owns: contact data and choices (erasable), the list of messages; no message keeps an address.
`notifications.webhooks` tells HTTP endpoints, with what it owns and hears for that.
Hears: OrderConfirmed, OrderCancelled, PaymentRefunded, OrderDelivered, CancellationRefused, ShipmentDispatched,
CartAbandoned, StockRunningLow; its own WebhookDisabled.
Says: NotificationSent, NotificationFailed, WebhookDisabled.
"""

"""The notifications service sends people mail about events, once per matter and kind.

Owns: contact data and choices (erasable), the list of messages; no message keeps an address.
`notifications.webhooks` sends events to HTTP endpoints. It has its own tables and subscriptions.
Subscribes to: OrderConfirmed, OrderCancelled, PaymentRefunded, OrderDelivered, CancellationRefused, ShipmentDispatched,
CartAbandoned, StockRunningLow; its own WebhookDisabled.
Publishes: NotificationSent, NotificationFailed, WebhookDisabled.
"""

"""The event registry: every event, one on each line. A test fails if an event is missing here."""

from contracts import cart, catalog, checkout, delivery, notifications
from marketplace_runtime.events import Event

EVENTS: tuple[type[Event], ...] = (
    # published by cart
    cart.CartCheckedOutV1,
    cart.CartAbandonedV1,
    cart.AbandonmentDueV1,
    # published by catalog
    catalog.ProductListedV1,
    catalog.PriceChangedV1,
    catalog.ProductDiscontinuedV1,
    catalog.ProductSoldOutV1,
    catalog.ProductRestockedV1,
    catalog.StockRunningLowV1,
    catalog.StockReservedV1,
    catalog.StockRejectedV1,
    catalog.ReservationExpiredV1,
    catalog.StockReleasedV1,
    catalog.ReservationDueV1,
    # published by checkout
    checkout.OrderPlacedV1,
    checkout.PaymentCapturedV1,
    checkout.PaymentDeclinedV1,
    checkout.OrderConfirmedV1,
    checkout.CancellationRequestedV1,
    checkout.OrderCancelledV1,
    checkout.PaymentRefundedV1,
    checkout.OrderDeliveredV1,
    checkout.StockAnswerDueV1,
    checkout.PaymentDueV1,
    checkout.ReservationOverV1,
    checkout.ChargeDueV1,
    checkout.VoidDueV1,
    checkout.RefundDueV1,
    checkout.ShippingOverdueV1,
    # published by delivery
    delivery.AddressRecordedV1,
    delivery.AddressErasedV1,
    delivery.ShipmentScheduledV1,
    delivery.ShipmentDispatchedV1,
    delivery.ShipmentDispatchedV2,
    delivery.ShipmentDeliveredV1,
    delivery.ShipmentFailedV1,
    delivery.ShipmentCancelledV1,
    delivery.CancellationRefusedV1,
    delivery.ShippingDueV1,
    delivery.BookingDueV1,
    delivery.TrackingDueV1,
    delivery.UnbookingDueV1,
    # published by notifications
    notifications.NotificationSentV1,
    notifications.NotificationFailedV1,
    notifications.WebhookDisabledV1,
    notifications.WebhookDueV1,
)

BY_TYPE: dict[str, type[Event]] = {event.type: event for event in EVENTS}

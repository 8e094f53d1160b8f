"""The delivery service ships confirmed orders to their customers by one of two carriers.

Owns: customers' addresses (erasable; replaced ones are kept for orders placed before), shipments, bookings at the
carriers.
Subscribes to: OrderConfirmed, CancellationRequested; its own ShipmentScheduled, ShippingDue, BookingDue,
UnbookingDue, TrackingDue.
Publishes: AddressRecorded, AddressErased, ShipmentScheduled, ShipmentDispatched, ShipmentDelivered, ShipmentFailed,
ShipmentCancelled, CancellationRefused.
"""

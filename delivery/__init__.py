"""Delivery: brings confirmed orders to their customers, by one of two carriers.

Owns: customers' addresses (erasable; earlier ones for orders of then), shipments, bookings at the carriers.
Hears: OrderConfirmed, CancellationRequested; its own ShipmentScheduled, ShippingDue, BookingDue,
UnbookingDue, TrackingDue.
Says: AddressRecorded, AddressErased, ShipmentScheduled, ShipmentDispatched, ShipmentDelivered, ShipmentFailed,
ShipmentCancelled, CancellationRefused.
"""

"""Checkout: the life of an order and of its payment.

Owns: orders, as an append-only journal, and a read model projected from it; its own copy of who has an address.
Hears: CartCheckedOut; StockReserved, StockRejected, ReservationExpired; ShipmentDispatched,
  ShipmentDelivered, ShipmentFailed, ShipmentCancelled, CancellationRefused, AddressRecorded, AddressErased;
  its own deadlines.
Says: OrderPlaced, PaymentCaptured, PaymentDeclined, OrderConfirmed, CancellationRequested,
  OrderCancelled, PaymentRefunded, OrderDelivered.
"""

"""The checkout service takes an order from its placement to its delivery or cancellation, including its payment.

Owns: orders, as an append-only journal, and a read model projected from it; its own copy of which customers have an
address.
Subscribes to: CartCheckedOut; StockReserved, StockRejected, ReservationExpired; ShipmentDispatched,
  ShipmentDelivered, ShipmentFailed, ShipmentCancelled, CancellationRefused, AddressRecorded, AddressErased;
  its own deadlines.
Publishes: OrderPlaced, PaymentCaptured, PaymentDeclined, OrderConfirmed, CancellationRequested,
  OrderCancelled, PaymentRefunded, OrderDelivered.
"""

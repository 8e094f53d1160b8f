"""The catalog: what is sold, for how much, and how many there are.

Owns: products, prices, stock, reservations.
Hears: OrderPlaced, OrderConfirmed, OrderCancelled; its own ReservationDue.
Says: ProductListed, PriceChanged, ProductDiscontinued, ProductSoldOut, ProductRestocked, StockRunningLow,
StockReserved, StockRejected, ReservationExpired, StockReleased.
"""

"""The catalog service keeps the products on sale, their prices and their stock.

Owns: products, prices, stock, reservations.
Subscribes to: OrderPlaced, OrderConfirmed, OrderCancelled; its own ReservationDue.
Publishes: ProductListed, PriceChanged, ProductDiscontinued, ProductSoldOut, ProductRestocked, StockRunningLow,
StockReserved, StockRejected, ReservationExpired, StockReleased.
"""

"""The cart service keeps what customers intend to buy, until they check out.

Owns: carts; its own copies of product facts and of which customers have an address.
Subscribes to: ProductListed, PriceChanged, ProductDiscontinued, ProductSoldOut, ProductRestocked, OrderConfirmed,
OrderCancelled, AddressRecorded, AddressErased; its own AbandonmentDue.
Publishes: CartCheckedOut, CartAbandoned.
"""

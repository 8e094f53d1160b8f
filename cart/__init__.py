"""The cart: what customers mean to buy.

Owns: carts; its own copy of product facts, and of who has an address.
Hears: ProductListed, PriceChanged, ProductDiscontinued, ProductSoldOut, ProductRestocked, OrderConfirmed,
OrderCancelled, AddressRecorded, AddressErased; its own AbandonmentDue.
Says: CartCheckedOut, CartAbandoned.
"""

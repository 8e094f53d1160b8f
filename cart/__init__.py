"""The cart: what customers mean to buy.

Owns: carts; its own copy of product facts.
Hears: ProductListed, PriceChanged, ProductDiscontinued, ProductSoldOut, ProductRestocked, OrderConfirmed,
OrderCancelled; its own AbandonmentDue.
Says: CartCheckedOut, CartAbandoned.
"""

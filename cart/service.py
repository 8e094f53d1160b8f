"""Declares the cart service: its subscriptions, the events it publishes and its HTTP routes."""

from pathlib import Path

from cart import api, store
from cart.handlers import (
    check_abandonment,
    copy_address,
    copy_facts,
    find_neglected,
    remove_confirmed_items,
    return_items,
)
from contracts.cart import AbandonmentDueV1, CartAbandonedV1, CartCheckedOutV1
from contracts.catalog import (
    PriceChangedV1,
    ProductDiscontinuedV1,
    ProductListedV1,
    ProductRestockedV1,
    ProductSoldOutV1,
)
from contracts.checkout import OrderCancelledV1, OrderConfirmedV1
from contracts.delivery import AddressErasedV1, AddressRecordedV1
from contracts.naming import MARKETPLACE
from marketplace_runtime.consumer import on, subscription
from marketplace_runtime.service import Service, caller

SERVICE = Service(
    name="cart",
    naming=MARKETPLACE,
    subscriptions=[
        subscription(
            "products",
            on(ProductListedV1, copy_facts, load=store.load_products),
            on(PriceChangedV1, copy_facts, load=store.load_products),
            on(ProductDiscontinuedV1, copy_facts, load=store.load_products),
            on(ProductSoldOutV1, copy_facts, load=store.load_products),
            on(ProductRestockedV1, copy_facts, load=store.load_products),
        ),
        subscription(
            "orders",
            on(OrderConfirmedV1, remove_confirmed_items, load=store.load_checkouts),
            on(OrderCancelledV1, return_items, load=store.load_checkouts),
        ),
        subscription(
            "addresses",
            on(AddressRecordedV1, copy_address, load=store.load_addresses),
            on(AddressErasedV1, copy_address, load=store.load_addresses),
        ),
        subscription(
            "abandonment",
            on(AbandonmentDueV1, check_abandonment, load=store.load_carts, deadline=True),
        ),
    ],
    publishes=[CartCheckedOutV1, CartAbandonedV1],
    sweeps=[find_neglected],
    routes=api.router,
    exposed=[
        caller("GET /carts/{customer}", "POST /carts/{customer}/checkout"),
        caller("PUT /carts/{customer}/items/{product_id}", "DELETE /carts/{customer}/items/{product_id}"),
        caller("DELETE /carts/{customer}/items"),
    ],
    migrations=Path(__file__).parent / "migrations",
)

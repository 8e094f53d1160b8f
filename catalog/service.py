"""Declares the catalog service: its subscriptions, the events it publishes and its HTTP routes."""

from pathlib import Path

from catalog import api, store
from catalog.handlers import expire_reservation, release_stock, reserve_stock, take_stock
from contracts.catalog import (
    PriceChangedV1,
    ProductDiscontinuedV1,
    ProductListedV1,
    ProductRestockedV1,
    ProductSoldOutV1,
    ReservationDueV1,
    ReservationExpiredV1,
    StockRejectedV1,
    StockReleasedV1,
    StockReservedV1,
    StockRunningLowV1,
)
from contracts.checkout import OrderCancelledV1, OrderConfirmedV1, OrderPlacedV1
from contracts.naming import MARKETPLACE
from marketplace_runtime.consumer import on, subscription
from marketplace_runtime.service import Service, anyone, caller

SERVICE = Service(
    name="catalog",
    naming=MARKETPLACE,
    subscriptions=[
        subscription(
            "orders",
            on(OrderPlacedV1, reserve_stock, load=store.load_reservations_and_products),
            on(OrderConfirmedV1, take_stock, load=store.load_reservations_and_products),
            on(OrderCancelledV1, release_stock, load=store.load_reservations_and_products),
            on(ReservationDueV1, expire_reservation, load=store.load_reservations_and_products, deadline=True),
        ),
    ],
    publishes=[
        ProductListedV1,
        PriceChangedV1,
        ProductDiscontinuedV1,
        ProductSoldOutV1,
        ProductRestockedV1,
        StockRunningLowV1,
        StockReservedV1,
        StockRejectedV1,
        ReservationExpiredV1,
        StockReleasedV1,
    ],
    routes=api.router,
    exposed=[
        anyone("GET /products", "GET /v2/products", cost=5),
        anyone("GET /products/{product_id}", "GET /v2/products/{product_id}"),
        caller("POST /products", "POST /products/{product_id}/price", role="seller"),
        caller("POST /products/{product_id}/restock", "POST /products/{product_id}/discontinue", role="seller"),
    ],
    migrations=Path(__file__).parent / "migrations",
)

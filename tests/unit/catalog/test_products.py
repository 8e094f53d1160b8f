"""The rules of one product."""

import pytest

from catalog.domain import (
    MAX_UNITS_ON_HAND,
    Availability,
    NoLongerSold,
    Price,
    Product,
    ProductChange,
    Status,
    TooMuchStock,
)
from marketplace_runtime.database import new_id


def a_product(*, on_hand: int = 10, threshold: int = 3) -> Product:
    return Product(new_id(), "sam", "Oak table", "tables", Price(1999, "EUR"), on_hand, threshold)


def test_a_new_product_is_on_sale_at_version_1() -> None:
    product = a_product()
    assert (product.status, product.available, product.version) == (Status.ON_SALE, 10, 1)


def test_a_product_without_stock_is_sold_out() -> None:
    assert a_product(on_hand=0).status == Status.SOLD_OUT


@pytest.mark.parametrize(
    ("available", "threshold", "availability"),
    [
        (3, 3, Availability.IN_STOCK),
        (2, 3, Availability.LOW_STOCK),
        (1, 0, Availability.IN_STOCK),
        (0, 3, Availability.SOLD_OUT),
        (0, 0, Availability.SOLD_OUT),
    ],
)
def test_availability_is_low_below_the_threshold(available: int, threshold: int, availability: Availability) -> None:
    product = a_product(on_hand=5, threshold=threshold)
    product.reserve(5 - available)
    assert product.availability is availability


def test_a_discontinued_product_cannot_be_bought_although_units_are_left() -> None:
    product = a_product(on_hand=5)
    product.discontinue()
    assert product.availability is Availability.SOLD_OUT


def test_reserving_the_last_unit_is_a_change_with_a_new_version() -> None:
    product = a_product(on_hand=2, threshold=0)
    assert product.reserve(1) == []
    assert product.reserve(1) == [ProductChange.SOLD_OUT]
    assert (product.status, product.version) == (Status.SOLD_OUT, 2)


def test_the_first_unit_to_be_released_is_a_change() -> None:
    product = a_product(on_hand=2, threshold=0)
    product.reserve(2)
    assert product.unreserve(1) == [ProductChange.RESTOCKED]
    assert product.unreserve(1) == []
    assert (product.status, product.version) == (Status.ON_SALE, 3)


def test_taking_reserved_units_leaves_the_available_units_unchanged() -> None:
    product = a_product(on_hand=5)
    product.reserve(2)
    product.take(2)
    assert (product.on_hand, product.reserved, product.available) == (3, 0, 3)


def test_a_restock_by_the_seller_is_always_a_change() -> None:
    product = a_product()
    assert product.restock(1) == [ProductChange.RESTOCKED]
    assert (product.on_hand, product.version) == (11, 2)


def test_stock_cannot_exceed_the_limit() -> None:
    product = a_product(on_hand=MAX_UNITS_ON_HAND)
    with pytest.raises(TooMuchStock, match="at most"):
        product.restock(1)
    assert product.on_hand == MAX_UNITS_ON_HAND


def test_running_low_is_reported_once_while_orders_reserve_and_release() -> None:
    product = a_product(on_hand=6, threshold=5)
    assert product.reserve(1) == []
    assert product.reserve(1) == [ProductChange.RUNNING_LOW]
    for _ in range(10):
        product.unreserve(2)
        assert product.reserve(2) == []


def test_running_low_is_reported_again_after_a_restock_above_the_threshold() -> None:
    product = a_product(on_hand=5, threshold=5)
    assert product.reserve(1) == [ProductChange.RUNNING_LOW]
    product.restock(1)
    assert product.reserve(1) == [], "the available units had not exceeded the threshold"
    product.restock(2)
    assert product.reserve(2) == [ProductChange.RUNNING_LOW]


def test_running_low_is_reported_again_after_many_units_were_released() -> None:
    product = a_product(on_hand=11, threshold=5)
    assert product.reserve(7) == [ProductChange.RUNNING_LOW]
    product.unreserve(6)
    assert product.reserve(6) == [], "only twice the threshold was available"
    product.unreserve(7)
    assert product.reserve(7) == [ProductChange.RUNNING_LOW]


def test_a_product_listed_with_little_stock_is_not_running_low_yet() -> None:
    product = a_product(on_hand=2, threshold=3)
    assert product.reserve(1) == []


def test_setting_the_same_price_is_no_change() -> None:
    product = a_product()
    assert product.change_price(Price(1999, "EUR")) == []
    assert product.change_price(Price(2099, "EUR")) == [ProductChange.PRICE_CHANGED]
    assert product.version == 2


def test_a_discontinued_product_is_neither_repriced_nor_restocked() -> None:
    product = a_product()
    assert product.discontinue() == [ProductChange.DISCONTINUED]
    assert product.discontinue() == []
    with pytest.raises(NoLongerSold):
        product.change_price(Price(1, "EUR"))
    with pytest.raises(NoLongerSold):
        product.restock(1)
    assert (product.status, product.version) == (Status.DISCONTINUED, 2)


def test_units_released_to_a_discontinued_product_are_no_change() -> None:
    product = a_product(on_hand=2)
    product.reserve(2)
    product.discontinue()
    assert product.unreserve(2) == []
    assert product.status == Status.DISCONTINUED

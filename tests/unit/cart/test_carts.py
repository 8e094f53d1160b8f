"""The rules of one cart."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from cart.domain import (
    MAX_LINES,
    Abandoned,
    Cart,
    CheckedOut,
    CheckoutItem,
    NoLongerSold,
    NothingToBuy,
    OtherCurrency,
    Price,
    ProductCopy,
    State,
    Status,
    StillInCheckout,
    TooExpensive,
    TooManyLines,
)
from marketplace_runtime.database import new_id

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def a_cart(*wanted: tuple[ProductCopy, int]) -> Cart:
    cart = Cart("ann", NOON)
    for product, quantity in wanted:
        cart.put(product, quantity)
    return cart


def a_product(
    amount: int = 100, currency: str = "EUR", status: Status = Status.ON_SALE, version: int = 1
) -> ProductCopy:
    return ProductCopy(new_id(), "Oak table", Price(amount, currency), status, version)


def counts(cart: Cart) -> dict[UUID, tuple[int, int]]:
    return {product: (line.quantity, line.in_checkout) for product, line in cart.lines.items()}


def test_facts_that_are_not_newer_change_nothing() -> None:
    product = a_product(version=3)
    product.update_if_newer("Old table", Price(1, "EUR"), Status.SOLD_OUT, 2)
    product.update_if_newer("Odd table", Price(2, "EUR"), Status.SOLD_OUT, 3)
    assert (product.name, product.price.amount, product.status) == ("Oak table", 100, Status.ON_SALE)
    product.update_if_newer("New table", Price(3, "EUR"), Status.SOLD_OUT, 5)
    assert (product.name, product.price.amount, product.version) == ("New table", 3, 5)


def test_a_line_keeps_the_price_that_the_customer_saw_until_it_is_put_again() -> None:
    product = a_product(100)
    cart = a_cart((product, 1))
    product.update_if_newer(product.name, Price(120, "EUR"), Status.ON_SALE, 2)
    assert cart.lines[product.product_id].unit_price == Price(100, "EUR")
    cart.put(product, 1)
    assert cart.lines[product.product_id].unit_price == Price(120, "EUR")


def test_a_sold_out_product_can_be_put_into_a_cart_but_not_a_discontinued_one() -> None:
    a_cart((a_product(status=Status.SOLD_OUT), 1))
    with pytest.raises(NoLongerSold, match="This product is discontinued: it cannot be bought"):
        a_cart((a_product(status=Status.DISCONTINUED), 1))


def test_a_cart_has_one_currency() -> None:
    euros, pounds = a_product(), a_product(currency="GBP")
    cart = a_cart((euros, 1))
    both = r"The cart is in EUR, but this product is priced in GBP: check out or empty the cart first\."
    with pytest.raises(OtherCurrency, match=both) as refusal:
        cart.put(pounds, 1)
    assert refusal.value.product_ids == (pounds.product_id,)
    cart.remove(euros.product_id)
    cart.put(pounds, 1)


def test_a_cart_has_fifty_lines_at_most() -> None:
    cart = a_cart(*((a_product(), 1) for _ in range(MAX_LINES)))
    with pytest.raises(TooManyLines):
        cart.put(a_product(), 1)
    cart.remove(next(iter(cart.lines)))
    cart.put(a_product(), 1)


def test_a_checkout_buys_the_remaining_units_at_the_price_that_the_customer_saw() -> None:
    product = a_product(100)
    cart = a_cart((product, 3))
    order = new_id()
    product.update_if_newer(product.name, Price(120, "EUR"), Status.ON_SALE, 2)
    address = new_id()
    checkout, changes = cart.check_out(order, (), address)
    assert changes == [CheckedOut(order, [CheckoutItem(product.product_id, 3, Price(100, "EUR"))], address)]
    assert (checkout.order_id, checkout.state, checkout.quantities) == (
        order,
        State.OPEN,
        {product.product_id: 3},
    )
    assert counts(cart) == {product.product_id: (3, 3)}


def test_units_in_checkout_are_not_bought_again() -> None:
    product = a_product()
    cart = a_cart((product, 3))
    cart.check_out(new_id(), ())
    with pytest.raises(NothingToBuy, match="already in an open order"):
        cart.check_out(new_id(), ())
    cart.put(product, 5)
    _, changes = cart.check_out(new_id(), ())
    assert [item.quantity for change in changes for item in change.items] == [2]


def test_an_empty_cart_cannot_be_checked_out() -> None:
    with pytest.raises(NothingToBuy, match="The cart is empty: put something into it first"):
        a_cart().check_out(new_id(), ())


def test_a_checkout_with_a_discontinued_product_is_refused_and_names_it() -> None:
    kept, gone = a_product(), a_product()
    cart = a_cart((kept, 1), (gone, 1))
    with pytest.raises(NoLongerSold) as refusal:
        cart.check_out(new_id(), {gone.product_id})
    assert refusal.value.product_ids == (gone.product_id,)
    assert not any(line.in_checkout for line in cart.lines.values())


def test_a_total_above_the_limit_of_events_is_refused() -> None:
    cart = a_cart((a_product(10**9), 999), (a_product(10**9), 1))
    with pytest.raises(TooExpensive):
        cart.put(a_product(1), 1)


def test_units_in_checkout_stay_when_the_others_are_removed() -> None:
    product = a_product()
    cart = a_cart((product, 2))
    cart.check_out(new_id(), ())
    cart.put(product, 5)
    with pytest.raises(StillInCheckout):
        cart.put(product, 1)
    cart.put(product, 4)
    cart.remove(product.product_id)
    assert counts(cart) == {product.product_id: (2, 2)}


def test_the_quantity_of_a_discontinued_product_can_only_be_lowered() -> None:
    product = a_product()
    cart = a_cart((product, 3))
    product.update_if_newer(product.name, Price(200, "EUR"), Status.DISCONTINUED, 2)
    for quantity in (3, 4):
        with pytest.raises(NoLongerSold, match="remove them from the cart"):
            cart.put(product, quantity)
    cart.put(product, 2)
    assert counts(cart) == {product.product_id: (2, 0)}


def test_removing_an_absent_product_is_no_error() -> None:
    a_cart().remove(new_id())


def test_confirmation_removes_the_bought_units_from_the_cart() -> None:
    gone, more = a_product(), a_product()
    cart = a_cart((gone, 1), (more, 2))
    checkout, _ = cart.check_out(new_id(), ())
    cart.put(more, 5)
    cart.confirm(checkout)
    cart.confirm(checkout)
    assert counts(cart) == {more.product_id: (3, 0)}


def test_cancellation_leaves_the_cart_unchanged() -> None:
    product = a_product()
    cart = a_cart((product, 2))
    checkout, _ = cart.check_out(new_id(), ())
    assert cart.cancel(checkout)
    assert not cart.cancel(checkout)
    assert counts(cart) == {product.product_id: (2, 0)}


@pytest.mark.parametrize("confirmed_first", [True, False])
def test_confirmation_and_cancellation_have_the_same_result_in_either_order(confirmed_first: bool) -> None:
    product = a_product()
    cart = a_cart((product, 2))
    checkout, _ = cart.check_out(new_id(), ())
    first, second = (cart.confirm, cart.cancel) if confirmed_first else (cart.cancel, cart.confirm)
    first(checkout)
    second(checkout)
    first(checkout)
    assert (counts(cart), checkout.state) == ({}, State.CONFIRMED)


def test_a_late_confirmation_keeps_units_of_a_later_checkout() -> None:
    product = a_product()
    cart = a_cart((product, 2))
    first, _ = cart.check_out(new_id(), ())
    cart.cancel(first)
    cart.check_out(new_id(), ())
    cart.confirm(first)
    assert counts(cart) == {product.product_id: (2, 2)}


def test_a_cart_has_at_most_one_deadline() -> None:
    cart = a_cart((a_product(), 1))
    assert cart.touch(NOON)
    assert not cart.touch(NOON + MINUTE)
    assert cart.time_until_abandoned(NOON + MINUTE * 2, abandoned_after=MINUTE * 5) == MINUTE * 4


def test_a_cart_with_nothing_left_to_buy_gets_no_deadline() -> None:
    cart = a_cart()
    assert not cart.touch(NOON)
    cart.put(a_product(), 1)
    cart.check_out(new_id(), ())
    assert not cart.touch(NOON)


def test_an_abandoned_cart_gets_a_deadline_again_when_it_is_changed() -> None:
    product = a_product()
    cart = a_cart((product, 1))
    cart.touch(NOON)
    assert cart.abandon() == [Abandoned([product.product_id])]
    assert not cart.watched
    assert cart.touch(NOON + MINUTE)


def test_a_cart_whose_units_are_all_in_checkout_is_not_abandoned() -> None:
    cart = a_cart((a_product(), 1))
    cart.touch(NOON)
    cart.check_out(new_id(), ())
    assert cart.abandon() == []


def test_abandoned_carts_list_only_products_that_can_be_bought() -> None:
    kept, gone = new_id(), new_id()
    assert Abandoned([kept, gone]).limited_to({kept}) == [Abandoned([kept])]
    assert Abandoned([gone]).limited_to({kept}) == []

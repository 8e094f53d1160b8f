"""The possible contents of a cart after requests that follow one another, overlap, or are lost."""

import pytest

from infra.lab.audit.invariants.carts import Purchase, quantities
from infra.lab.audit.record import Wish


def wish(units: int, began: int, ended: int | None, *, done: bool | None = True, being_bought: int | None = 0) -> Wish:
    return Wish("ada", "lamp", units, began, ended, done, being_bought)


def bought(units: int, began: int, ended: int | None) -> Purchase:
    return Purchase(units, True, began, ended)


def called_off(units: int, began: int, ended: int) -> Purchase:
    return Purchase(units, False, began, ended)


@pytest.mark.parametrize(
    ("wishes", "purchases", "possible"),
    [
        ([], [], {0}),
        ([wish(3, 1, 2)], [], {3}),
        ([wish(3, 1, 2)], [bought(3, 3, 4)], {0}),
        ([wish(3, 1, 2)], [called_off(3, 3, 4)], {3}),
        ([wish(3, 1, 2), wish(5, 3, 4)], [], {5}),
        ([wish(3, 1, 4), wish(5, 3, 5)], [], {3, 5}),  # they overlap
        ([wish(3, 1, 2, done=False)], [], {0}),  # refused
        ([wish(3, 1, 2), wish(5, 3, None, done=None)], [], {3, 5}),  # its answer was lost
        ([wish(3, 5, 6)], [bought(2, 3, 4)], {3}),  # the purchase had ended, as no units were in checkout
        ([wish(3, 5, 6, being_bought=2)], [bought(2, 3, 4)], {1}),
        ([wish(3, 5, 6, being_bought=2)], [called_off(2, 3, 4)], {3}),
        ([wish(3, 5, 6, being_bought=None)], [bought(2, 3, 4)], {1, 3}),  # unknown whether it had ended
        ([wish(0, 5, 6, being_bought=None)], [bought(2, 3, 4)], {0}),
        ([wish(0, 5, 6, being_bought=None)], [called_off(2, 3, 4)], {0, 2}),  # it had ended, or was undone later
        ([wish(3, 3, 5)], [bought(2, 2, 4)], {1, 3}),  # they overlap: it had ended, or began later
        ([wish(3, 5, 6)], [bought(1, 1, None)], {2, 3}),  # unknown when it ended
        ([wish(3, 5, None, done=None, being_bought=None)], [bought(2, 1, 2)], {0, 1, 3}),
    ],
)
def test_a_cart_holds_the_units_put_into_it_less_those_bought(
    wishes: list[Wish], purchases: list[Purchase], possible: set[int]
) -> None:
    assert quantities(wishes, purchases) == possible

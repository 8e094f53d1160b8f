"""The possible contents of a cart after requests that follow one another, overlap, or are lost."""

import pytest

from infra.lab.audit.invariants.carts import Purchase, possible_quantities
from infra.lab.audit.record import QuantityChange


def change(
    units: int, began: int, ended: int | None, *, succeeded: bool | None = True, being_bought: int | None = 0
) -> QuantityChange:
    return QuantityChange("ada", "lamp", units, began, ended, succeeded, being_bought)


def bought(units: int, began: int, ended: int | None) -> Purchase:
    return Purchase(units, True, began, ended)


def called_off(units: int, began: int, ended: int) -> Purchase:
    return Purchase(units, False, began, ended)


@pytest.mark.parametrize(
    ("quantity_changes", "purchases", "possible"),
    [
        ([], [], {0}),
        ([change(3, 1, 2)], [], {3}),
        ([change(3, 1, 2)], [bought(3, 3, 4)], {0}),
        ([change(3, 1, 2)], [called_off(3, 3, 4)], {3}),
        ([change(3, 1, 2), change(5, 3, 4)], [], {5}),
        ([change(3, 1, 4), change(5, 3, 5)], [], {3, 5}),  # they overlap
        ([change(3, 1, 2, succeeded=False)], [], {0}),  # refused
        ([change(3, 1, 2), change(5, 3, None, succeeded=None)], [], {3, 5}),  # its answer was lost
        ([change(3, 5, 6)], [bought(2, 3, 4)], {3}),  # the purchase had ended, as no units were in checkout
        ([change(3, 5, 6, being_bought=2)], [bought(2, 3, 4)], {1}),
        ([change(3, 5, 6, being_bought=2)], [called_off(2, 3, 4)], {3}),
        ([change(3, 5, 6, being_bought=None)], [bought(2, 3, 4)], {1, 3}),  # unknown whether it had ended
        ([change(0, 5, 6, being_bought=None)], [bought(2, 3, 4)], {0}),
        ([change(0, 5, 6, being_bought=None)], [called_off(2, 3, 4)], {0, 2}),  # it had ended, or was undone later
        ([change(3, 3, 5)], [bought(2, 2, 4)], {1, 3}),  # they overlap: it had ended, or began later
        ([change(3, 5, 6)], [bought(1, 1, None)], {2, 3}),  # unknown when it ended
        ([change(3, 5, None, succeeded=None, being_bought=None)], [bought(2, 1, 2)], {0, 1, 3}),
    ],
)
def test_a_cart_holds_the_units_put_into_it_less_those_bought(
    quantity_changes: list[QuantityChange], purchases: list[Purchase], possible: set[int]
) -> None:
    assert possible_quantities(quantity_changes, purchases) == possible

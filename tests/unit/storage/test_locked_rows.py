"""Transactions do not wait again, for a while, for rows that were found locked."""

import pytest

from marketplace_runtime.database.locked_rows import LOCKED_ROW_TTL_S, LockedRows, RowLocked


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Product: ...


class Order: ...


def test_a_locked_row_is_refused_for_a_while_and_other_rows_are_not() -> None:
    clock = Clock()
    locked_rows = LockedRows(clock)
    locked_rows.remember(Product, ["lamp"])
    locked_rows.check(Product, ["chair"])
    locked_rows.check(Order, ["lamp"])
    with pytest.raises(RowLocked, match="Product lamp"):
        locked_rows.check(Product, ["chair", "lamp"])
    clock.now += LOCKED_ROW_TTL_S
    locked_rows.check(Product, ["chair", "lamp"])


def test_expired_rows_are_forgotten_so_that_memory_stays_bounded() -> None:
    clock = Clock()
    locked_rows = LockedRows(clock)
    for number in range(100):
        locked_rows.remember(Product, [number])
        clock.now += LOCKED_ROW_TTL_S
    assert len(locked_rows._until) == 1

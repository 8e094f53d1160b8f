"""A transaction whose tables are a dict."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, TypeVar, cast

from contracts import Event
from infra.storage import Transaction

T = TypeVar("T")


class Memory:
    """As much of a transaction as event handlers see; everything commits at once."""

    def __init__(self) -> None:
        self.rows: dict[tuple[type, Any], Any] = {}
        self.said: list[Event] = []
        self.scheduled: list[tuple[Event, timedelta]] = []

    @property
    def tx(self) -> Transaction:
        return cast("Transaction", self)

    async def get(self, entity: type[T], key: Any) -> T | None:
        return self.rows.get((entity, key))

    async def preload(self, entity: type, keys: Iterable[Any]) -> None:
        """Everything is loaded."""

    def add(self, row: Any) -> None:
        key = getattr(row, "order_id", None) or row.product_id
        assert (type(row), key) not in self.rows, "inserted twice"
        self.rows[type(row), key] = row

    def publish(self, event: Event) -> None:
        self.said.append(event)

    def schedule(self, event: Event, *, after: timedelta) -> None:
        self.scheduled.append((event, after))

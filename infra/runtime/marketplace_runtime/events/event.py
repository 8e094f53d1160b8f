"""What every event has: a type, the aggregate that it is about, and CloudEvents attributes around it."""

import re
from dataclasses import dataclass
from datetime import date, datetime
from fnmatch import fnmatchcase
from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

TYPE_PATTERN = re.compile(r"^(?P<publisher>[a-z]+)\.(?P<name>[a-z]+(-[a-z]+)*)\.v(?P<version>[1-9][0-9]*)$")

PersonId = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$", description="a token's subject")]


def name_of(type: str) -> str:
    """A type without its version: that of one fact, in whatever version it is said."""
    return type.rpartition(".")[0]


def matches(pattern: str, type: str) -> bool:
    """Whether a shell pattern fits a type, or its part after the publisher, with or without the version."""
    name = type.partition(".")[2]
    return any(fnmatchcase(each, pattern) for each in (type, name, name.rpartition(".")[0]))


class Event(BaseModel):
    """A fact that one service states and others may act on; never changed, never unsaid.

    A subclass names its wire type and the field that identifies its aggregate:

        class OrderDeliveredV1(Event, type="checkout.order-delivered.v1", key="order_id"): ...

    `internal=True` marks what a service only ever tells itself later (a deadline): it is never
    published. Unknown fields are ignored, so an optional field may be added within a version.
    `deprecated=date(2027, 1, 31)` is the last day on which its publisher promises to say it.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    type: ClassVar[str]
    publisher: ClassVar[str]
    version: ClassVar[int]
    key: ClassVar[str]
    internal: ClassVar[bool]
    deprecated: ClassVar[date | None]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Accept the class arguments, which pydantic hands on to the hook below once fields are known."""
        super().__init_subclass__()

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        type, key, internal = kwargs.pop("type", ""), kwargs.pop("key", ""), kwargs.pop("internal", False)
        deprecated = kwargs.pop("deprecated", None)
        super().__pydantic_init_subclass__(**kwargs)
        parts = TYPE_PATTERN.match(type)
        if parts is None:
            raise TypeError(f"{cls.__name__}: type {type!r} is not <publisher>.<name>.v<version>")
        if key not in cls.model_fields:
            raise TypeError(f"{cls.__name__}: key {key!r} is not one of its fields")
        cls.type, cls.key, cls.internal, cls.deprecated = type, key, internal, deprecated
        cls.publisher, cls.version = parts["publisher"], int(parts["version"])

    @property
    def subject(self) -> str:
        """The id of the aggregate: events of one subject keep their order on the way out."""
        return str(getattr(self, self.key))


@dataclass(frozen=True, slots=True)
class Envelope:
    """CloudEvents 1.0 attributes (with the distributed-tracing extension) of one event."""

    id: UUID
    """UUIDv7; the same for every delivery and every version of the event."""
    type: str
    source: str
    subject: str
    time: datetime
    traceparent: str
    """W3C trace context, level 1."""
    causation_id: UUID | None = None
    """The event that led to this one; None where a request from outside did."""

"""Defines what every event has: a type, the aggregate that it is about, and an envelope of CloudEvents attributes."""

import re
from dataclasses import dataclass
from datetime import date, datetime
from fnmatch import fnmatchcase
from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

TYPE_PATTERN = re.compile(r"^(?P<publisher>[a-z]+)\.(?P<name>[a-z]+(-[a-z]+)*)\.v(?P<version>[1-9][0-9]*)$")

PersonId = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$", description="a token's subject")]


def without_version(type: str) -> str:
    """Return an event type without its version, such as `checkout.order-delivered`."""
    return type.rpartition(".")[0]


def matches(pattern: str, type: str) -> bool:
    """Return whether a shell pattern matches a type, its part after the publisher, or that part without the version."""
    name = type.partition(".")[2]
    return any(fnmatchcase(each, pattern) for each in (type, name, name.rpartition(".")[0]))


class Event(BaseModel):
    """A fact that one service publishes and others may act on. It is never changed or withdrawn.

    A subclass names its wire type and the field that identifies its aggregate:

        class OrderDeliveredV1(Event, type="checkout.order-delivered.v1", key="order_id"): ...

    `internal=True` marks an event that a service only schedules for itself (a deadline): it is never published.
    `deprecated=date(2027, 1, 31)` is the last day on which its publisher promises to publish it.
    Unknown fields are ignored, so an optional field may be added within a version.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    type: ClassVar[str]
    publisher: ClassVar[str]
    version: ClassVar[int]
    key: ClassVar[str]
    internal: ClassVar[bool]
    deprecated: ClassVar[date | None]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Accept the class arguments. Pydantic passes them to the hook below once the fields are known."""
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
        """Return the id of the aggregate. Events of one subject are published in order."""
        return str(getattr(self, self.key))


@dataclass(frozen=True, slots=True)
class Envelope:
    """The CloudEvents 1.0 attributes of one event, with the distributed-tracing extension."""

    id: UUID
    """UUIDv7; the same for every delivery. If an event is published in several versions, all have the same id."""
    type: str
    source: str
    """Name of the service that publishes it, which is also its user of the broker."""
    subject: str
    time: datetime
    traceparent: str
    """W3C trace context, level 1."""
    causation_id: UUID | None = None
    """Id of the event that caused this one; None if a request from outside did."""

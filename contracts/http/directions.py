"""The two directions in which a client and a server exchange values, and the reasons that follow from them."""

from enum import Enum
from typing import TypeVar

Side = TypeVar("Side")


class Direction(Enum):
    """Whether a value goes from a deployed client to the new server, or from the new server to a deployed client."""

    REQUEST = "request"
    RESPONSE = "response"

    def sent_and_expected(self, old: Side, new: Side) -> tuple[Side, Side]:
        """Return what the sender follows and what the receiver follows: a client the old, the server the new."""
        return (old, new) if self is Direction.REQUEST else (new, old)

    def old_and_new(self, sent: Side, expected: Side) -> tuple[Side, Side]:
        """Return the inverse of `sent_and_expected`."""
        return (sent, expected) if self is Direction.REQUEST else (expected, sent)

    @property
    def refusal(self) -> str:
        """The reason why the receiver must accept all that the sender may send."""
        if self is Direction.REQUEST:
            return "the server would refuse what deployed clients may send"
        return "deployed clients would receive what they do not expect"

    @property
    def removal(self) -> str:
        """The reason why a field may not disappear."""
        if self is Direction.REQUEST:
            return "the server would ignore or refuse what deployed clients send"
        return "deployed clients that read it get nothing"

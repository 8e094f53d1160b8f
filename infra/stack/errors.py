"""Defines the errors of the local stack. The message states what is wrong, and `remedy` what to do next."""


class LocalError(Exception):
    """The local stack cannot do what was requested. Base class of all its errors."""

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(problem)
        self.remedy = remedy
        if remedy:
            self.add_note(remedy)  # so that tracebacks show it, too


class NoProvider(LocalError):
    """Neither given URLs, Docker, installed programs nor apt can provide a server."""


class NotReady(LocalError):
    """A part did not become ready in time, or ended before it was ready."""


class NotAccessible(LocalError):
    """The account for a server does not exist, or lacks the permission to enter the server's directory."""


class StackIsUp(LocalError):
    """A stack of this name is already running."""


class StackIsDown(LocalError):
    """No stack of this name is running, or none was ever started."""


class UnknownPart(LocalError):
    """The stack has no part of this name."""

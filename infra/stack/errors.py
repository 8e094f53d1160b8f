"""What can go wrong with the local stack. The message says what is wrong, `remedy` what to do next."""


class LocalError(Exception):
    """The local stack cannot do what was asked."""

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(problem)
        self.remedy = remedy
        if remedy:
            self.add_note(remedy)  # tracebacks show it, too


class NothingProvides(LocalError):
    """Neither URLs, nor Docker, nor installed programs, nor apt can provide a part."""


class NotReady(LocalError):
    """A part did not become ready in time, or ended before it was."""


class NotEnterable(LocalError):
    """The account that a server runs as may not enter its directory."""


class StackIsUp(LocalError):
    """A stack of this name already runs."""


class StackIsDown(LocalError):
    """No stack of this name runs."""


class UnknownPart(LocalError):
    """The stack has no part of this name."""

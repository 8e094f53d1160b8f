"""Makes a command that must undo something end cleanly on SIGTERM and SIGHUP."""

import signal
from types import FrameType


def treat_termination_as_interrupt() -> None:
    """Make SIGTERM and a closed terminal (SIGHUP) end the command as Ctrl-C does, from now on. Respects `nohup`."""
    signal.signal(signal.SIGTERM, _as_ctrl_c)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, _as_ctrl_c)


def _as_ctrl_c(_: int, frame: FrameType | None) -> None:
    """Call the current handler of SIGINT. Within `asyncio.run` that cancels the main task.

    A `KeyboardInterrupt` raised there instead could interrupt a client in the middle of its protocol. Then the command
    could not use that client to undo its changes.
    """
    handler = signal.getsignal(signal.SIGINT)
    (handler if callable(handler) else signal.default_int_handler)(signal.SIGINT, frame)

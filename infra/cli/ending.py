"""How a command ends that has something to undo."""

import signal
from types import FrameType


def undo_when_told_to_end() -> None:
    """From now on SIGTERM and a closed terminal (SIGHUP) end the command as Ctrl-C does. `nohup` is respected."""
    signal.signal(signal.SIGTERM, _as_ctrl_c)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, _as_ctrl_c)


def _as_ctrl_c(_: int, frame: FrameType | None) -> None:
    """Do what Ctrl-C does at the moment: within `asyncio.run` that cancels the main task.

    A KeyboardInterrupt raised there instead could break a client in the middle of its protocol, and what has to be
    undone through it would not be.
    """
    handler = signal.getsignal(signal.SIGINT)
    (handler if callable(handler) else signal.default_int_handler)(signal.SIGINT, frame)

"""How a command ends that has something to undo."""

import signal


def undo_when_told_to_end() -> None:
    """From now on SIGTERM and a closed terminal (SIGHUP) end the command as Ctrl-C does. `nohup` is respected."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.default_int_handler)

"""Generates passwords, and keeps them in a file that only its owner can read."""

import json
import os
import secrets
from pathlib import Path


def write_private(path: Path, text: str) -> None:
    """Replace the content of `path` atomically. Only its owner can read the file (mode 0600)."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


class Passwords:
    """Passwords by user name. Each is generated on first use, and remains the same.

    They consist of letters and digits, and so need no quoting in a URL, in SQL or in a configuration file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}

    def of(self, user: str) -> str:
        """Return the user's password. Generates and stores it if there is none."""
        if user not in self._known:
            self._known[user] = secrets.token_hex(20)
            write_private(self.path, json.dumps(self._known, indent=2) + "\n")
        return self._known[user]

"""Finds the account for servers that refuse to run as root, and checks which directories it can enter."""

import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from infra.stack.errors import NotAccessible


@dataclass(frozen=True)
class Account:
    """An account of this machine other than that of this process."""

    name: str
    uid: int
    gid: int


def unprivileged_account() -> Account | None:
    """Return the account that runs Postgres if this process is root: `postgres`, or else `nobody`.

    Returns None if this process is not root: Postgres then runs as the same user. Raises `NotAccessible` if neither
    account exists.
    """
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    raise NotAccessible("No unprivileged account to run Postgres as.", "Create one: useradd --system postgres")


def require_accessible(directory: Path, account: Account | None) -> None:
    """Raise `NotAccessible` unless `account` may enter this directory and all its parents."""
    if account is None:
        return
    for parent in (directory, *directory.parents):
        stat = parent.stat()
        needed = 0o100 if stat.st_uid == account.uid else 0o010 if stat.st_gid == account.gid else 0o001
        if not stat.st_mode & needed:
            raise NotAccessible(
                f"The account {account.name!r} that runs Postgres may not enter {parent}.",
                "Set MARKETPLACE_STATE_HOME=/path to a directory that it can enter.",
            )


def change_owner(path: Path, account: Account | None) -> None:
    """Make `account` the owner of `path`. Does nothing if `account` is None."""
    if account is not None:
        os.chown(path, account.uid, account.gid)

"""The account that servers run as which refuse to run as root, and the directories it can enter."""

import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from infra.stack.errors import NotEnterable


@dataclass(frozen=True)
class Account:
    """A user of this machine other than ourselves."""

    name: str
    uid: int
    gid: int


def unprivileged_account() -> Account | None:
    """Who runs Postgres: `postgres` or else `nobody` if we are root, ourselves (None) if not."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    raise NotEnterable("No unprivileged account to run Postgres as.", "Create one: useradd --system postgres")


def require_enterable(directory: Path, account: Account | None) -> None:
    """Raise `NotEnterable` unless `account` may pass through every directory down to this one."""
    if account is None:
        return
    for parent in (directory, *directory.parents):
        stat = parent.stat()
        needed = 0o100 if stat.st_uid == account.uid else 0o010 if stat.st_gid == account.gid else 0o001
        if not stat.st_mode & needed:
            raise NotEnterable(
                f"The account {account.name!r} that runs Postgres may not enter {parent}.",
                "Choose a state directory that it can enter by MARKETPLACE_STATE_HOME=/path.",
            )


def give_to(path: Path, account: Account | None) -> None:
    """Make `account` the owner of `path`, which is ours so far."""
    if account is not None:
        os.chown(path, account.uid, account.gid)

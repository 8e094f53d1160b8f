"""Creates and copies PostgreSQL data directories, and finds the programs of the version that created one."""

import asyncio
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from infra.stack.accounts import Account, change_owner, require_accessible
from infra.stack.binaries import PostgresBinaries
from infra.stack.errors import LocalError
from infra.stack.passwords import write_private
from infra.stack.processes import Command, base_environment, spawn

COMMAND_WITHIN_S = 120.0
LOCALE = "C.UTF-8" if sys.platform == "linux" else "en_US.UTF-8"


@dataclass(frozen=True)
class Cluster:
    """The directory of one server's data, the installed versions, and the account that runs the server."""

    directory: Path
    binaries: tuple[PostgresBinaries, ...]
    account: Account | None

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.directory / "data"

    def program(self, name: str) -> str:
        """Return the path of a program, such as `initdb`, of the version of PostgreSQL that created the data.

        If there is no data yet, that is the first version found. Raises `LocalError` if the version that created the
        data is not installed.
        """
        version_file = self.data / "PG_VERSION"
        if not version_file.exists():
            return str(self.binaries[0].directory / name)
        major = int(version_file.read_text())
        for found in self.binaries:
            if found.major == major:
                return str(found.directory / name)
        raise LocalError(
            f"The data in {self.data} needs PostgreSQL {major}, which is not installed.",
            f"apt-get install postgresql-{major}, or delete the data: ./marketplace down --volumes",
        )

    async def create(self, password: str) -> None:
        """Create the data directory with initdb, unless it exists. After an interrupted attempt it starts anew.

        Raises `LocalError` if initdb fails.
        """
        if self.data.exists():
            return
        new = self._new_data_directory()
        secret = self.directory / "superuser"
        write_private(secret, password)
        change_owner(secret, self.account)
        try:
            await self._run(
                *("initdb", "--no-sync", "--no-instructions", "--encoding=UTF8", f"--locale={LOCALE}"),
                *("--auth=scram-sha-256", "--username=postgres", f"--pwfile={secret}", f"--pgdata={new}"),
            )
        finally:
            secret.unlink()
        await self._sync_and_rename(new)

    async def copy_from(self, template: "Cluster") -> None:
        """Copy the data directory of a template. Does nothing if there is a data directory already.

        No server may be running on the template. The superuser's password is copied, too. A copy takes 50 ms, whereas
        initdb takes more than a second. Raises `LocalError` if copying fails.
        """
        if self.data.exists():
            return
        new = self._new_data_directory()
        copy = await asyncio.create_subprocess_exec("cp", "-a", str(template.data), str(new))
        if await copy.wait() != 0:
            raise LocalError(f"Could not copy {template.data} to {new}.", "Is the disk full?")
        await self._sync_and_rename(new)

    async def _sync_and_rename(self, new: Path) -> None:
        await self._run("initdb", "--sync-only", f"--pgdata={new}")
        new.rename(self.data)  # noqa: ASYNC240 - one system call

    def _new_data_directory(self) -> Path:
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        change_owner(self.directory, self.account)
        require_accessible(self.directory, self.account)
        new = self.directory / "data.new"
        shutil.rmtree(new, ignore_errors=True)
        return new

    async def _run(self, program: str, *arguments: str) -> None:
        log = self.directory / "initdb.log"
        running = await spawn(
            Command(
                argv=(self.program(program), *arguments),
                env=base_environment(),
                cwd=self.directory,
                log=log,
                account=self.account,
            )
        )
        try:
            async with asyncio.timeout(COMMAND_WITHIN_S):
                code = await running.wait()
        finally:
            running.kill()
        if code != 0:
            raise LocalError(f"{program} failed with exit code {code}.", f"See {log}")

    def remove_stale_lock(self) -> None:
        """Remove the lock file of a server that has ended, even if another process now has its process id."""
        lock = self.data / "postmaster.pid"
        try:
            pid = int(lock.read_text().splitlines()[0])
            in_use = os.path.samefile(os.readlink(f"/proc/{pid}/cwd"), self.data)  # noqa: PTH115, PTH121 - links of /proc
        except (FileNotFoundError, ProcessLookupError):
            in_use = False
        except (OSError, ValueError, IndexError):
            return  # unknown: left for the server to decide
        if not in_use and Path("/proc/self").exists():
            lock.unlink(missing_ok=True)


class Template:
    """A data directory on which no server runs. It is created on first use, and copied for each server."""

    def __init__(self, cluster: Cluster, password: str) -> None:
        self._cluster = cluster
        self._password = password
        self._one_at_a_time = asyncio.Lock()

    async def copy_to(self, cluster: Cluster) -> None:
        """Create this server's data directory as a copy, unless it exists."""
        if cluster.data.exists():
            return
        async with self._one_at_a_time:
            await self._cluster.create(self._password)
        await cluster.copy_from(self._cluster)

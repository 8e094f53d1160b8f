"""Runs Python programs of this repository as parts."""

import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from infra.stack import clock_skew
from infra.stack.part import Part, RunningPart
from infra.stack.processes import Command, base_environment, spawn
from infra.stack.readiness import http_status, wait_until_ready


@dataclass(frozen=True)
class Program:
    """A program that reports over HTTP when it is ready."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path
    log: Path
    ready_url: str
    skew_file: Path | None = None
    """The file that holds the skew of the program's clock, while there is one."""

    async def launch(self) -> RunningPart:
        """Start the program."""
        env = base_environment() | dict(self.env) | clock_skew.environment(self.skew_file)
        return await spawn(Command(argv=self.argv, env=env, cwd=self.cwd, log=self.log))

    async def wait_until_ready(self, running: RunningPart) -> None:
        """Return once `ready_url` answers 200. Raises `NotReady` if the program ends first.

        There is no time limit, because a service waits for as long as its broker is unavailable.
        """
        await wait_until_ready(self._is_ready, running, name=self.name, within_s=math.inf, log=str(self.log))

    async def _is_ready(self) -> bool:
        return await http_status(self.ready_url) == 200


@dataclass(frozen=True)
class PreparedPart:
    """A part that counts as ready only after `prepare` has run."""

    part: Part
    prepare: Callable[[], Awaitable[object]]

    @property
    def name(self) -> str:
        """The part's own name."""
        return self.part.name

    async def launch(self) -> RunningPart:
        """Start the part."""
        return await self.part.launch()

    async def wait_until_ready(self, running: RunningPart) -> None:
        """Return once the part is ready and prepared. Raises what either raises."""
        await self.part.wait_until_ready(running)
        await self.prepare()

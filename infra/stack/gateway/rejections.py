"""Notices that Envoy rejected an update of its configuration. It then continues with the old one."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field

from infra.stack.gateway.admin import Admin, Updates

CHECK_INTERVAL_S = 1.0


@dataclass
class Rejections:
    """Remembers which parts of the configuration were last rejected."""

    _known: dict[str, Updates] = field(default_factory=dict)
    """The numbers of updates when they were last read."""
    _rejected: set[str] = field(default_factory=set)

    @property
    def text(self) -> str:
        """Say what was rejected, for people. Empty if the current configuration was accepted."""
        if not self._rejected:
            return ""
        return f"rejected its new configuration ({', '.join(sorted(self._rejected))}) and uses the old one"

    async def watch(self, admin: Admin, is_ready: Callable[[], bool], on_change: Callable[[], None]) -> None:
        """Check every second, without end. Calls `on_change` whenever `text` has changed."""
        known = ""
        while True:
            if not is_ready():
                self.forget()
            with contextlib.suppress(OSError):
                await self.check(admin)
            if self.text != known:
                known = self.text
                on_change()
            await asyncio.sleep(CHECK_INTERVAL_S)

    async def check(self, admin: Admin) -> None:
        """Read Envoy's statistics. Raises `OSError` if it does not answer."""
        for name, updates in (await admin.updates()).items():
            known = self._known.get(name, Updates(0, 0))
            if updates.accepted != known.accepted:
                self._rejected.discard(name)
            if updates.rejected > known.rejected:
                self._rejected.add(name)
            self._known[name] = updates

    def forget(self) -> None:
        """Forget everything, because Envoy was started anew."""
        self._known.clear()
        self._rejected.clear()

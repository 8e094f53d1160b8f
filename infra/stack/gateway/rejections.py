"""Notices that Envoy rejected an update of its configuration. It then continues with the old one."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field

from infra.stack.gateway.admin import Admin

CHECK_INTERVAL_S = 1.0


@dataclass
class Rejections:
    """Remembers which parts of the configuration were last rejected."""

    _counts: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Numbers of rejected and of accepted updates when they were last read."""
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
        rejected, accepted = await admin.updates("rejected"), await admin.updates("success")
        for name, count in rejected.items():
            was_rejected, was_accepted = self._counts.get(name, (0, 0))
            if accepted.get(name, 0) != was_accepted:
                self._rejected.discard(name)
            if count > was_rejected:
                self._rejected.add(name)
            self._counts[name] = count, accepted.get(name, 0)

    def forget(self) -> None:
        """Forget everything, because Envoy was started anew."""
        self._counts.clear()
        self._rejected.clear()

"""What the house says of itself: who says and hears what, generated from the services' tables and the contracts."""

from infra.docs.wiring import Wired, read_wiring

__all__ = ["Wired", "read_wiring"]

"""A service as a table, and how it runs as a process."""

from marketplace_runtime.service.lifecycle import run
from marketplace_runtime.service.service import Service

__all__ = ["Service", "run"]

"""Defines what an invariant yields: the evidence of each violation, as JSON."""

from collections.abc import Iterator
from typing import Any

Findings = Iterator[dict[str, Any]]

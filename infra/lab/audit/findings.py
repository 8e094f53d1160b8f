"""What an invariant yields for each of its violations: the evidence, as JSON."""

from collections.abc import Iterator
from typing import Any

Findings = Iterator[dict[str, Any]]

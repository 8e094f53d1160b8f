"""HTTP: application, unit of work, idempotency, identity and problem documents."""

from marketplace_runtime.http.idempotency_table import forget_answers

__all__ = ["forget_answers"]

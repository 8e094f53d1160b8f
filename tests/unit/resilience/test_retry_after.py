"""Calls pause after an answer of 429 for as long as its Retry-After header says, within limits."""

from datetime import UTC, datetime

import pytest

from marketplace_runtime.resilience import parse_retry_after
from marketplace_runtime.resilience.callee import DEFAULT_RETRY_AFTER_S, MAX_RETRY_AFTER_S, MIN_RETRY_AFTER_S

NOW = datetime(2026, 11, 30, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [
        ("7", 7),
        (" 7 ", 7),
        ("0", MIN_RETRY_AFTER_S),
        ("86400", MAX_RETRY_AFTER_S),
        ("9" * 400, MAX_RETRY_AFTER_S),
        ("Mon, 30 Nov 2026 12:00:30 GMT", 30),
        ("Mon, 30 Nov 2026 11:00:00 GMT", MIN_RETRY_AFTER_S),
        ("Mon, 30 Nov 2099 12:00:00 GMT", MAX_RETRY_AFTER_S),
        ("Mon, 30 Nov 2026 12:00:30", DEFAULT_RETRY_AFTER_S),
        ("", DEFAULT_RETRY_AFTER_S),
        ("soon", DEFAULT_RETRY_AFTER_S),
        ("-5", DEFAULT_RETRY_AFTER_S),
        ("1.5", DEFAULT_RETRY_AFTER_S),
        ("\N{SUPERSCRIPT TWO}", DEFAULT_RETRY_AFTER_S),
    ],
)
def test_retry_after_is_read_as_seconds_or_a_date_within_bounds(retry_after: str, seconds: float) -> None:
    assert parse_retry_after(retry_after, NOW) == seconds

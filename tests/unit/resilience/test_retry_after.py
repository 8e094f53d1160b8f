"""Calls pause after an answer of 429 for as long as its Retry-After header says, within limits."""

from datetime import UTC, datetime

import pytest

from marketplace_runtime.resilience import wait_s
from marketplace_runtime.resilience.callee import DEFAULT_WAIT_S, LEAST_WAIT_S, LONGEST_WAIT_S

NOW = datetime(2026, 11, 30, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [
        ("7", 7),
        (" 7 ", 7),
        ("0", LEAST_WAIT_S),
        ("86400", LONGEST_WAIT_S),
        ("9" * 400, LONGEST_WAIT_S),
        ("Mon, 30 Nov 2026 12:00:30 GMT", 30),
        ("Mon, 30 Nov 2026 11:00:00 GMT", LEAST_WAIT_S),
        ("Mon, 30 Nov 2099 12:00:00 GMT", LONGEST_WAIT_S),
        ("Mon, 30 Nov 2026 12:00:30", DEFAULT_WAIT_S),
        ("", DEFAULT_WAIT_S),
        ("soon", DEFAULT_WAIT_S),
        ("-5", DEFAULT_WAIT_S),
        ("1.5", DEFAULT_WAIT_S),
        ("\N{SUPERSCRIPT TWO}", DEFAULT_WAIT_S),
    ],
)
def test_retry_after_is_read_as_seconds_or_a_date_within_bounds(retry_after: str, seconds: float) -> None:
    assert wait_s(retry_after, NOW) == seconds

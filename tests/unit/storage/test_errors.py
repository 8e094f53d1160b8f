"""What a database error means."""

import pytest
from sqlalchemy.exc import DBAPIError

from infra.storage import is_conflict, is_passing, is_unavailable


class Said(Exception):
    def __init__(self, sqlstate: str) -> None:
        self.sqlstate = sqlstate


@pytest.mark.parametrize(
    ("sqlstate", "unavailable", "conflict", "passing"),
    [
        ("08006", True, False, True),  # connection failure
        ("53300", True, False, True),  # too many connections
        ("57P01", True, False, True),  # administrator's command
        ("25006", True, False, True),  # read-only
        ("40P01", False, True, True),  # deadlock
        ("55P03", False, True, True),  # lock not available
        ("57014", False, False, True),  # cancelled by its timeout: in a handler, that is the handler's own affair
        ("22001", False, False, False),  # value too long
        ("42P01", False, False, False),  # no such table
    ],
)
def test_who_is_to_blame(sqlstate: str, unavailable: bool, conflict: bool, passing: bool) -> None:
    error = DBAPIError("select 1", {}, Said(sqlstate))
    assert (is_unavailable(error), is_conflict(error), is_passing(error)) == (unavailable, conflict, passing)

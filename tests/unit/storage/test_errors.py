"""Database errors are classified by what they mean for the work that they interrupted."""

import asyncio

import asyncpg
import pytest
from asyncpg.exceptions import _base
from sqlalchemy.exc import DBAPIError, InterfaceError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm.exc import StaleDataError

from marketplace_runtime.database import ErrorKind, classify_error, is_from_database
from marketplace_runtime.database.errors import KINDS_BY_SQLSTATE
from marketplace_runtime.database.locked_rows import RowLocked


class DriverError(Exception):
    def __init__(self, sqlstate: str) -> None:
        self.sqlstate = sqlstate


def refused(sqlstate: str) -> DBAPIError:
    return DBAPIError("select 1", {}, DriverError(sqlstate))


CODES = sorted(
    {
        each.sqlstate
        for each in vars(asyncpg).values()
        if isinstance(each, type) and issubclass(each, asyncpg.PostgresError) and each.sqlstate
    }
)
"""Every SQLSTATE that the client knows."""


@pytest.mark.parametrize(
    ("sqlstate", "kind"),
    [
        ("08006", ErrorKind.UNAVAILABLE),
        ("25006", ErrorKind.UNAVAILABLE),
        ("28P01", ErrorKind.UNAVAILABLE),
        ("3D000", ErrorKind.UNAVAILABLE),
        ("42501", ErrorKind.UNAVAILABLE),
        ("53100", ErrorKind.UNAVAILABLE),
        ("53300", ErrorKind.UNAVAILABLE),
        ("57P01", ErrorKind.UNAVAILABLE),
        ("57P03", ErrorKind.UNAVAILABLE),
        ("58030", ErrorKind.UNAVAILABLE),
        ("40001", ErrorKind.CONFLICT),
        ("40P01", ErrorKind.CONFLICT),
        ("23505", ErrorKind.CONFLICT),
        ("26000", ErrorKind.CONFLICT),
        ("55P03", ErrorKind.BUSY),
        ("57014", ErrorKind.BUSY),
        ("25P04", ErrorKind.BUSY),
        ("XX000", ErrorKind.BUSY),
        ("22001", ErrorKind.FAILED),
        ("23503", ErrorKind.FAILED),
        ("25P02", ErrorKind.FAILED),
        ("42P01", ErrorKind.FAILED),
        ("P0001", ErrorKind.FAILED),
    ],
)
def test_an_sqlstate_has_a_kind(sqlstate: str, kind: ErrorKind) -> None:
    assert classify_error(refused(sqlstate)) is kind


def test_only_errors_of_the_statement_or_its_data_are_failures() -> None:
    failed = {code[:2] for code in CODES if classify_error(refused(code)) is ErrorKind.FAILED}
    errors = failed - {"00", "01", "02"}  # success, warning, no data
    infrastructure = {"08", "26", "28", "3D", "40", "53", "57", "58", "72", "F0", "XX"}
    assert errors.isdisjoint(infrastructure)
    assert {"22", "23", "42", "54", "P0"} <= errors


def test_each_entry_of_the_table_is_an_existing_code_or_class() -> None:
    assert {each for each in KINDS_BY_SQLSTATE if len(each) == 5} <= {*CODES, "25P04"}
    assert {each for each in KINDS_BY_SQLSTATE if len(each) == 2} <= {code[:2] for code in CODES}


def test_errors_of_the_client_have_a_kind() -> None:
    lost = DBAPIError("select 1", {}, Exception("gone"), connection_invalidated=True)
    translated = Exception("bad")
    translated.__cause__ = _base.DataError("invalid input for query argument $1")
    refused_value = InterfaceError("select $1", {}, translated)
    kinds = {
        ErrorKind.UNAVAILABLE: [
            *(lost, InterfaceError("select 1", {}, Exception("connection is closed")), PoolTimeout("no connection")),
            *(
                asyncpg.InterfaceError("closed"),
                asyncpg.InternalClientError("cut"),
                ConnectionResetError(),
                TimeoutError(),
            ),
        ],
        ErrorKind.CONFLICT: [StaleDataError("0 rows"), asyncpg.InvalidCachedStatementError("the table was changed")],
        ErrorKind.BUSY: [RowLocked("a row")],
        ErrorKind.FAILED: [refused_value, _base.DataError("bad"), DBAPIError("x", {}, Exception()), LookupError()],
    }
    assert {kind: [classify_error(each) for each in errors] for kind, errors in kinds.items()} == {
        kind: [kind] * len(errors) for kind, errors in kinds.items()
    }


def test_a_handler_s_own_errors_are_distinguished_from_the_database_s() -> None:
    theirs = [refused("22001"), asyncpg.DeadlockDetectedError("x"), RowLocked("x"), StaleDataError("x")]
    own = [ConnectionResetError(), TimeoutError(), LookupError(), asyncio.QueueEmpty()]
    assert [is_from_database(each) for each in [*theirs, *own]] == [True] * len(theirs) + [False] * len(own)

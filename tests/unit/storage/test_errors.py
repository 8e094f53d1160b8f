"""Database errors are classified by what they mean for the work that they interrupted."""

import asyncio

import asyncpg
import pytest
from asyncpg.exceptions import _base
from sqlalchemy.exc import DBAPIError, InterfaceError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm.exc import StaleDataError

from marketplace_runtime.database import Verdict, is_from_database, verdict_on
from marketplace_runtime.database.errors import VERDICTS
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
    ("sqlstate", "verdict"),
    [
        ("08006", Verdict.UNAVAILABLE),
        ("25006", Verdict.UNAVAILABLE),
        ("28P01", Verdict.UNAVAILABLE),
        ("3D000", Verdict.UNAVAILABLE),
        ("42501", Verdict.UNAVAILABLE),
        ("53100", Verdict.UNAVAILABLE),
        ("53300", Verdict.UNAVAILABLE),
        ("57P01", Verdict.UNAVAILABLE),
        ("57P03", Verdict.UNAVAILABLE),
        ("58030", Verdict.UNAVAILABLE),
        ("40001", Verdict.CONFLICT),
        ("40P01", Verdict.CONFLICT),
        ("23505", Verdict.CONFLICT),
        ("26000", Verdict.CONFLICT),
        ("55P03", Verdict.BUSY),
        ("57014", Verdict.BUSY),
        ("25P04", Verdict.BUSY),
        ("XX000", Verdict.BUSY),
        ("22001", Verdict.FAILED),
        ("23503", Verdict.FAILED),
        ("25P02", Verdict.FAILED),
        ("42P01", Verdict.FAILED),
        ("P0001", Verdict.FAILED),
    ],
)
def test_an_sqlstate_has_a_verdict(sqlstate: str, verdict: Verdict) -> None:
    assert verdict_on(refused(sqlstate)) is verdict


def test_only_errors_of_the_statement_or_its_data_are_failures() -> None:
    failed = {code[:2] for code in CODES if verdict_on(refused(code)) is Verdict.FAILED}
    errors = failed - {"00", "01", "02"}  # success, warning, no data
    infrastructure = {"08", "26", "28", "3D", "40", "53", "57", "58", "72", "F0", "XX"}
    assert errors.isdisjoint(infrastructure)
    assert {"22", "23", "42", "54", "P0"} <= errors


def test_each_entry_of_the_table_is_an_existing_code_or_class() -> None:
    assert {each for each in VERDICTS if len(each) == 5} <= {*CODES, "25P04"}
    assert {each for each in VERDICTS if len(each) == 2} <= {code[:2] for code in CODES}


def test_errors_of_the_client_have_a_verdict() -> None:
    lost = DBAPIError("select 1", {}, Exception("gone"), connection_invalidated=True)
    translated = Exception("bad")
    translated.__cause__ = _base.DataError("invalid input for query argument $1")
    refused_value = InterfaceError("select $1", {}, translated)
    verdicts = {
        Verdict.UNAVAILABLE: [
            *(lost, InterfaceError("select 1", {}, Exception("connection is closed")), PoolTimeout("no connection")),
            *(
                asyncpg.InterfaceError("closed"),
                asyncpg.InternalClientError("cut"),
                ConnectionResetError(),
                TimeoutError(),
            ),
        ],
        Verdict.CONFLICT: [StaleDataError("0 rows"), asyncpg.InvalidCachedStatementError("the table was changed")],
        Verdict.BUSY: [RowLocked("a row")],
        Verdict.FAILED: [refused_value, _base.DataError("bad"), DBAPIError("x", {}, Exception()), LookupError()],
    }
    assert {verdict: [verdict_on(each) for each in errors] for verdict, errors in verdicts.items()} == {
        verdict: [verdict] * len(errors) for verdict, errors in verdicts.items()
    }


def test_a_handler_s_own_errors_are_distinguished_from_the_database_s() -> None:
    theirs = [refused("22001"), asyncpg.DeadlockDetectedError("x"), RowLocked("x"), StaleDataError("x")]
    own = [ConnectionResetError(), TimeoutError(), LookupError(), asyncio.QueueEmpty()]
    assert [is_from_database(each) for each in [*theirs, *own]] == [True] * len(theirs) + [False] * len(own)

"""Finds lost deadlines. What waits for a lost deadline would otherwise wait for ever."""

from typing import Any

import sqlalchemy as sa

from marketplace_runtime.events import Event

_scheduled = sa.table("scheduled", sa.column("type"), sa.column("subject"), schema="messaging")
_dead_letters = sa.table("dead_letters", sa.column("type"), sa.column("headers", sa.JSON), schema="messaging")
_dead_letters_subject = _dead_letters.c.headers["cloudEvents_subject"].as_string()


def is_deadline_lost(event: type[Event], subject: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
    """Return an SQL condition: no `event` with this subject is scheduled or stored as a dead letter.

    `subject` is a column of the query in which the condition is used.

    `Transaction.is_scheduled` checks a single subject in the same way.
    """
    key = sa.cast(subject, sa.Text)
    scheduled = sa.select(1).select_from(_scheduled).where(_scheduled.c.type == event.type, _scheduled.c.subject == key)
    dead = (
        sa.select(1).select_from(_dead_letters).where(_dead_letters.c.type == event.type, _dead_letters_subject == key)
    )
    return ~scheduled.exists() & ~dead.exists()

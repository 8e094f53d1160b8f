"""The story of a subject is searched only from the time in the subject's id on."""

from datetime import timedelta
from uuid import UUID

import pytest

from marketplace_runtime.database import MAX_CLOCK_AHEAD, new_id, time_of
from marketplace_runtime.service.story_queries import least_event_id

NIL = UUID(int=0)


def test_no_event_is_older_than_the_time_in_its_subject_s_id() -> None:
    id = new_id()
    floor = least_event_id(str(id))
    assert abs(time_of(floor) - (time_of(id) - MAX_CLOCK_AHEAD)) <= timedelta(milliseconds=1)


@pytest.mark.parametrize(
    "subject",
    ["ada", "0af76519-16cd-43dd-8448-eb211c80319c", "00000000-0000-7000-8000-000000000000"],
    ids=["no id", "an id without a time", "an id of the first moment"],
)
def test_other_subjects_may_be_of_any_age(subject: str) -> None:
    assert least_event_id(subject) == NIL


def test_a_time_beyond_the_range_of_dates_is_no_error() -> None:
    assert least_event_id("ffffffff-ffff-7fff-bfff-ffffffffffff") > NIL

"""The rules by which an endpoint receives events, is retried, rests, and is disabled."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.webhooks.domain import (
    MAX_MISSED_EVENTS,
    Answer,
    Delivery,
    Disabled,
    DisabledReason,
    Endpoint,
    Policy,
    State,
    TurnScheduled,
    matches,
    new_secret,
    pause,
)

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
POLICY = Policy(
    first_retry_pause=5 * SECOND, max_retry_pause=12 * HOUR, attempts=4, max_probe_pause=MINUTE, disable_after=HOUR
)


def an_endpoint(*events: str, everyones: bool = False) -> Endpoint:
    return Endpoint(uuid4(), "ada", "https://a.example/", list(events or "*"), everyones, NOON, new_secret())


def a_delivery() -> Delivery:
    return Delivery(uuid4(), uuid4(), "checkout.order-placed.v1", "{}", NOON, due_at=NOON)


def answer(status: int | None = None) -> Answer:
    return Answer(uuid4(), status, None if status else "no connection")


@pytest.mark.parametrize(
    ("pattern", "type", "expected"),
    [
        ("*", "checkout.order-placed.v1", True),
        ("checkout.*", "checkout.order-placed.v1", True),
        ("checkout.order-placed.*", "checkout.order-placed.v2", True),
        ("checkout.order-placed.v1", "checkout.order-placed.v1", True),
        ("checkout.order-placed.v1", "checkout.order-placed.v10", False),
        ("checkout.*", "catalog.price-changed.v1", False),
    ],
)
def test_a_pattern_matches_a_type_or_a_prefix_of_types(pattern: str, type: str, expected: bool) -> None:
    assert matches(pattern, type) is expected


@pytest.mark.parametrize("person", ["ada", "bob", None])
@pytest.mark.parametrize("public", [True, False])
@pytest.mark.parametrize("everyones", [True, False])
def test_an_endpoint_receives_no_events_about_other_persons(person: str | None, public: bool, everyones: bool) -> None:
    heard = an_endpoint(everyones=everyones).receives("checkout.order-placed.v1", person, public=public)
    assert heard is (public or everyones or person == "ada")


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_a_pause_grows_fourfold_with_a_limit_and_jitter(failures: int, jitter: float) -> None:
    full = min(12 * HOUR.total_seconds(), 5 * 4 ** (failures - 1))
    assert full / 2 <= pause(failures, 5 * SECOND, 12 * HOUR, jitter).total_seconds() <= full


def test_a_delivery_fails_after_its_last_attempt_and_may_be_sent_again() -> None:
    delivery = a_delivery()
    dues = []
    for _ in range(POLICY.attempts):
        assert delivery.state is State.PENDING
        delivery.record_answer(answer(500), NOON, POLICY, 0)
        dues.append(delivery.due_at)
    assert dues == [NOON + 5 * SECOND, NOON + 20 * SECOND, NOON + 80 * SECOND, None]
    assert (delivery.state, delivery.error, delivery.status) == (State.FAILED, "answered 500", 500)
    delivery.reschedule(NOON + HOUR)
    assert (delivery.state, delivery.due_at, delivery.attempts) == (State.PENDING, NOON + HOUR, 0)
    delivery.record_answer(answer(204), NOON + HOUR, POLICY, 0)
    assert (delivery.state, delivery.error) == (State.DELIVERED, None)


def test_a_late_answer_does_not_change_a_completed_delivery() -> None:
    delivery = a_delivery()
    delivery.record_answer(answer(200), NOON, POLICY, 0)
    delivery.record_answer(answer(500), NOON, POLICY, 0)
    assert (delivery.state, delivery.attempts) == (State.DELIVERED, 1)


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 404, 429, 500])
def test_only_2xx_is_a_success(status: int) -> None:
    assert not answer(status).accepted


def test_a_failing_endpoint_gets_one_request_after_each_rest() -> None:
    endpoint = an_endpoint()
    assert endpoint.max_concurrent_requests > 1
    rests = []
    for _ in range(5):
        endpoint.record_answers([answer()], NOON, POLICY, 0)
        assert endpoint.rests_until is not None
        rests.append((endpoint.rests_until - NOON).total_seconds())
    assert rests == [5, 20, 60, 60, 60]
    assert endpoint.max_concurrent_requests == 1
    endpoint.record_answers([answer(200)], NOON, POLICY, 0)
    assert (endpoint.rests_until, endpoint.failing_since) == (None, None)
    assert endpoint.max_concurrent_requests > 1


def test_one_failed_delivery_among_others_is_no_failure_of_the_endpoint() -> None:
    endpoint = an_endpoint()
    endpoint.record_answers([answer(200), answer(500)], NOON, POLICY, 0)
    assert endpoint.failures == 0


def test_an_endpoint_is_disabled_after_failing_without_a_success_for_the_limit() -> None:
    endpoint = an_endpoint()
    assert endpoint.record_answers([answer()], NOON, POLICY, 0) == []
    assert endpoint.record_answers([answer(500)], NOON + HOUR - SECOND, POLICY, 0) == []
    assert endpoint.record_answers([answer(500)], NOON + HOUR, POLICY, 0) == [Disabled(DisabledReason.FAILING)]
    assert endpoint.disabled is DisabledReason.FAILING
    assert endpoint.schedule_turn(NOON + HOUR, NOON + HOUR) == []
    assert endpoint.schedule_turn(NOON + HOUR, NOON + HOUR) == []
    assert endpoint.enable(NOON + HOUR) == [TurnScheduled(endpoint.turn, after=timedelta())]
    assert endpoint.receives("checkout.order-placed.v1", "ada", public=False)


def test_events_missed_while_disabled_are_counted_up_to_a_limit() -> None:
    endpoint = an_endpoint()
    endpoint.missed = MAX_MISSED_EVENTS - 2
    assert [endpoint.accept_missed_event() for _ in range(3)] == [True, True, False]
    assert endpoint.missed == MAX_MISSED_EVENTS


def test_enabling_an_endpoint_twice_schedules_no_second_turn() -> None:
    endpoint = an_endpoint()
    assert endpoint.schedule_turn(NOON, NOON)
    under_way = endpoint.turn
    assert endpoint.enable(NOON + SECOND) == []
    assert endpoint.schedule_turn(NOON + SECOND, NOON + SECOND) == []
    assert endpoint.turn == under_way


def test_enabling_an_endpoint_replaces_a_lost_turn() -> None:
    endpoint = an_endpoint()
    assert endpoint.schedule_turn(NOON, NOON)
    assert endpoint.schedule_turn(NOON + HOUR, NOON) == []
    assert endpoint.enable(NOON + HOUR) == [TurnScheduled(endpoint.turn, after=timedelta())]


def test_scheduling_a_turn_replaces_a_lost_one() -> None:
    endpoint = an_endpoint()
    assert endpoint.schedule_turn(NOON, NOON)
    assert endpoint.schedule_turn(NOON + 5 * MINUTE, NOON + 5 * MINUTE) == []
    lost = endpoint.turn
    assert endpoint.schedule_turn(NOON + HOUR, NOON + 6 * MINUTE) == [TurnScheduled(endpoint.turn, after=54 * MINUTE)]
    assert endpoint.turn != lost


def test_enabling_a_resting_endpoint_schedules_a_turn_at_once() -> None:
    endpoint = an_endpoint()
    endpoint.record_answers([answer()], NOON, POLICY, 0)
    assert endpoint.schedule_turn(NOON, NOON) == [TurnScheduled(endpoint.turn, after=5 * SECOND)]
    assert endpoint.enable(NOON) == [TurnScheduled(endpoint.turn, after=timedelta())]
    assert endpoint.turn_at == NOON


def test_an_answer_of_410_gone_disables_the_endpoint_at_once() -> None:
    endpoint, delivery = an_endpoint(), a_delivery()
    assert endpoint.record_answers([answer(200), answer(410)], NOON, POLICY, 0) == [Disabled(DisabledReason.GONE)]
    assert endpoint.disabled is DisabledReason.GONE
    delivery.record_answer(answer(410), NOON, POLICY, 0)
    assert delivery.state is State.FAILED


def test_only_an_earlier_turn_replaces_another_and_no_turn_interrupts_a_rest() -> None:
    endpoint = an_endpoint()
    assert endpoint.schedule_turn(NOON + HOUR, NOON) == [TurnScheduled(endpoint.turn, after=HOUR)]
    first = endpoint.turn
    assert endpoint.schedule_turn(NOON + HOUR, NOON) == []
    assert endpoint.schedule_turn(NOON, NOON)
    assert endpoint.turn != first
    endpoint.turn_at = None
    endpoint.record_answers([answer()], NOON, POLICY, 0)
    assert endpoint.schedule_turn(NOON, NOON)
    assert endpoint.turn_at == endpoint.rests_until


def test_both_secrets_sign_until_the_end_of_the_overlap() -> None:
    endpoint = an_endpoint()
    old = endpoint.secret
    endpoint.rotate_secret(NOON, HOUR)
    assert endpoint.secret != old
    assert endpoint.secrets_at(NOON + HOUR - SECOND) == [endpoint.secret, old]
    assert endpoint.secrets_at(NOON + HOUR) == [endpoint.secret]
    assert endpoint.old_secret is None


def test_neither_secret_nor_url_appears_in_logs() -> None:
    endpoint = an_endpoint()
    endpoint.rotate_secret(NOON, HOUR)
    assert "whsec_" not in repr(endpoint)
    assert "a.example" not in repr(endpoint)


def test_a_requested_rest_is_granted_even_if_other_deliveries_were_accepted() -> None:
    endpoint, delivery = an_endpoint(), a_delivery()
    busy = Answer(uuid4(), 429, retry_after=HOUR)
    delivery.record_answer(busy, NOON, POLICY, 0)
    assert delivery.due_at == NOON + HOUR
    endpoint.record_answers([answer(204), busy], NOON, POLICY, 0)
    assert (endpoint.failures, endpoint.rests_until) == (0, NOON + HOUR)


def test_a_requested_rest_shorter_than_our_own_changes_nothing() -> None:
    endpoint, delivery = an_endpoint(), a_delivery()
    busy = Answer(uuid4(), 503, retry_after=SECOND)
    delivery.record_answer(busy, NOON, POLICY, 0)
    endpoint.record_answers([busy], NOON, POLICY, 0)
    assert delivery.due_at == endpoint.rests_until == NOON + 5 * SECOND

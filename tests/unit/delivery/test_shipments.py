"""The rules of a shipment, one by one."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from delivery.domain import Address, Aim, Failure, NotItsCarrier, Place, Shipment, ShipmentChange, Status

NOW = datetime(2026, 1, 1, tzinfo=UTC)
WITHIN = timedelta(seconds=30)
DUE = NOW + WITHIN
JUST_NOW = DUE - timedelta(seconds=5)


def a_shipment() -> Shipment:
    return Shipment(uuid4(), uuid4(), "ada", NOW, DUE)


def an_asked_shipment(at: datetime = NOW) -> Shipment:
    shipment = a_shipment()
    assert shipment.ask_carrier(at) == "a"
    return shipment


def a_booked_shipment() -> Shipment:
    shipment = an_asked_shipment()
    assert shipment.booked("a", "T1") == []
    return shipment


def test_the_first_carrier_is_asked_first_and_the_second_after_its_certain_no():
    shipment = an_asked_shipment()
    assert shipment.not_booked("a") == [ShipmentChange.TO_BE_BOOKED]
    assert shipment.ask_carrier(NOW) == "b"


def test_after_both_said_no_the_next_round_waits_and_begins_with_the_first():
    shipment = an_asked_shipment()
    shipment.not_booked("a")
    shipment.ask_carrier(NOW)
    assert shipment.not_booked("b") == [ShipmentChange.REFUSED_BY_ALL_CARRIERS]
    assert shipment.ask_carrier(NOW) == "a"


def test_a_request_without_an_answer_is_repeated_to_the_same_carrier():
    shipment = an_asked_shipment()
    assert shipment.ask_carrier(NOW) == "a"
    assert shipment.doubtful


def test_a_no_after_a_lost_answer_closes_the_key_before_the_next_carrier_is_asked():
    shipment = an_asked_shipment()
    shipment.ask_carrier(NOW)
    assert shipment.not_booked("a") == [ShipmentChange.TO_BE_UNBOOKED]
    assert shipment.key_closed("a") == [ShipmentChange.TO_BE_BOOKED]
    assert (shipment.ask_carrier(NOW), shipment.doubtful) == ("b", False)
    assert shipment.not_booked("b") == [ShipmentChange.REFUSED_BY_ALL_CARRIERS]
    assert shipment.ask_carrier(NOW) == "b"


def test_a_shipment_whose_keys_are_closed_at_every_carrier_fails():
    shipment = an_asked_shipment()
    assert shipment.key_closed("a") == [ShipmentChange.TO_BE_BOOKED]
    shipment.ask_carrier(NOW)
    assert shipment.key_closed("b") == [ShipmentChange.FAILED]
    assert (shipment.status, shipment.failure) == (Status.FAILED, Failure.NO_CARRIER)


def test_a_booking_is_noted_with_its_tracking_code():
    shipment = a_booked_shipment()
    assert (shipment.status, shipment.carrier, shipment.tracking_code) == (Status.BOOKED, "a", "T1")


def test_what_no_carrier_was_asked_for_is_cancelled_at_once():
    shipment = a_shipment()
    assert shipment.cancel() == [ShipmentChange.CANCELLED]
    assert shipment.status is Status.CANCELLED


def test_what_may_be_booked_is_cancelled_once_its_carrier_has_forgotten_it():
    for shipment in (an_asked_shipment(), a_booked_shipment()):
        assert shipment.cancel() == [ShipmentChange.TO_BE_UNBOOKED]
        assert shipment.key_closed("a") == [ShipmentChange.CANCELLED]
        assert shipment.status is Status.CANCELLED


def test_a_booking_whose_answer_comes_after_the_cancellation_is_still_cancelled():
    shipment = an_asked_shipment()
    shipment.cancel()
    assert shipment.booked("a", "T1") == []
    assert shipment.status is Status.STOPPING
    assert shipment.key_closed("a") == [ShipmentChange.CANCELLED]
    assert shipment.booked("a", "T1") == []
    assert shipment.status is Status.CANCELLED


def test_a_no_to_the_only_request_settles_a_cancellation():
    shipment = an_asked_shipment()
    shipment.cancel()
    assert shipment.not_booked("a") == [ShipmentChange.CANCELLED]
    assert shipment.key_closed("a") == []


def test_a_parcel_that_has_left_is_not_cancelled():
    shipment = a_booked_shipment()
    shipment.cancel()
    assert shipment.left_already("a") == [ShipmentChange.CANCELLATION_REFUSED]
    assert shipment.dispatch("a", "T1", NOW) == [ShipmentChange.DISPATCHED]
    assert shipment.cancel() == [ShipmentChange.CANCELLATION_REFUSED]


def test_tracking_that_overtakes_the_carriers_refusal_to_stop_is_the_refusal():
    shipment = a_booked_shipment()
    shipment.cancel()
    assert shipment.dispatch("a", "T1", NOW) == [ShipmentChange.DISPATCHED, ShipmentChange.CANCELLATION_REFUSED]
    assert shipment.left_already("a") == []


def test_tracking_that_overtakes_the_bookings_answer_counts():
    shipment = an_asked_shipment()
    assert shipment.dispatch("a", "T1", NOW) == [ShipmentChange.DISPATCHED]
    assert shipment.booked("a", "T1") == []
    assert (shipment.status, shipment.tracking_code) == (Status.DISPATCHED, "T1")


def test_repeated_tracking_changes_nothing():
    shipment = a_booked_shipment()
    shipment.dispatch("a", "T1", NOW)
    assert shipment.dispatch("a", "T1", NOW) == []
    assert shipment.deliver("a", "T1", NOW) == [ShipmentChange.DELIVERED]
    assert shipment.deliver("a", "T1", NOW) == []
    assert shipment.dispatch("a", "T1", NOW) == []
    assert shipment.status is Status.DELIVERED


def test_what_was_delivered_had_been_dispatched():
    shipment = a_booked_shipment()
    assert shipment.deliver("a", "T1", NOW) == [ShipmentChange.DISPATCHED, ShipmentChange.DELIVERED]


@pytest.mark.parametrize("settle", [lambda shipment: shipment.cancel(), lambda shipment: shipment.ask_carrier(NOW)])
def test_tracking_by_another_carrier_is_not_believed(settle):
    shipment = a_shipment()
    settle(shipment)
    with pytest.raises(NotItsCarrier):
        shipment.dispatch("b", "T1", NOW)


def test_at_the_deadline_what_is_booked_goes_on():
    shipment = a_booked_shipment()
    assert shipment.look_at_deadline(DUE, WITHIN, has_address=True) == []
    assert shipment.status is Status.BOOKED


def test_at_the_deadline_a_shipment_that_every_carrier_refused_fails():
    shipment = an_asked_shipment(JUST_NOW)
    shipment.not_booked("a")
    assert shipment.look_at_deadline(DUE, WITHIN, has_address=True) == [ShipmentChange.FAILED]
    assert shipment.failure is Failure.NO_CARRIER


def test_at_the_deadline_a_shipment_without_an_address_fails():
    shipment = a_shipment()
    assert shipment.look_at_deadline(DUE, WITHIN, has_address=False) == [ShipmentChange.FAILED]
    assert shipment.failure is Failure.NO_ADDRESS


def test_at_the_deadline_what_may_be_booked_is_stopped_first():
    shipment = an_asked_shipment(JUST_NOW)
    assert shipment.look_at_deadline(DUE, WITHIN, has_address=True) == [ShipmentChange.TO_BE_UNBOOKED]
    assert shipment.key_closed("a") == [ShipmentChange.FAILED]


def test_what_left_before_it_could_be_given_up_goes_on():
    shipment = an_asked_shipment(JUST_NOW)
    shipment.look_at_deadline(DUE, WITHIN, has_address=True)
    assert shipment.left_already("a") == []
    assert (shipment.status, shipment.failure) == (Status.BOOKED, None)


def test_a_cancellation_while_it_is_given_up_is_answered_as_one():
    shipment = an_asked_shipment(JUST_NOW)
    shipment.look_at_deadline(DUE, WITHIN, has_address=True)
    assert shipment.cancel() == []
    assert shipment.key_closed("a") == [ShipmentChange.CANCELLED]
    assert shipment.failure is None


def test_the_deadline_also_ends_a_search_that_is_between_two_carriers():
    shipment = an_asked_shipment(JUST_NOW)
    shipment.rebook()
    assert shipment.look_at_deadline(DUE, WITHIN, has_address=True) == []
    assert shipment.aim is Aim.GIVE_UP
    assert shipment.key_closed("a") == [ShipmentChange.FAILED]


def test_a_deadline_that_passed_while_we_were_away_starts_again():
    shipment = an_asked_shipment()
    late = DUE + timedelta(seconds=60)
    assert shipment.look_at_deadline(late, WITHIN, has_address=True) == [
        ShipmentChange.DEADLINE_EXTENDED,
        ShipmentChange.TO_BE_BOOKED,
    ]
    assert shipment.due_at == late + WITHIN


@pytest.mark.parametrize("make", [a_shipment, an_asked_shipment])
def test_a_shipment_that_could_have_been_booked_but_was_not_tried_lately_gets_its_time(make):
    assert make().look_at_deadline(DUE, WITHIN, has_address=True) == [
        ShipmentChange.DEADLINE_EXTENDED,
        ShipmentChange.TO_BE_BOOKED,
    ]


def test_a_cancellation_that_came_before_its_order_leaves_a_shipment_that_never_will_be():
    shipment = Shipment.never_to_be(uuid4(), uuid4(), "ada", NOW)
    assert shipment.cancel() == []
    assert shipment.look_at_deadline(DUE, WITHIN, has_address=True) == []


def test_an_address_does_not_show_in_logs():
    assert "Lovelace" not in repr(Address("ada", Place("Ada Lovelace", "1 St", "London", "N1", "GB")))

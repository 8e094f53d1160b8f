"""The rules of a shipment."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from delivery.domain import Address, Aim, Failure, PostalAddress, Shipment, ShipmentChange, Status, WrongCarrier

NOW = datetime(2026, 1, 1, tzinfo=UTC)
WITHIN = timedelta(seconds=30)
DUE = NOW + WITHIN
JUST_NOW = DUE - timedelta(seconds=5)


def a_shipment() -> Shipment:
    return Shipment(uuid4(), uuid4(), "ada", NOW, DUE)


def an_asked_shipment(at: datetime = NOW) -> Shipment:
    shipment = a_shipment()
    assert shipment.choose_carrier(at) == "a"
    return shipment


def a_booked_shipment() -> Shipment:
    shipment = an_asked_shipment()
    assert shipment.record_booked("a", "T1") == []
    return shipment


def test_the_second_carrier_is_asked_after_the_first_certainly_refused():
    shipment = an_asked_shipment()
    assert shipment.record_not_booked("a") == [ShipmentChange.TO_BE_BOOKED]
    assert shipment.choose_carrier(NOW) == "b"


def test_after_both_carriers_refused_a_later_round_begins_with_the_first():
    shipment = an_asked_shipment()
    shipment.record_not_booked("a")
    shipment.choose_carrier(NOW)
    assert shipment.record_not_booked("b") == [ShipmentChange.REFUSED_BY_ALL_CARRIERS]
    assert shipment.choose_carrier(NOW) == "a"


def test_a_request_without_an_answer_is_repeated_to_the_same_carrier():
    shipment = an_asked_shipment()
    assert shipment.choose_carrier(NOW) == "a"
    assert shipment.doubtful


def test_a_refusal_after_a_lost_answer_closes_the_key_before_the_next_carrier_is_asked():
    shipment = an_asked_shipment()
    shipment.choose_carrier(NOW)
    assert shipment.record_not_booked("a") == [ShipmentChange.TO_BE_UNBOOKED]
    assert shipment.record_key_closed("a") == [ShipmentChange.TO_BE_BOOKED]
    assert (shipment.choose_carrier(NOW), shipment.doubtful) == ("b", False)
    assert shipment.record_not_booked("b") == [ShipmentChange.REFUSED_BY_ALL_CARRIERS]
    assert shipment.choose_carrier(NOW) == "b"


def test_a_shipment_whose_keys_are_closed_at_every_carrier_fails():
    shipment = an_asked_shipment()
    assert shipment.record_key_closed("a") == [ShipmentChange.TO_BE_BOOKED]
    shipment.choose_carrier(NOW)
    assert shipment.record_key_closed("b") == [ShipmentChange.FAILED]
    assert (shipment.status, shipment.failure) == (Status.FAILED, Failure.NO_CARRIER)


def test_a_booking_is_recorded_with_its_tracking_code():
    shipment = a_booked_shipment()
    assert (shipment.status, shipment.carrier, shipment.tracking_code) == (Status.BOOKED, "a", "T1")


def test_a_shipment_before_its_first_request_is_cancelled_at_once():
    shipment = a_shipment()
    assert shipment.cancel() == [ShipmentChange.CANCELLED]
    assert shipment.status is Status.CANCELLED


def test_a_shipment_that_may_be_booked_is_cancelled_after_its_key_is_closed():
    for shipment in (an_asked_shipment(), a_booked_shipment()):
        assert shipment.cancel() == [ShipmentChange.TO_BE_UNBOOKED]
        assert shipment.record_key_closed("a") == [ShipmentChange.CANCELLED]
        assert shipment.status is Status.CANCELLED


def test_a_booking_confirmed_after_the_cancellation_is_still_cancelled():
    shipment = an_asked_shipment()
    shipment.cancel()
    assert shipment.record_booked("a", "T1") == []
    assert shipment.status is Status.STOPPING
    assert shipment.record_key_closed("a") == [ShipmentChange.CANCELLED]
    assert shipment.record_booked("a", "T1") == []
    assert shipment.status is Status.CANCELLED


def test_a_refusal_of_the_only_request_completes_a_cancellation():
    shipment = an_asked_shipment()
    shipment.cancel()
    assert shipment.record_not_booked("a") == [ShipmentChange.CANCELLED]
    assert shipment.record_key_closed("a") == []


def test_a_cancellation_is_refused_once_the_parcel_has_left():
    shipment = a_booked_shipment()
    shipment.cancel()
    assert shipment.record_already_dispatched("a") == [ShipmentChange.CANCELLATION_REFUSED]
    assert shipment.dispatch("a", "T1", NOW) == [ShipmentChange.DISPATCHED]
    assert shipment.cancel() == [ShipmentChange.CANCELLATION_REFUSED]


def test_tracking_that_arrives_before_the_carrier_s_refusal_refuses_the_cancellation():
    shipment = a_booked_shipment()
    shipment.cancel()
    assert shipment.dispatch("a", "T1", NOW) == [ShipmentChange.DISPATCHED, ShipmentChange.CANCELLATION_REFUSED]
    assert shipment.record_already_dispatched("a") == []


def test_tracking_that_arrives_before_the_booking_s_answer_is_recorded():
    shipment = an_asked_shipment()
    assert shipment.dispatch("a", "T1", NOW) == [ShipmentChange.DISPATCHED]
    assert shipment.record_booked("a", "T1") == []
    assert (shipment.status, shipment.tracking_code) == (Status.DISPATCHED, "T1")


def test_repeated_tracking_changes_nothing():
    shipment = a_booked_shipment()
    shipment.dispatch("a", "T1", NOW)
    assert shipment.dispatch("a", "T1", NOW) == []
    assert shipment.deliver("a", "T1", NOW) == [ShipmentChange.DELIVERED]
    assert shipment.deliver("a", "T1", NOW) == []
    assert shipment.dispatch("a", "T1", NOW) == []
    assert shipment.status is Status.DELIVERED


def test_a_delivery_without_an_earlier_dispatch_records_both():
    shipment = a_booked_shipment()
    assert shipment.deliver("a", "T1", NOW) == [ShipmentChange.DISPATCHED, ShipmentChange.DELIVERED]


@pytest.mark.parametrize("settle", [lambda shipment: shipment.cancel(), lambda shipment: shipment.choose_carrier(NOW)])
def test_tracking_from_another_carrier_is_rejected(settle):
    shipment = a_shipment()
    settle(shipment)
    with pytest.raises(WrongCarrier):
        shipment.dispatch("b", "T1", NOW)


def test_the_deadline_does_not_change_a_booked_shipment():
    shipment = a_booked_shipment()
    assert shipment.check_deadline(DUE, WITHIN, has_address=True) == []
    assert shipment.status is Status.BOOKED


def test_at_the_deadline_a_shipment_that_every_carrier_refused_fails():
    shipment = an_asked_shipment(JUST_NOW)
    shipment.record_not_booked("a")
    assert shipment.check_deadline(DUE, WITHIN, has_address=True) == [ShipmentChange.FAILED]
    assert shipment.failure is Failure.NO_CARRIER


def test_at_the_deadline_a_shipment_without_an_address_fails():
    shipment = a_shipment()
    assert shipment.check_deadline(DUE, WITHIN, has_address=False) == [ShipmentChange.FAILED]
    assert shipment.failure is Failure.NO_ADDRESS


def test_at_the_deadline_a_shipment_that_may_be_booked_is_stopped_first():
    shipment = an_asked_shipment(JUST_NOW)
    assert shipment.check_deadline(DUE, WITHIN, has_address=True) == [ShipmentChange.TO_BE_UNBOOKED]
    assert shipment.record_key_closed("a") == [ShipmentChange.FAILED]


def test_a_parcel_that_left_before_it_was_stopped_continues():
    shipment = an_asked_shipment(JUST_NOW)
    shipment.check_deadline(DUE, WITHIN, has_address=True)
    assert shipment.record_already_dispatched("a") == []
    assert (shipment.status, shipment.failure) == (Status.BOOKED, None)


def test_a_cancellation_while_the_shipment_is_being_stopped_is_confirmed():
    shipment = an_asked_shipment(JUST_NOW)
    shipment.check_deadline(DUE, WITHIN, has_address=True)
    assert shipment.cancel() == []
    assert shipment.record_key_closed("a") == [ShipmentChange.CANCELLED]
    assert shipment.failure is None


def test_the_deadline_also_ends_a_shipment_that_is_between_two_carriers():
    shipment = an_asked_shipment(JUST_NOW)
    shipment.rebook()
    assert shipment.check_deadline(DUE, WITHIN, has_address=True) == []
    assert shipment.aim is Aim.GIVE_UP
    assert shipment.record_key_closed("a") == [ShipmentChange.FAILED]


def test_a_deadline_that_passed_during_our_outage_starts_again():
    shipment = an_asked_shipment()
    late = DUE + timedelta(seconds=60)
    assert shipment.check_deadline(late, WITHIN, has_address=True) == [
        ShipmentChange.DEADLINE_EXTENDED,
        ShipmentChange.TO_BE_BOOKED,
    ]
    assert shipment.due_at == late + WITHIN


@pytest.mark.parametrize("make", [a_shipment, an_asked_shipment])
def test_a_shipment_with_an_address_but_without_a_recent_attempt_gets_a_new_deadline(make):
    assert make().check_deadline(DUE, WITHIN, has_address=True) == [
        ShipmentChange.DEADLINE_EXTENDED,
        ShipmentChange.TO_BE_BOOKED,
    ]


def test_a_cancellation_that_arrived_before_its_order_leaves_a_cancelled_shipment():
    shipment = Shipment.cancelled_before_order(uuid4(), uuid4(), "ada", NOW)
    assert shipment.cancel() == []
    assert shipment.check_deadline(DUE, WITHIN, has_address=True) == []


def test_an_address_does_not_appear_in_logs():
    assert "Lovelace" not in repr(Address("ada", PostalAddress("Ada Lovelace", "1 St", "London", "N1", "GB")))

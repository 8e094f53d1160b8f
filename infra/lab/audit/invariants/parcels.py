"""Defines the invariants of parcels, checked against the carriers' own ledgers."""

from collections import Counter

from infra.lab.audit.evidence import Evidence
from infra.lab.audit.findings import Findings

KINDS = ("booking", "cancellation", "dispatch", "delivery")


def shipped_once(evidence: Evidence) -> Findings:
    """One parcel was dispatched and delivered for each order that was kept, and none for any other order.

    A kept order was confirmed and not cancelled afterwards."""
    for order_id in evidence.carrier_entries_by_order.keys() | evidence.order_histories.keys():
        history = evidence.order_histories.get(order_id)
        kinds = Counter(entry.kind for entry in evidence.carrier_entries_by_order.get(order_id, []))
        kept = int(history is not None and history.stayed_confirmed)
        if (kinds["dispatch"], kinds["delivery"]) != (kept, kept):
            counts = {"dispatched": kinds["dispatch"], "delivered": kinds["delivery"]}
            yield {"order_id": order_id, "status": history.status if history else "unknown", **counts}


def one_carrier_at_a_time(evidence: Evidence) -> Findings:
    """No parcel was ever booked with two carriers, or under two keys, at the same time."""
    for order_id, entries in evidence.carrier_entries_by_order.items():
        booked: set[str] = set()
        for entry in entries:
            if entry.kind == "booking":
                booked.add(entry.key)
            elif entry.kind == "cancellation":
                booked.discard(entry.key)
            if len(booked) > 1:
                yield {"order_id": order_id, "booked_under": sorted(booked)}
                break


def shipments_follow_carriers(evidence: Evidence) -> Findings:
    """Every order that was ever confirmed has one shipment, whose status matches the carriers' ledgers.

    A cancelled or failed shipment has no booking at any carrier. Its row has neither a carrier nor a tracking
    code."""
    confirmed = {
        order_id for order_id, history in evidence.order_histories.items() if "confirmed" in history.entry_types
    }
    for order_id in confirmed | evidence.delivery.shipments.keys():
        shipment = evidence.delivery.shipments.get(order_id)
        entries = evidence.carrier_entries_by_order.get(order_id, [])
        kinds = {entry.kind for entry in entries}
        cancelled = {entry.key for entry in entries if entry.kind == "cancellation"}
        booked = {entry.key for entry in entries if entry.kind == "booking"} - cancelled
        ledger_status = "delivered" if "delivery" in kinds else "dispatched" if "dispatch" in kinds else None
        status = shipment["status"] if shipment else None
        stopped = status in ("cancelled", "failed") and ledger_status is None and not booked
        keeps_carrier = stopped and shipment is not None and (shipment["carrier"] or shipment["tracking_code"])
        failure_mismatch = shipment is not None and bool(shipment["failure"]) != (status == "failed")
        if (
            order_id not in confirmed
            or failure_mismatch
            or keeps_carrier
            or not (stopped or (status is not None and status == ledger_status))
        ):
            details = {"shipment": status, "carriers": ledger_status, "booked_under": sorted(booked)}
            yield {"order_id": order_id, **details, "confirmed": order_id in confirmed}


def parcels_are_of_their_orders(evidence: Evidence) -> Findings:
    """Every entry of a carrier's ledger has the key of its order's only shipment at that carrier."""
    for order_id, entries in evidence.carrier_entries_by_order.items():
        shipment = evidence.delivery.shipments.get(order_id, {}).get("shipment_id")
        for entry in entries:
            if entry.kind not in KINDS or entry.key != f"{shipment}:{entry.carrier}":
                yield {"order_id": order_id, "carrier": entry.carrier, "kind": entry.kind, "key": entry.key}


def parcels_go_where_ordered(evidence: Evidence) -> Findings:
    """A parcel goes to the address of its order's checkout, unless the customer's address was erased afterwards."""
    erased = {published.subject for published in evidence.events_named("delivery.address-erased")}
    for order_id, shipment in evidence.delivery.shipments.items():
        history, to = evidence.order_histories.get(order_id), shipment["address_id"]
        # an order from before address ids existed, or one that was stopped before it had an address
        if history is None or None in (history.address_id, to):
            continue
        if history.address_id != to and history.customer not in erased:
            yield {"order_id": order_id, "ordered_to": history.address_id, "goes_to": to}


def parcels_are_told(evidence: Evidence) -> Findings:
    """Delivery published exactly one event for each dispatch and delivery in the carriers' ledgers, and no others."""
    kinds = {"dispatch": "delivery.shipment-dispatched", "delivery": "delivery.shipment-delivered"}
    published = Counter((event.subject, event.name) for event in evidence.events_named(*kinds.values()))
    done = Counter(
        (order_id, kinds[entry.kind])
        for order_id, entries in evidence.carrier_entries_by_order.items()
        for entry in entries
        if entry.kind in kinds
    )
    for order_id, type in published.keys() | done.keys():
        if published[order_id, type] != done[order_id, type]:
            yield {
                "order_id": order_id,
                "type": type,
                "said": published[order_id, type],
                "ledger": done[order_id, type],
            }


def addresses_are_known(evidence: Evidence) -> Findings:
    """At rest, cart and checkout have the ids of exactly those addresses that delivery has."""
    for service, copies in (("cart", evidence.cart.addresses), ("checkout", evidence.checkout.addresses)):
        for customer in evidence.delivery.addresses.keys() | copies.keys():
            there, known = (each.get(customer, {}).get("address_id") for each in (evidence.delivery.addresses, copies))
            if there != known:
                yield {"customer": customer, "delivery_has": there, f"{service}_knows": known}

"""The verdict is pass, fail or unknown. Unreadable or insufficient evidence never passes."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from unittest.mock import MagicMock
from uuid import UUID

import pika
import pytest

from infra.lab.audit import INVARIANTS, Fault, MinimumActivity, Sources, Unreadable
from infra.lab.audit import log as log_reading
from infra.lab.audit.evidence import Evidence, Mail, Unlogged
from infra.lab.audit.invariants.stock import possible_sums
from infra.lab.audit.judge import judge
from infra.lab.audit.log import InvalidMessage, Log
from infra.lab.audit.record import CheckoutRequest, QuantityChange, Restock, read_record
from tests.unit.audit.world import ADA, KEPT, LAMP, START, a_world, event_about, event_id

ONCE = MinimumActivity()
CHECKED_OUT = "cart.cart-checked-out"


def with_fault(found: Evidence, fault: Fault) -> Evidence:
    return replace(found, record=replace(found.record, faults=(fault,)))


# -- unreadable sources -------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", sorted({need for invariant in INVARIANTS for need in invariant.needs}))
def test_an_unreadable_source_makes_the_verdict_unknown(source: str) -> None:
    found = judge(replace(a_world(), unread={source: "ConnectionRefusedError()"}), ONCE)
    assert found.verdict == "unknown"
    assert found.unknown == (f"{source} could not be read: ConnectionRefusedError()",)
    assert found.violations == ()
    skipped = {invariant.id for invariant in INVARIANTS if source in invariant.needs}
    assert skipped
    assert set(found.checked) == {invariant.id for invariant in INVARIANTS} - skipped


def test_a_violation_fails_even_if_another_source_is_unreadable() -> None:
    broken = replace(a_world(), payments=(), unread={"log": "gone"})
    assert judge(broken, ONCE).verdict == "fail"


def damaged(found: Evidence) -> Evidence:
    """Remove from the kept order's journal which provider was asked."""
    journal = tuple(
        replace(each, data={name: value for name, value in each.data.items() if name != "provider"})
        for each in found.checkout.journal[KEPT]
    )
    return replace(found, checkout=replace(found.checkout, journal={**found.checkout.journal, KEPT: journal}))


def test_damaged_evidence_makes_the_verdict_unknown() -> None:
    found = judge(damaged(a_world()), ONCE)
    assert (found.verdict, found.violations) == ("unknown", ())
    assert "journals-are-lawful could not be checked: KeyError('provider')" in found.unknown
    assert "journals-are-lawful" not in found.checked
    assert {"queues-are-empty", "one-id-one-body"} <= set(found.checked)


def test_a_violation_fails_even_if_other_evidence_is_damaged() -> None:
    broken = damaged(a_world())
    found = judge(replace(broken, queues=(replace(broken.queues[0], ready=1),)), ONCE)
    assert (found.verdict, [each.invariant for each in found.violations]) == ("fail", ["queues-are-empty"])


def test_evidence_that_changed_while_it_was_read_makes_the_verdict_unknown() -> None:
    found = judge(replace(a_world(), payments=(), unread={"the state at rest": "it moved"}), ONCE)
    assert (found.verdict, found.violations, found.checked) == ("unknown", (), ())


def test_every_invariant_has_a_unique_name_and_needs_existing_evidence() -> None:
    assert len({invariant.id for invariant in INVARIANTS}) == len(INVARIANTS)
    for invariant in INVARIANTS:
        assert set(invariant.needs) <= set(Evidence.__dataclass_fields__), invariant.id


# -- insufficient evidence ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "minimum", [MinimumActivity(orders=7), MinimumActivity(rejected=2), MinimumActivity(contended=2)]
)
def test_too_little_traffic_makes_the_verdict_unknown(minimum: MinimumActivity) -> None:
    found = judge(a_world(), minimum)
    assert found.verdict == "unknown"
    assert "too little activity" in found.unknown[0]
    assert ("only orders of simulated shoppers are recorded" in found.unknown[0]) is (minimum.orders == 7)


def test_a_fault_that_did_not_bite_makes_the_verdict_unknown() -> None:
    fault = Fault("kill", "cart", 0, 1, effect_observed=False)
    assert judge(with_fault(a_world(), fault), ONCE).verdict == "unknown"
    assert judge(with_fault(a_world(), replace(fault, effect_observed=True)), ONCE).verdict == "pass"


def test_earlier_orders_and_faults_do_not_count() -> None:
    without_bite = with_fault(a_world(), Fault("kill", "cart", 0, 1, effect_observed=False))
    only_later = replace(ONCE, since=START.timestamp() + 3600)
    found = judge(without_bite, only_later)
    assert found.verdict == "unknown"
    assert [why.partition(":")[0] for why in found.unknown] == ["too little activity"]
    assert found.counts["accepted"] > 0
    assert judge(without_bite, replace(only_later, orders=0)).verdict == "pass"


# -- what is allowed, and counted ---------------------------------------------------------------------------


def twice(found: Evidence) -> Evidence:
    """Add a second copy of one mail, ten minutes later."""
    return replace(found, mails=(*found.mails, replace(found.mails[0], at=START + timedelta(minutes=10))))


@pytest.mark.parametrize(
    ("kind", "part", "after_s", "verdict"),
    [
        ("kill", "notifications.1", 1, "pass"),
        ("lost-answers", "mail", -3, "pass"),
        ("reset", "notifications:db", 10, "pass"),
        ("kill", "checkout", 1, "fail"),
        ("duplicated", "notifications", 1, "fail"),  # the inbox has to prevent that
        ("errors", "mail", 1, "fail"),  # the mail server answered that it accepted nothing
        ("hang", "mail", 1, "fail"),  # the mail server accepts nothing
        ("reset", "notifications:broker", 1, "fail"),
        ("kill", "notifications", -60, "fail"),  # before it was sent
        ("kill", "notifications", 300, "fail"),  # long after it must have been recorded
    ],
)
def test_a_mail_may_be_repeated_only_because_of_a_fault_while_it_was_sent(
    kind: str, part: str, after_s: float, verdict: str
) -> None:
    world = twice(a_world())
    began = world.mails[0].at.timestamp() + after_s
    found = judge(with_fault(world, Fault(kind, part, began, began + 5)), ONCE)
    assert found.verdict == verdict
    assert found.counts["mails_repeated"] == 1


@pytest.mark.parametrize(
    ("kind", "part", "recorded_s", "verdict"),
    [
        ("kill", "notifications.1", 1, "fail"),  # a killed process sends nothing
        ("kill", "notifications.1", 601, "pass"),
        ("kill", "outside", 1, "fail"),
        ("lost-answers", "mail", 1, "fail"),
        ("pause", "notifications.1", 1, "pass"),  # its copy may have been on its way while another replica sent one
        ("black-hole", "mail", 1, "pass"),
        ("terminated-sessions", "notifications-db", 1, "pass"),
    ],
)
def test_a_mail_recorded_as_sent_may_be_repeated_only_if_a_fault_delayed_it(
    kind: str, part: str, recorded_s: float, verdict: str
) -> None:
    world = twice(a_world())
    first = world.mails[0]
    key = (str(first.about), str(first.kind))
    row = {**world.notifications[key], "sent_at": first.at + timedelta(seconds=recorded_s)}
    began = first.at.timestamp() + 0.5
    recorded = replace(world, notifications={**world.notifications, key: row})
    assert judge(with_fault(recorded, Fault(kind, part, began, began)), ONCE).verdict == verdict


def malformed(found: Evidence, *, user: str | None = None, after_s: float = 98) -> Evidence:
    found.log.invalid_messages.append(InvalidMessage("cart.events", "3 bytes", user, START.timestamp() + after_s))
    return dead(found, None, publisher=user, at_s=after_s)


def poisoned(found: Evidence) -> Evidence:
    event = replace(event_about(KEPT, "cart.cart-checked-out", 99), raw=b"{}", digests={b"{}"})
    found.log.events[event.id, event.type] = event
    return dead(found, event.id)


def dead(found: Evidence, event_id: UUID | None, *, publisher: str | None = None, at_s: float = 99) -> Evidence:
    """Add a dead letter of the only subscription that consumes the event."""
    row = {"subscription": "carts", "type": None, "event_id": event_id, "reason": "invalid-body", "error": ""}
    row |= {"publisher": publisher, "filed_at": START + timedelta(seconds=at_s)}
    checkout = replace(found.messaging_tables["checkout"], dead=(row,))
    return replace(found, messaging_tables={**found.messaging_tables, "checkout": checkout})


@pytest.mark.parametrize("inject", [malformed, poisoned])
def test_messages_injected_by_a_fault_are_counted_and_others_are_violations(
    inject: Callable[[Evidence], Evidence],
) -> None:
    kind = {malformed: "malformed", poisoned: "poison"}[inject]
    since = START.timestamp() + 98
    found = inject(a_world())
    for unexplained in (found, with_fault(found, Fault(kind, "delivery", since, since + 2))):
        assert "events-are-authentic" in {each.invariant for each in judge(unexplained, ONCE).violations}
    explained = judge(with_fault(found, Fault(kind, "cart", since, since + 2)), ONCE)
    assert (explained.verdict, explained.counts["injected"], explained.counts["dead"]) == ("pass", 1, 1)


def test_poison_from_outside_the_time_of_its_fault_is_a_violation() -> None:
    since = START.timestamp()
    found = judge(with_fault(poisoned(a_world()), Fault("poison", "cart", since + 10, since + 20)), ONCE)
    assert {each.invariant for each in found.violations} == {
        *("events-are-authentic", "said-is-in-the-outbox", "nothing-died")
    }


@pytest.mark.parametrize(
    ("user", "after_s", "noticed"),
    [
        ("cart", 98, {"events-are-authentic", "nothing-died"}),  # the service's own message
        (None, 120, {"events-are-authentic"}),  # published after the fault, but a dead letter may be stored so late
        (
            None,
            80,
            {"nothing-died"},
        ),  # stored before the fault; the log may have a message later than it was published
    ],
)
def test_a_malformed_message_is_allowed_only_without_a_user_and_during_its_fault(
    user: str | None, after_s: float, noticed: set[str]
) -> None:
    since = START.timestamp() + 98
    found = malformed(a_world(), user=user, after_s=after_s)
    verdict = judge(with_fault(found, Fault("malformed", "cart", since, since + 2)), ONCE)
    assert {each.invariant for each in verdict.violations} == noticed


def test_a_malformed_message_has_its_publisher_and_the_time_of_the_event_before_it() -> None:
    log = Log()
    headers = {
        "cloudEvents_id": str(event_id(1)),
        "cloudEvents_type": "cart.cart-checked-out.v1",
        "cloudEvents_subject": KEPT,
        "cloudEvents_time": START.isoformat(),
    }
    for user in (None, "cart"):
        log.add("cart.events", pika.BasicProperties(user_id=user), b"{")
        log.add("cart.events", pika.BasicProperties(headers=headers, user_id="cart"), b"{}")
    found = [(each.publisher, each.user, each.published_after) for each in log.invalid_messages]
    assert found == [("cart", None, 0.0), ("cart", "cart", START.timestamp())]


def discarded(found: Evidence) -> Evidence:
    """Discard all dead letters in a person's name, and mark them as handled in the inbox."""
    messaging_tables = found.messaging_tables["checkout"]
    rows = tuple(
        {**row, "by": "olga", "note": "rubbish", "at": START + timedelta(hours=1)} for row in messaging_tables.dead
    )
    inbox = messaging_tables.inbox | {(row["subscription"], row["event_id"]) for row in messaging_tables.dead}
    return replace(
        found,
        messaging_tables={
            **found.messaging_tables,
            "checkout": replace(messaging_tables, dead=(), discarded=rows, inbox=inbox),
        },
    )


def test_a_discarded_dead_letter_makes_the_verdict_unknown() -> None:
    [event] = [each for each in a_world().log.events.values() if (each.subject, each.name) == (KEPT, CHECKED_OUT)]
    found = discarded(dead(a_world(), event.id))
    verdict = judge(found, ONCE)
    assert (verdict.verdict, verdict.counts["discarded"], verdict.counts["dead"]) == ("unknown", 1, 0)
    [why] = verdict.unknown
    assert why == "dead letters of checkout.carts discarded by olga, not injected by a fault: 1 (rubbish)"
    only_later = MinimumActivity(orders=0, since=START.timestamp() + 2 * 3600)
    assert judge(found, only_later).verdict == "pass"


@pytest.mark.parametrize("inject", [malformed, poisoned])
def test_a_message_injected_by_a_fault_may_be_discarded(inject: Callable[[Evidence], Evidence]) -> None:
    kind = {malformed: "malformed", poisoned: "poison"}[inject]
    since = START.timestamp() + 98
    found = judge(with_fault(discarded(inject(a_world())), Fault(kind, "cart", since, since + 2)), ONCE)
    assert (found.verdict, found.counts["discarded"], found.counts["injected"]) == ("pass", 1, 1)


def test_a_lost_answer_may_mean_one_order_or_none() -> None:
    found = a_world()
    checkout_requests = {**found.record.checkout_requests, "1": CheckoutRequest(ADA)}
    assert (
        judge(replace(found, record=replace(found.record, checkout_requests=checkout_requests)), ONCE).verdict == "pass"
    )
    checkout_requests = {**found.record.checkout_requests, "7": CheckoutRequest(ADA)}
    assert (
        judge(replace(found, record=replace(found.record, checkout_requests=checkout_requests)), ONCE).verdict == "pass"
    )


def test_a_restock_with_a_lost_answer_may_count_or_not() -> None:
    found = a_world()
    restocks = {**found.record.restocks, "8": Restock(LAMP, 7)}
    without = replace(found, record=replace(found.record, restocks=restocks))
    assert judge(without, ONCE).verdict == "pass"
    products = {**found.catalog.products, LAMP: {**found.catalog.products[LAMP], "on_hand": 9 + 7}}
    assert judge(replace(without, catalog=replace(found.catalog, products=products)), ONCE).verdict == "pass"
    products = {**products, LAMP: {**products[LAMP], "on_hand": 9 + 6}}
    assert judge(replace(without, catalog=replace(found.catalog, products=products)), ONCE).verdict == "fail"
    assert possible_sums([7, 2]) == {0, 2, 7, 9}


# -- gaps in the log after the broker died -------------------------------------------------------------------


def with_gap(found: Evidence, type: str = "cart.cart-checked-out.v1", *, handled: bool = True) -> Evidence:
    """Remove an event of the kept order from the log, although it was confirmed. Its consumer handles it 20 s later."""
    [event] = [each for each in found.log.events.values() if (each.subject, each.type) == (KEPT, type)]
    del found.log.events[event.id, event.type]
    inbox = {("checkout", "carts"): event.at + timedelta(seconds=20)} if handled and type.startswith("cart") else {}
    return replace(found, unlogged=(Unlogged(replace(event, copies=0), inbox),))


def test_a_gap_in_the_log_explained_by_the_broker_s_death_is_counted() -> None:
    began = START.timestamp() + 5
    for type in ("cart.cart-checked-out.v1", "delivery.shipment-scheduled.v1"):
        for kind in ("kill", "stop", "restart"):
            found = judge(with_fault(with_gap(a_world(), type), Fault(kind, "broker", began, began + 10)), ONCE)
            assert (found.verdict, found.counts["log_gaps"], found.violations) == ("pass", 1, ())


@pytest.mark.parametrize("type", ["checkout.order-delivered.v1", "cart.cart-checked-out.v1"])
def test_a_gap_is_explained_only_if_the_broker_died_soon_after_the_event_was_handled(type: str) -> None:
    found = with_gap(a_world(), type)
    [lost] = found.unlogged
    last = max(lost.handled.values(), default=lost.published.at).timestamp()
    for after_s, verdict in ((0.04, "pass"), (7.9, "pass"), (8.1, "fail")):
        died = with_fault(found, Fault("kill", "broker", last + after_s, last + after_s + 10))
        assert judge(died, ONCE).verdict == verdict, after_s


@pytest.mark.parametrize(
    ("fault", "handled"),
    [
        (None, True),
        (Fault("kill", "broker", 5, 15), False),
        (Fault("kill", "cart", 5, 15), True),
        (Fault("pause", "broker", 5, 15), True),
        (Fault("kill", "broker", 30, 40), True),
        (Fault("kill", "broker", -40, -11), True),
    ],
    ids=["no fault", "a subscription missed it", "another part", "it lived", "later", "before"],
)
def test_any_other_gap_in_the_log_is_a_violation(fault: Fault | None, handled: bool) -> None:
    found = with_gap(a_world(), handled=handled)
    if fault is not None and fault.ended is not None:
        at = START.timestamp()
        found = with_fault(found, replace(fault, began=at + fault.began, ended=at + fault.ended))
    verdict = judge(found, ONCE)
    assert "said-is-in-the-outbox" in {each.invariant for each in verdict.violations}
    assert verdict.counts["log_gaps"] == 0


@pytest.mark.parametrize("source", ["queues", "record"])
def test_no_gap_is_explained_by_a_source_that_cannot_be_read(source: str) -> None:
    began = START.timestamp()
    found = with_fault(with_gap(a_world()), Fault("kill", "broker", began, began + 10))
    assert judge(replace(found, unread={source: "gone"}), ONCE).counts["log_gaps"] == 0


# -- reading the record and the log -------------------------------------------------------------------------


def test_the_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "record.jsonl"
    lines: list[dict[str, object]] = [
        {"did": "list", "key": "k0", "on_hand": 12},
        {"did": "listed", "key": "k0", "product_id": LAMP},
        {"did": "ask", "key": "k1", "customer_id": ADA, "at": 1.0},
        {"did": "accept", "key": "k1", "order_id": KEPT},
        {"did": "ask", "key": "k2", "customer_id": ADA, "at": 1.0},
        {"did": "restock", "key": "k3", "product_id": LAMP, "quantity": 3},
        {"did": "put", "key": "k4", "customer_id": ADA, "product_id": LAMP, "quantity": 2},
        {"did": "was put", "key": "k4", "done": True},
        {"did": "fault", "kind": "kill", "part": "cart", "began": 2.0},
        {"did": "heal", "part": "cart", "at": 3.0},
        {"did": "fault", "kind": "pause", "part": "delivery", "began": 4.0},
        {"did": "heal", "part": "delivery.1", "at": 5.0},
        {"did": "fault", "kind": "kill", "part": "broker", "began": 6.0},
        {"did": "start", "at": 7.0},
        {"did": "fault", "kind": "kill", "part": "outside", "began": 8.0},
        {"did": "heal", "part": "broker", "at": 9.0},
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"did": "acc')
    found = read_record(path)
    assert found.customers_by_order == {KEPT: ADA}
    assert found.checkout_requests["k1"] == CheckoutRequest(ADA, KEPT, at=1.0, sent_line=2, answer_line=3)
    assert found.checkout_requests["k2"] == CheckoutRequest(ADA, at=1.0, sent_line=4)
    assert (found.initial_units, found.started) == ({LAMP: 12}, 7.0)
    assert found.restocks == {"k3": Restock(LAMP, 3)}
    assert found.quantity_changes == {"k4": QuantityChange(ADA, LAMP, 2, 6, 7, succeeded=True)}
    assert found.faults == (
        Fault("kill", "cart", 2.0, 3.0),
        Fault("pause", "delivery", 4.0, 5.0),
        Fault("kill", "broker", 6.0, 7.0),
        Fault("kill", "outside", 8.0, None),
    )


@pytest.mark.parametrize("line", ["not json", '{"did": "accept", "key": "never asked", "order_id": "x"}', "{}"])
def test_an_invalid_record_is_refused(tmp_path: Path, line: str) -> None:
    path = tmp_path / "record.jsonl"
    path.write_text(line + "\n")
    with pytest.raises((ValueError, KeyError)):
        read_record(path)


def test_the_error_for_a_truncated_log_has_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = ("cart.events", pika.BasicProperties(), b"")
    monkeypatch.setattr(log_reading, "_messages", lambda *_: iter([(41, kept)]))
    with pytest.raises(Unreadable, match=r"messages 0 to 40 of the log are gone .*\./marketplace down --volumes"):
        log_reading._read("", MagicMock())


def test_copies_of_an_event_are_one_event() -> None:
    log = Log()
    headers = {
        "cloudEvents_id": "01900000-0000-7000-8000-000000000001",
        "cloudEvents_type": "cart.cart-checked-out.v1",
        "cloudEvents_subject": KEPT,
        "cloudEvents_time": START.isoformat(),
    }
    for body in (b"{}", b"{}", b'{"a": 1}'):
        log.add("cart.events", pika.BasicProperties(headers=headers, user_id="cart"), body)
    [event] = log.events.values()
    assert (event.id, event.copies, len(event.digests)) == (UUID(headers["cloudEvents_id"]), 3, 2)


@pytest.mark.parametrize("broken", [None, {}, {"cloudEvents_id": 7}, {"cloudEvents_id": "x"}])
def test_a_message_that_is_no_event_is_collected_separately(broken: dict[str, object] | None) -> None:
    log = Log()
    log.add("cart.events", pika.BasicProperties(headers=broken), b"{}")
    assert (len(log.events), len(log.invalid_messages)) == (0, 1)


def test_events_after_the_moment_of_rest_are_ignored() -> None:
    log = a_world().log
    assert log.until(event_id(3)).events.keys() == {key for key in log.events if key[0] < event_id(3)}
    assert len(log.until(event_id(3)).events) == 3


def test_a_mail_about_a_moment_names_its_event() -> None:
    about_order, about_moment = (Mail(about, "k", "x@example.com", START) for about in (KEPT, f"ada:{event_id(3)}"))
    assert (about_order.event_id, about_moment.event_id) == (None, event_id(3))


def test_an_empty_state_file_is_unreadable(tmp_path: Path) -> None:
    state = tmp_path / "stack.json"
    for text in (None, "", "{}"):
        if text is not None:
            state.write_text(text)
        with pytest.raises(Unreadable, match="has no addresses of the sources"):
            Sources.of_stack(state, tmp_path / "record.jsonl")

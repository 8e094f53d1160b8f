"""The carriers' callback route is public: only recently signed callbacks are accepted, and each counts once."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from standardwebhooks import Webhook

from tests.system.http_requests import Answer, well_formed_answer
from tests.system.marketplace import Marketplace, Person, Visit, until

WRONG_SECRET = "whsec_" + "bm90IHRoZSBjYXJyaWVycycgc2VjcmV0IGF0IGFsbA=="


@dataclass(frozen=True)
class Parcel:
    """A delivered order, with callbacks that its carrier could send."""

    visit: Visit
    customer: Person
    secret: str
    shipment: dict[str, Any]

    @property
    def order_id(self) -> str:
        return str(self.shipment["order_id"])

    def tracking(self, kind: str = "shipment.delivered", **changes: Any) -> bytes:
        about = {
            name: self.shipment[name] for name in ("shipment_id", "order_id", "tracking_code", "carrier")
        } | changes
        return json.dumps({"type": kind, "timestamp": datetime.now(UTC).isoformat(), "data": about}).encode()

    def signed(self, body: bytes, *, secret: str | None = None, at: datetime | None = None) -> dict[str, str]:
        at, webhook_id = at or datetime.now(UTC), f"msg_{uuid4().hex}"
        return {
            "Content-Type": "application/json",
            "webhook-id": webhook_id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": Webhook(secret or self.secret).sign(webhook_id, at, body.decode("latin-1")),
        }

    async def send_callback(self, body: bytes, headers: dict[str, str], carrier: str | None = None) -> Answer:
        """Send a callback, and assert that the answer is well-formed."""
        path = f"/carriers/{carrier or self.shipment['carrier']}/tracking"
        return await well_formed_answer(self.visit, "POST", "delivery", path, data=body, headers=headers)

    async def visible_state(self) -> dict[str, Any]:
        """Return everything that the customer can see of the order."""
        return {
            "shipment": await self.customer.get("delivery", f"/shipments/{self.order_id}"),
            "order": await self.customer.get("checkout", f"/orders/{self.order_id}"),
            "journal": await self.customer.get("checkout", f"/orders/{self.order_id}/journal"),
            "mails": await self.visit.mails(self.order_id),
        }


@pytest.fixture(scope="module")
async def parcel(marketplace: Marketplace) -> AsyncIterator[Parcel]:
    async with Visit(marketplace) as visit:
        _, product_id = await visit.product()
        customer = await visit.customer()
        order_id = await customer.check_out(product_id)
        await customer.order(order_id, "delivered")

        async def mailed() -> bool:
            return len(await visit.mails(order_id)) == 3

        await until(mailed, 20)
        secret = (marketplace.home / marketplace.name / "webhook-secret").read_text().strip()
        yield Parcel(visit, customer, secret, await customer.get("delivery", f"/shipments/{order_id}"))


async def test_a_signed_callback_is_accepted_and_may_be_repeated(parcel: Parcel) -> None:
    """Callbacks that are repeated, out of order or under a new id count once."""
    before = await parcel.visible_state()
    body = parcel.tracking()
    headers = parcel.signed(body)
    assert [(await parcel.send_callback(body, headers)).status for _ in range(3)] == [204, 204, 204]
    for kind in ("shipment.dispatched", "shipment.delivered"):
        body = parcel.tracking(kind)
        assert (await parcel.send_callback(body, parcel.signed(body))).status == 204
    assert await parcel.visible_state() == before


@pytest.mark.parametrize("without", ["webhook-id", "webhook-timestamp", "webhook-signature"])
async def test_every_header_of_a_signature_is_required(parcel: Parcel, without: str) -> None:
    body = parcel.tracking()
    headers = parcel.signed(body)
    for value in (
        None,
        "",
        " ",
        "x",
        "é",
        "9" * 5000,
        "-1",
        "NaN",
        "inf",
        "1e400",
        "0x10",
        "v1,",
        "v1," + "A" * 5000,
    ):
        changed = {name: each for name, each in headers.items() if name != without}
        if value is not None:
            changed[without] = value
        answer = await parcel.send_callback(body, changed)
        assert (answer.status, answer.slug) == (401, "bad-signature"), value
        assert answer.headers["WWW-Authenticate"] == "Standard-Webhooks"


@pytest.mark.parametrize("minutes", [-6, 6, -60 * 24 * 365, 60 * 24 * 365])
async def test_a_signature_of_another_time_is_refused(parcel: Parcel, minutes: int) -> None:
    body = parcel.tracking()
    headers = parcel.signed(body, at=datetime.now(UTC) + timedelta(minutes=minutes))
    assert (await parcel.send_callback(body, headers)).slug == "bad-signature"


async def test_wrongly_signed_or_changed_callbacks_are_refused(parcel: Parcel) -> None:
    before = await parcel.visible_state()
    body = parcel.tracking("shipment.dispatched")
    good = parcel.signed(body)
    for name, (raw, headers) in {
        "another's secret": (body, parcel.signed(body, secret=WRONG_SECRET)),
        "a changed body": (body.replace(b"dispatched", b"delivered"), good),
        "a body with more": (body + b" ", good),
        "no body": (b"", good),
        "another id": (body, good | {"webhook-id": "msg_other"}),
        "a moved timestamp": (body, good | {"webhook-timestamp": str(int(good["webhook-timestamp"]) + 1)}),
        "another version": (body, good | {"webhook-signature": good["webhook-signature"].replace("v1,", "v1a,")}),
        "the signature alone": (body, good | {"webhook-signature": good["webhook-signature"].removeprefix("v1,")}),
        "half a signature": (body, good | {"webhook-signature": good["webhook-signature"][:-9]}),
        "many signatures": (body, good | {"webhook-signature": " ".join(["v1,AAAA"] * 900)}),
    }.items():
        answer = await parcel.send_callback(raw, headers)
        assert (answer.status, answer.slug) == (401, "bad-signature"), name
    assert await parcel.visible_state() == before


async def test_a_customers_token_does_not_replace_the_signature(parcel: Parcel) -> None:
    token = (await parcel.visit.outside("POST", "/identity/token", {"sub": "x", "roles": ["operator"]}))["access_token"]
    answer = await parcel.send_callback(
        parcel.tracking(), {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    )
    assert answer.slug == "bad-signature"


async def test_signed_nonsense_is_refused_for_what_it_is(parcel: Parcel) -> None:
    before = await parcel.visible_state()
    for body in (
        b"",
        b"{",
        b"null",
        b"[]",
        b"[" * 30_000,
        b'{"type":NaN}',
        parcel.tracking("shipment.lost"),
        parcel.tracking(shipment_id="x"),
        parcel.tracking(shipment_id=7),
        parcel.tracking(order_id=None),
        parcel.tracking(order_id="' or 1=1"),
        parcel.tracking(tracking_code="two\nlines"),
        parcel.tracking(tracking_code="\0"),
        parcel.tracking(tracking_code="x" * 65),
        parcel.tracking(tracking_code=""),
        parcel.tracking(carrier="c"),
        parcel.tracking().replace(b"T", b"?"),
        parcel.tracking().replace(datetime.now(UTC).strftime("%Y").encode(), b"99999"),
    ):
        answer = await parcel.send_callback(body, parcel.signed(body))
        assert answer.status in (400, 422), (body[:100], answer.raw)
    body = parcel.tracking()
    other = {"a": "b", "b": "a"}[parcel.shipment["carrier"]]
    assert (await parcel.send_callback(body, parcel.signed(body), carrier=other)).status == 422
    assert (await parcel.send_callback(body, parcel.signed(body), carrier="c")).status == 422
    assert await parcel.visible_state() == before


async def test_a_callback_about_an_unknown_parcel_is_answered_with_404_to_be_retried(parcel: Parcel) -> None:
    before = await parcel.visible_state()
    for changes in ({"order_id": str(uuid4())}, {"shipment_id": str(uuid4())}):
        body = parcel.tracking(**changes)
        answer = await parcel.send_callback(body, parcel.signed(body))
        assert (answer.status, answer.slug) == (404, "not-found")
    assert await parcel.visible_state() == before


async def test_a_callback_of_the_wrong_carrier_changes_nothing(parcel: Parcel) -> None:
    before = await parcel.visible_state()
    other = {"a": "b", "b": "a"}[parcel.shipment["carrier"]]
    body = parcel.tracking(carrier=other, tracking_code="FORGED")
    assert (await parcel.send_callback(body, parcel.signed(body), carrier=other)).status == 204
    assert await parcel.visible_state() == before

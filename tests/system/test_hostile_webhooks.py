"""The carriers' callback is open to the world: only what their secret signed, just now, counts, and it counts once."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from standardwebhooks import Webhook

from tests.system.asking import Answer, well_formed_answer
from tests.system.marketplace import Marketplace, Person, Visit, until

ANOTHERS = "whsec_" + "bm90IHRoZSBjYXJyaWVycycgc2VjcmV0IGF0IGFsbA=="


@dataclass(frozen=True)
class Parcel:
    """An order that was delivered, and what its carrier could say of it."""

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

    async def tell(self, body: bytes, headers: dict[str, str], carrier: str | None = None) -> Answer:
        """Send tracking news. The answer has to be well-formed."""
        path = f"/carriers/{carrier or self.shipment['carrier']}/tracking"
        return await well_formed_answer(self.visit, "POST", "delivery", path, data=body, headers=headers)

    async def known(self) -> dict[str, Any]:
        """All that its customer can see of it."""
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


async def test_what_is_signed_is_taken_in_and_taken_again(parcel: Parcel) -> None:
    """Replayed, out of order or under a new id: it happened once."""
    before = await parcel.known()
    body = parcel.tracking()
    headers = parcel.signed(body)
    assert [(await parcel.tell(body, headers)).status for _ in range(3)] == [204, 204, 204]
    for kind in ("shipment.dispatched", "shipment.delivered"):
        body = parcel.tracking(kind)
        assert (await parcel.tell(body, parcel.signed(body))).status == 204
    assert await parcel.known() == before


@pytest.mark.parametrize("without", ["webhook-id", "webhook-timestamp", "webhook-signature"])
async def test_every_part_of_a_signature_is_needed(parcel: Parcel, without: str) -> None:
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
        answer = await parcel.tell(body, changed)
        assert (answer.status, answer.slug) == (401, "bad-signature"), value
        assert answer.headers["WWW-Authenticate"] == "Standard-Webhooks"


@pytest.mark.parametrize("minutes", [-6, 6, -60 * 24 * 365, 60 * 24 * 365])
async def test_a_signature_of_another_time_is_refused(parcel: Parcel, minutes: int) -> None:
    body = parcel.tracking()
    headers = parcel.signed(body, at=datetime.now(UTC) + timedelta(minutes=minutes))
    assert (await parcel.tell(body, headers)).slug == "bad-signature"


async def test_what_was_not_signed_by_the_carriers_or_not_like_this_is_refused(parcel: Parcel) -> None:
    before = await parcel.known()
    body = parcel.tracking("shipment.dispatched")
    good = parcel.signed(body)
    for name, (raw, headers) in {
        "another's secret": (body, parcel.signed(body, secret=ANOTHERS)),
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
        answer = await parcel.tell(raw, headers)
        assert (answer.status, answer.slug) == (401, "bad-signature"), name
    assert await parcel.known() == before


async def test_a_customers_token_signs_nothing(parcel: Parcel) -> None:
    token = (await parcel.visit.outside("POST", "/identity/token", {"sub": "x", "roles": ["operator"]}))["access_token"]
    answer = await parcel.tell(
        parcel.tracking(), {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    )
    assert answer.slug == "bad-signature"


async def test_signed_nonsense_is_refused_for_what_it_is(parcel: Parcel) -> None:
    before = await parcel.known()
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
        answer = await parcel.tell(body, parcel.signed(body))
        assert answer.status in (400, 422), (body[:100], answer.raw)
    body = parcel.tracking()
    other = {"a": "b", "b": "a"}[parcel.shipment["carrier"]]
    assert (await parcel.tell(body, parcel.signed(body), carrier=other)).status == 422
    assert (await parcel.tell(body, parcel.signed(body), carrier="c")).status == 422
    assert await parcel.known() == before


async def test_a_parcel_that_nobody_knows_is_to_be_told_again_later(parcel: Parcel) -> None:
    before = await parcel.known()
    for changes in ({"order_id": str(uuid4())}, {"shipment_id": str(uuid4())}):
        body = parcel.tracking(**changes)
        answer = await parcel.tell(body, parcel.signed(body))
        assert (answer.status, answer.slug) == (404, "not-found")
    assert await parcel.known() == before


async def test_a_carrier_that_has_not_got_the_parcel_changes_nothing(parcel: Parcel) -> None:
    before = await parcel.known()
    other = {"a": "b", "b": "a"}[parcel.shipment["carrier"]]
    body = parcel.tracking(carrier=other, tracking_code="FORGED")
    assert (await parcel.tell(body, parcel.signed(body), carrier=other)).status == 204
    assert await parcel.known() == before

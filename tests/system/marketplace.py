"""Drives the whole marketplace as a person does: only through `./marketplace` and HTTP."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import aiohttp

from infra.stack import python_path

ROOT = Path(__file__).parents[2]
COMMAND_WITHIN_S = 110


class Marketplace:
    """One stack, stored below `home`."""

    def __init__(self, home: Path, name: str, root: Path = ROOT) -> None:
        self.home, self.name, self.root = home, name, root
        self.environment = os.environ | {"MARKETPLACE_STATE_HOME": str(home), "PYTHONPATH": python_path(root)}

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `./marketplace --stack NAME …`. Raises AssertionError with the output if it fails."""
        done = self.attempt(*arguments)
        if done.returncode:
            raise AssertionError(f"marketplace {' '.join(arguments)}: {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def attempt(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the same, without raising if it fails."""
        return subprocess.run(
            [sys.executable, "-m", "infra.cli", "--stack", self.name, *arguments],
            cwd=self.root,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_WITHIN_S,
            check=False,
        )

    @property
    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.home / self.name / "stack.json").read_text())
        return found

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.command("status", "--json").stdout)
        return found


class Person:
    """A person with a token: a customer, a seller or an operator."""

    def __init__(self, visit: "Visit", subject: str, token: str) -> None:
        self.subject = subject
        self._visit = visit
        self.headers = {"Authorization": f"Bearer {token}"}

    async def request(self, method: str, service: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Send a request to the gateway, or an operator's to the service itself. Returns the status and the JSON."""
        url = self._visit.base(service if path.startswith("/ops/") else "gateway") + path
        async with self._visit.http.request(method, url, json=body, headers=self.headers | headers) as answer:
            return answer.status, await answer.json(content_type=None)

    async def get(self, service: str, path: str) -> Any:
        """Send a GET, assert 200, and return the JSON of the answer."""
        status, answer = await self.request("GET", service, path)
        assert status == 200, answer
        return answer

    async def check_out(self, product_id: str, quantity: int = 1) -> str:
        """Put a product into the cart and check out; assert that both are accepted. Returns the order's id."""
        path = f"/carts/{self.subject}/items/{product_id}"
        status, answer = await self.request("PUT", "cart", path, {"quantity": quantity})
        assert status == 200, answer
        key = {"Idempotency-Key": str(uuid4())}
        status, answer = await self.request("POST", "cart", f"/carts/{self.subject}/checkout", {}, **key)
        assert status == 202, answer
        return str(answer["order_id"])

    async def order(self, order_id: str, *states: str, within_s: float = 30) -> dict[str, Any]:
        """Wait until the order is in one of `states`, and return it."""
        found: dict[str, Any] = {}

        async def there() -> bool:
            nonlocal found
            status, found = await self.request("GET", "checkout", f"/orders/{order_id}")
            return status == 200 and found["status"] in states

        await until(there, within_s, lambda: f"order is {found}")
        return found


class Visit:
    """An HTTP session with one marketplace, for one test."""

    def __init__(self, marketplace: Marketplace) -> None:
        self.marketplace = marketplace
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=10)
        self.http = await self._stack.enter_async_context(aiohttp.ClientSession(timeout=timeout))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def base(self, service: str) -> str:
        """Return the address of the first replica of a service, or of the stand-ins (`outside`) or the gateway."""
        state = self.marketplace.state
        addresses = {"outside": state["outside"], "gateway": state["gateway"]["http"]}
        return str(addresses.get(service) or state["services"][service]["http"])

    async def person(self, *roles: str, name: str = "person") -> Person:
        subject = f"{name}-{uuid4().hex[:12]}"
        body = {"sub": subject, "roles": list(roles), "ttl_s": 3600}
        async with self.http.post(self.base("outside") + "/identity/token", json=body) as answer:
            return Person(self, subject, (await answer.json())["access_token"])

    async def customer(self) -> Person:
        """Create a customer with an accepted address and mail address."""
        person = await self.person(name="customer")
        address = {"name": "Ada", "street": "1 Main St", "city": "Berlin", "postal_code": "10115", "country": "DE"}
        status, answer = await person.request("PUT", "delivery", f"/addresses/{person.subject}", address)
        assert status in (200, 201, 204), answer
        contact = {"email": f"{person.subject}@example.org"}
        status, answer = await person.request("PUT", "notifications", f"/contacts/{person.subject}", contact)
        assert status in (200, 201, 204), answer
        return person

    async def product(self, *, on_hand: int = 100, cents: int = 1999) -> tuple[Person, str]:
        """List a product and wait until the cart knows it. Returns the seller and the product's id."""
        seller = await self.person("seller", name="seller")
        offer = {
            "name": f"Lamp {uuid4().hex[:6]}",
            "category": "home",
            "price": {"amount": cents, "currency": "EUR"},
            "on_hand": on_hand,
        }
        status, answer = await seller.request("POST", "catalog", "/products", offer)
        assert status == 201, answer
        product_id = str(answer["product_id"])
        probe = await self.person(name="probe")

        async def known() -> bool:
            path = f"/carts/{probe.subject}/items/{product_id}"
            return (await probe.request("PUT", "cart", path, {"quantity": 1}))[0] == 200

        await until(known, 30)
        return seller, product_id

    async def outside(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request to the stand-ins, assert success, and return the JSON of the answer."""
        async with self.http.request(method, self.base("outside") + path, json=body) as answer:
            assert answer.status < 300, await answer.text()
            return await answer.json(content_type=None)

    async def entries(self, part: str) -> AsyncIterator[dict[str, Any]]:
        """Yield all entries of a provider's or carrier's ledger."""
        after = 0
        while True:
            page = await self.outside("GET", f"/{part}/ledger?after={after}&limit=1000")
            for entry in page["entries"]:
                yield entry
            if page["next"] is None or not page["entries"]:
                return
            after = page["next"]

    async def ledger(self, part: str, order_id: str) -> list[str]:
        """Return the kinds of a provider's or carrier's ledger entries for an order, in order."""
        return [each["kind"] async for each in self.entries(part) if each["order_id"] == order_id]

    async def mails(self, about: str) -> list[str]:
        """Return the kinds of mails that arrived about an order."""
        found: list[str] = []
        after = 0
        while True:
            page = await self.outside("GET", f"/mail/messages?after={after}&limit=1000")
            if not page["messages"]:
                return sorted(found)
            found += [each["kind"] for each in page["messages"] if each["about"] == about]
            after = page["messages"][-1]["seq"]


async def until(
    condition: Callable[[], Awaitable[bool]], within_s: float, what: Callable[[], str] = lambda: "condition"
) -> None:
    """Poll until the condition holds."""
    try:
        async with asyncio.timeout(within_s):
            while not await condition():
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"not within {within_s} s: {what()}") from None

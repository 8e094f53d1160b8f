"""Resets the broker that many tests share."""

import aiohttp

from infra.stack import PrivateBroker

VHOST = "%2F"
EVERYTHING = {"configure": ".*", "write": ".*", "read": ".*"}


async def reset_broker(broker: PrivateBroker) -> None:
    """Delete all queues, exchanges, policies and users but the administrator; connections are closed.

    Raises `aiohttp.ClientResponseError` if the broker refuses.
    """
    admin = broker.urls.user
    async with aiohttp.ClientSession(f"{broker.urls.management}/", raise_for_status=True) as http:
        await http.delete(f"api/vhosts/{VHOST}")
        await http.put(f"api/vhosts/{VHOST}", json={})
        await http.put(f"api/permissions/{VHOST}/{admin}", json=EVERYTHING)
        async with http.get("api/users") as answer:
            names = [user["name"] for user in await answer.json()]
        for name in names:
            if name != admin:
                await http.delete(f"api/users/{name}")

"""The marketplace on this machine: servers of our own, and the supervisor that keeps everything running.

`private_broker()` and `private_postgres()` give a test real servers in seconds; `Stack` is the whole marketplace.
"""

from infra.local.broker import PrivateBroker, private_broker
from infra.local.errors import LocalError
from infra.local.postgres import PrivatePostgres, private_postgres
from infra.local.roles import DatabaseUrls

__all__ = ["DatabaseUrls", "LocalError", "PrivateBroker", "PrivatePostgres", "private_broker", "private_postgres"]

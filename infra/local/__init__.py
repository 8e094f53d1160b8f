"""The marketplace on this machine: servers of our own, and the supervisor that keeps everything running.

`private_broker()` and `private_postgres()` give a test real servers in seconds. A whole stack is a process
of its own (`python -m infra.local`), ordered about by `ask`; `layout` tells where it lies, `read_state` its addresses.
"""

from infra.local.breakage import note_fault, note_healed, note_start
from infra.local.control import Message, ask, ask_once
from infra.local.environment import given_settings, services_of
from infra.local.errors import LocalError, NothingProvides, NotReady, StackIsDown, StackIsUp
from infra.local.layout import CHECKOUT, Layout, layout, python_path
from infra.local.locks import is_locked
from infra.local.passwords import Passwords, write_private
from infra.local.private import PrivateBroker, PrivatePostgres, private_broker, private_postgres
from infra.local.provision import BROKER, POSTGRES, install_missing, program, provide
from infra.local.rabbitmqctl import rabbitmqctl
from infra.local.roles import DatabaseUrls
from infra.local.run import is_up
from infra.local.servers import given_kinds
from infra.local.skew import find_library, set_skew
from infra.local.stack import forget
from infra.local.start import start_supervisor, until_up
from infra.local.state import StackState, read_state

__all__ = [
    "BROKER",
    "CHECKOUT",
    "POSTGRES",
    "DatabaseUrls",
    "Layout",
    "LocalError",
    "Message",
    "NotReady",
    "NothingProvides",
    "Passwords",
    "PrivateBroker",
    "PrivatePostgres",
    "StackIsDown",
    "StackIsUp",
    "StackState",
    "ask",
    "ask_once",
    "find_library",
    "forget",
    "given_kinds",
    "given_settings",
    "install_missing",
    "is_locked",
    "is_up",
    "layout",
    "note_fault",
    "note_healed",
    "note_start",
    "private_broker",
    "private_postgres",
    "program",
    "provide",
    "python_path",
    "rabbitmqctl",
    "read_state",
    "services_of",
    "set_skew",
    "start_supervisor",
    "until_up",
    "write_private",
]

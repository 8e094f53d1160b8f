"""Runs the marketplace on this machine: its own servers, and a supervisor that keeps everything running.

`private_broker()` and `private_postgres()` start real servers for a test in seconds. The supervisor of a whole stack
is a separate process (`python -m infra.stack`), which answers requests sent with `ask`.
`layout` returns the stack's directory, and `read_state` its addresses.
"""

from infra.stack.clock_skew import find_library, set_skew
from infra.stack.control_socket import Message, ask, ask_once
from infra.stack.environment import given_settings, services_of
from infra.stack.errors import LocalError, NothingProvides, NotReady, StackIsDown, StackIsUp
from infra.stack.fault_record import note_fault, note_healed, note_start
from infra.stack.layout import CHECKOUT, Layout, layout, python_path
from infra.stack.locks import is_locked
from infra.stack.passwords import Passwords, write_private
from infra.stack.private_servers import PrivateBroker, PrivatePostgres, private_broker, private_postgres
from infra.stack.provision import BROKER, POSTGRES, install_missing, program, provide
from infra.stack.rabbitmqctl import rabbitmqctl
from infra.stack.roles import DatabaseUrls
from infra.stack.run import is_up
from infra.stack.servers import given_kinds
from infra.stack.stack import forget
from infra.stack.start import start_supervisor, until_up
from infra.stack.state import StackState, read_state

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

"""Runs the marketplace on this machine: its own servers, and a supervisor that keeps everything running.

`private_broker()` and `private_postgres()` start real servers for a test in seconds. The supervisor of a whole stack
is a separate process (`python -m infra.stack`), which answers requests sent with `stream_request`.
`layout` returns the stack's directory, and `read_state` its addresses.
"""

from infra.stack.clock_skew import find_library, set_skew
from infra.stack.control_socket import Message, send_request, stream_request
from infra.stack.environment import given_settings, services_of
from infra.stack.errors import LocalError, NoProvider, NotReady, StackIsDown, StackIsUp
from infra.stack.fault_record import record_fault, record_parts_up, record_start
from infra.stack.layout import CHECKOUT, Layout, layout, python_path
from infra.stack.locks import is_locked
from infra.stack.passwords import Passwords, write_private
from infra.stack.private_servers import PrivateBroker, PrivatePostgres, private_broker, private_postgres
from infra.stack.provision import BROKER, POSTGRES, install_missing, program_kind, provide
from infra.stack.rabbitmqctl import rabbitmqctl
from infra.stack.roles import DatabaseUrls
from infra.stack.run import is_up
from infra.stack.servers import required_kinds
from infra.stack.stack import delete_stack
from infra.stack.start import start_supervisor, wait_until_up
from infra.stack.state import StackState, read_state

__all__ = [
    "BROKER",
    "CHECKOUT",
    "POSTGRES",
    "DatabaseUrls",
    "Layout",
    "LocalError",
    "Message",
    "NoProvider",
    "NotReady",
    "Passwords",
    "PrivateBroker",
    "PrivatePostgres",
    "StackIsDown",
    "StackIsUp",
    "StackState",
    "delete_stack",
    "find_library",
    "given_settings",
    "install_missing",
    "is_locked",
    "is_up",
    "layout",
    "private_broker",
    "private_postgres",
    "program_kind",
    "provide",
    "python_path",
    "rabbitmqctl",
    "read_state",
    "record_fault",
    "record_parts_up",
    "record_start",
    "required_kinds",
    "send_request",
    "services_of",
    "set_skew",
    "start_supervisor",
    "stream_request",
    "wait_until_up",
    "write_private",
]

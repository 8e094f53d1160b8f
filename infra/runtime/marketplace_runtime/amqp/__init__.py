"""AMQP connections, the wire format, and acknowledgements. The only user of the AMQP client."""

from marketplace_runtime.amqp.acknowledgements import Received, Source
from marketplace_runtime.amqp.connection import (
    BROKEN,
    ChannelRefused,
    Connection,
    Lost,
    keep_connected,
    open_channel,
    telling_loss,
)
from marketplace_runtime.amqp.dead_letter import DeadLetter
from marketplace_runtime.amqp.dead_letter_format import (
    USER,
    dead_letter_of,
    key_of,
    letter_of,
    properties_of_dead,
    unchecked,
)
from marketplace_runtime.amqp.errors import Invalid, UnknownVersion
from marketplace_runtime.amqp.log_stream import Log, Logged, Place, last_of, reading
from marketplace_runtime.amqp.publisher import Publisher, Unconfirmed
from marketplace_runtime.amqp.queue_consumer import Consumer
from marketplace_runtime.amqp.wire_format import PREFIX, envelope_of, properties_of, recorded_envelope

__all__ = [
    "BROKEN",
    "PREFIX",
    "USER",
    "ChannelRefused",
    "Connection",
    "Consumer",
    "DeadLetter",
    "Invalid",
    "Log",
    "Logged",
    "Lost",
    "Place",
    "Publisher",
    "Received",
    "Source",
    "Unconfirmed",
    "UnknownVersion",
    "dead_letter_of",
    "envelope_of",
    "keep_connected",
    "key_of",
    "last_of",
    "letter_of",
    "open_channel",
    "properties_of",
    "properties_of_dead",
    "reading",
    "recorded_envelope",
    "telling_loss",
    "unchecked",
]

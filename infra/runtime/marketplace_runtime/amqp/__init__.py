"""Connects to the broker: connections, wire format, acknowledgements. No other package uses the AMQP client."""

from marketplace_runtime.amqp.acknowledgements import IncomingMessage, MessageSource
from marketplace_runtime.amqp.connection import (
    CONNECTION_ERRORS,
    ChannelRefused,
    Connection,
    ConnectionLost,
    keep_connected,
    open_channel,
    raising_lost,
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
from marketplace_runtime.amqp.log_stream import LoggedMessage, LogReader, Place, last_message, reading_log
from marketplace_runtime.amqp.publisher import Publisher, Unconfirmed
from marketplace_runtime.amqp.queue_consumer import QueueConsumer
from marketplace_runtime.amqp.wire_format import PREFIX, envelope_of, properties_of, recorded_envelope

__all__ = [
    "CONNECTION_ERRORS",
    "PREFIX",
    "USER",
    "ChannelRefused",
    "Connection",
    "ConnectionLost",
    "DeadLetter",
    "IncomingMessage",
    "Invalid",
    "LogReader",
    "LoggedMessage",
    "MessageSource",
    "Place",
    "Publisher",
    "QueueConsumer",
    "Unconfirmed",
    "UnknownVersion",
    "dead_letter_of",
    "envelope_of",
    "keep_connected",
    "key_of",
    "last_message",
    "letter_of",
    "open_channel",
    "properties_of",
    "properties_of_dead",
    "raising_lost",
    "reading_log",
    "recorded_envelope",
    "unchecked",
]

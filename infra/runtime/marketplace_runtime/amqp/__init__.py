"""Connects to the broker: connections, wire format, acknowledgements. No other package uses the AMQP client."""

from marketplace_runtime.amqp.acknowledgements import IncomingMessage, MessageSource
from marketplace_runtime.amqp.connection import (
    CONNECTION_ERRORS,
    ChannelRefused,
    Connection,
    ConnectionLost,
    keep_connected,
    open_channel,
    translate_channel_errors,
)
from marketplace_runtime.amqp.dead_letter import DeadLetter
from marketplace_runtime.amqp.dead_letter_format import (
    PUBLISHER_HEADER,
    dead_letter_from_event,
    dead_letter_key,
    dead_letter_properties,
    decode_dead_letter,
    headers_with_publisher,
)
from marketplace_runtime.amqp.errors import InvalidMessage, UnknownVersion
from marketplace_runtime.amqp.log_stream import LoggedMessage, LogReader, OffsetSpec, last_message, open_log_reader
from marketplace_runtime.amqp.publisher import Publisher, Unconfirmed
from marketplace_runtime.amqp.queue_consumer import QueueConsumer
from marketplace_runtime.amqp.wire_format import CLOUDEVENTS_PREFIX, envelope_from_headers, envelope_of, properties_of

__all__ = [
    "CLOUDEVENTS_PREFIX",
    "CONNECTION_ERRORS",
    "PUBLISHER_HEADER",
    "ChannelRefused",
    "Connection",
    "ConnectionLost",
    "DeadLetter",
    "IncomingMessage",
    "InvalidMessage",
    "LogReader",
    "LoggedMessage",
    "MessageSource",
    "OffsetSpec",
    "Publisher",
    "QueueConsumer",
    "Unconfirmed",
    "UnknownVersion",
    "dead_letter_from_event",
    "dead_letter_key",
    "dead_letter_properties",
    "decode_dead_letter",
    "envelope_from_headers",
    "envelope_of",
    "headers_with_publisher",
    "keep_connected",
    "last_message",
    "open_channel",
    "open_log_reader",
    "properties_of",
    "translate_channel_errors",
]

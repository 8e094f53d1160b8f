"""AMQP connections, the wire format, and acknowledgements. The only user of the AMQP client."""

from marketplace_runtime.amqp.errors import Reject, RetryLater

__all__ = ["Reject", "RetryLater"]

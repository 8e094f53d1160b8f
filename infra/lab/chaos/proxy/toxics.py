"""The faults that a link can have."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Toxics(BaseModel):
    """The faults of one link. They apply to both directions, and to open and new connections unless noted."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    latency_ms: Annotated[float, Field(ge=0, le=60_000)] = 0
    """Delay of every chunk of bytes."""
    jitter_ms: Annotated[float, Field(ge=0, le=60_000)] = 0
    """Maximum additional delay, drawn for every chunk. Bytes keep their order."""
    bytes_per_s: Annotated[float, Field(ge=0)] = 0
    """Bandwidth of each direction of each connection; 0 for no limit."""
    black_hole: bool = False
    """Nothing is forwarded, and neither side gets an error. What was sent arrives when this ends: TCP resends it."""
    reset: bool = False
    """Connections are reset (RST). New ones are reset after the client's first bytes, so it may have sent a request."""
    half_open: bool = False
    """The server's side of open connections is reset. The client's side stays open until this ends. New ones work."""

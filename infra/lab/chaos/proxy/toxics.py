"""What a link can suffer from."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Toxics(BaseModel):
    """The faults of one link, both directions alike; they hold for open and for new connections."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    latency_ms: Annotated[float, Field(ge=0, le=60_000)] = 0
    """Added to every chunk of bytes."""
    jitter_ms: Annotated[float, Field(ge=0, le=60_000)] = 0
    """Up to so much more, drawn for every chunk; bytes keep their order."""
    bytes_per_s: Annotated[float, Field(ge=0)] = 0
    """Bandwidth; 0 for no limit."""
    black_hole: bool = False
    """Nothing comes through, and nobody is told. What was sent arrives when it ends, as TCP sends again."""
    reset: bool = False
    """Connections are reset (RST), new ones when the client has said its first words: a request may have left."""
    half_open: bool = False
    """The server loses its connections; the client still believes in them, until this ends. New ones work."""

"""The outside world as local stand-ins: identity issuer, two payment providers, two carriers, a mail sink.

One process, `python -m infra.lab.stand_ins`. What it accepts is durable before it answers: killed at any point, it
goes on where it was. Every part has a fault dial over HTTP (see `dials`).
"""

from infra.lab.stand_ins.app import create_app
from infra.lab.stand_ins.settings import Settings

__all__ = ["Settings", "create_app"]

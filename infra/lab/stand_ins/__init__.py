"""Local stand-ins for external systems: an identity issuer, two payment providers, two carriers, and a mail sink.

They run in one process, `python -m infra.lab.stand_ins`. What it accepts is durable before it answers. So it can be
killed at any point, and continues from there when it is started again. Every part except the identity issuer has a
fault dial over HTTP (see `dials`).
"""

from infra.lab.stand_ins.app import create_app
from infra.lab.stand_ins.settings import Settings

__all__ = ["Settings", "create_app"]

"""HTTP API of the catalog: anyone reads products, sellers manage their own."""

from catalog.api import reading, selling
from marketplace_runtime.http import Router

router = Router(routes=[*reading.router.routes, *selling.router.routes])

__all__ = ["router"]

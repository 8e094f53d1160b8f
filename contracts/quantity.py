"""A number of units of one product, in a cart or an order."""

from typing import Annotated

from pydantic import Field

Quantity = Annotated[int, Field(ge=1, le=1000)]

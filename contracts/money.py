"""Money as it travels in events: whole minor units and an ISO 4217 code, never a float."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$", description="ISO 4217 code")]
MinorUnits = Annotated[int, Field(ge=0, le=10**12, description="cents, pence, yen …")]


class Money(BaseModel):
    """An amount of one currency, such as 1999 EUR for 19.99 euros."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    amount: MinorUnits
    currency: Currency

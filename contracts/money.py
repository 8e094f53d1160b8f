"""Money in events: whole minor units and an ISO 4217 code, never a float."""

from typing import Annotated, Protocol

from pydantic import BaseModel, ConfigDict, Field

Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$", description="ISO 4217 code")]
MinorUnits = Annotated[int, Field(ge=0, le=10**12, description="cents, pence, yen …")]


class HasAmount(Protocol):
    """Money in the form of a service's domain."""

    @property
    def amount(self) -> int:
        """The amount in minor units."""

    @property
    def currency(self) -> str:
        """An ISO 4217 code."""


class Money(BaseModel):
    """An amount of one currency, such as 1999 EUR for 19.99 euros."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    amount: MinorUnits
    currency: Currency

    @classmethod
    def of(cls, value: "HasAmount") -> "Money":
        """Convert a service's own money or price to the form in events. Raises ValidationError."""
        return cls(amount=value.amount, currency=value.currency)

    @property
    def parts(self) -> tuple[int, str]:
        """The amount and the currency, from which a service makes its own class: `Price(*money.parts)`."""
        return self.amount, self.currency

"""Provides the dependencies by which an endpoint authenticates and authorizes its caller."""

from typing import Annotated

from fastapi import Depends, Request
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase

from marketplace_runtime.http.authentication import Authenticator, Principal
from marketplace_runtime.http.problems import Forbidden, NotFound

_SCOPE_KEY = "marketplace.caller"
NOT_FOUND_OR_NOT_OWNED = "There is no such thing here, or it is not yours."


class Bearer(SecurityBase):
    """A dependency that returns the verified caller.

    Raises `Unauthorized` without a valid token, and `Forbidden` if the caller lacks `role`.
    """

    def __init__(self, role: str | None = None) -> None:
        self.model = HTTPBearer(bearerFormat="JWT", description="A token of the configured identity provider.")
        self.scheme_name = "bearer"
        self.role = role

    async def __call__(self, request: Request) -> Principal:
        caller: Principal | None = request.scope.get(_SCOPE_KEY)
        if caller is None:
            authenticator: Authenticator = request.app.state.authenticator
            caller = await authenticator.authenticate(request.headers.get("authorization"))
            request.scope[_SCOPE_KEY] = caller
        if self.role is not None and self.role not in caller.roles:
            raise Forbidden(f"The role {self.role} is needed.")
        return caller


Caller = Annotated[Principal, Depends(Bearer())]
"""Any caller with a valid token."""

Seller = Annotated[Principal, Depends(Bearer("seller"))]
Operator = Annotated[Principal, Depends(Bearer("operator"))]


def require_owner(caller: Principal, person_id: str, detail: str = NOT_FOUND_OR_NOT_OWNED) -> None:
    """Raise `NotFound` with `detail` unless `person_id` is the caller.

    Clients must not be able to distinguish another person's resource from a missing one. A route with its own detail
    for a missing resource must pass the same text as `detail`.
    """
    if caller.subject != person_id:
        raise NotFound(detail)

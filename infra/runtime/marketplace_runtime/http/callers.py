"""What an endpoint asks for when it must know who calls."""

from typing import Annotated

from fastapi import Depends, Request
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase

from marketplace_runtime.http.identity import Identity, Principal
from marketplace_runtime.http.problems import Forbidden, NotFound

_SCOPE = "marketplace.caller"
NOT_YOURS = "There is no such thing here, or it is not yours."


class Bearer(SecurityBase):
    """A dependency: the verified caller, who has `role` if one is named."""

    def __init__(self, role: str | None = None) -> None:
        self.model = HTTPBearer(bearerFormat="JWT", description="A token of the configured identity provider.")
        self.scheme_name = "bearer"
        self.role = role

    async def __call__(self, request: Request) -> Principal:
        caller: Principal | None = request.scope.get(_SCOPE)
        if caller is None:
            identity: Identity = request.app.state.identity
            caller = await identity.authenticate(request.headers.get("authorization"))
            request.scope[_SCOPE] = caller
        if self.role is not None and self.role not in caller.roles:
            raise Forbidden(f"The role {self.role} is needed.")
        return caller


Caller = Annotated[Principal, Depends(Bearer())]
"""Anyone with a valid token."""

Seller = Annotated[Principal, Depends(Bearer("seller"))]
Operator = Annotated[Principal, Depends(Bearer("operator"))]


def owned_by(caller: Principal, person_id: str, otherwise: str = NOT_YOURS) -> None:
    """Nothing of another's can be told from nothing at all: raises `NotFound`, which says `otherwise`.

    A route that says something else of nothing at all gives that as `otherwise`, too.
    """
    if caller.subject != person_id:
        raise NotFound(otherwise)

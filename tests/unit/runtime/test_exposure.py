"""A service cannot expose a route that it does not have, or to people whom its endpoint refuses."""

import pytest

from marketplace_runtime.http import Caller, Router, Seller
from marketplace_runtime.service.exposure import Exposed, anyone, caller, check_exposed

router = Router()


@router.get("/public")
async def public() -> None: ...


@router.get("/mine/{id}")
async def mine(id: str, caller: Caller) -> None: ...


@router.post("/sell")
async def sell(seller: Seller) -> None: ...


def test_routes_are_exposed_as_their_endpoints_accept() -> None:
    exposed = [*anyone("GET /public", cost=0), *caller("GET /mine/{id}", cost=5), *caller("POST /sell", role="seller")]
    check_exposed("toy", exposed, router)
    assert exposed[1] == Exposed("GET", "/mine/{id}", needs_token=True, role=None, cost=5)


@pytest.mark.parametrize(
    ("exposed", "message"),
    [
        (anyone("GET /absent"), "toy exposes GET /absent but has no such route"),
        (anyone("POST /public"), "toy exposes POST /public but has no such route"),
        (anyone("get /public"), "toy exposes get /public but has no such route"),
        (anyone("/public"), "toy exposes /public  but has no such route"),
        (caller("GET /mine/{other}"), "toy exposes GET /mine/{other} but has no such route"),
        (anyone("GET /public", "GET /public"), "toy exposes GET /public twice"),
        (anyone("GET /public") + caller("GET /public"), "toy exposes GET /public twice"),
        (caller("GET /public"), "toy exposes GET /public to others than its endpoint accepts"),
        (anyone("GET /mine/{id}"), "toy exposes GET /mine/{id} to others than its endpoint accepts"),
        (caller("GET /mine/{id}", role="seller"), "toy exposes GET /mine/{id} to others than its endpoint accepts"),
        (caller("POST /sell"), "toy exposes POST /sell to others than its endpoint accepts"),
        (anyone("POST /sell"), "toy exposes POST /sell to others than its endpoint accepts"),
        (caller("POST /sell", role="operator"), "toy exposes POST /sell to others than its endpoint accepts"),
        (anyone("GET /public", cost=-1), "toy exposes GET /public at a cost below 0"),
    ],
)
def test_other_exposures_are_refused(exposed: list[Exposed], message: str) -> None:
    with pytest.raises(TypeError) as error:
        check_exposed("toy", exposed, router)
    assert str(error.value) == message


def test_a_service_without_routes_can_expose_none() -> None:
    check_exposed("toy", [], None)
    with pytest.raises(TypeError, match="toy exposes GET /public but has no such route"):
        check_exposed("toy", anyone("GET /public"), None)

"""If a service gives no proper answer, the gateway says in a problem document what that means for the client."""

from tests.integration.gateway.running import Running


async def test_a_service_that_disconnects_may_have_carried_out_the_request(gateway: Running) -> None:
    before = len(gateway.echo.requests)
    answer = await gateway.request("POST", "/public", headers={"X-Do": "disconnect"})
    answer.is_problem(503, "unavailable")
    assert answer.headers["Retry-After"] == "1"
    assert "may or may not have taken effect" in answer.json["detail"]
    assert gateway.echo.requests[before:] == ["POST /public"]


async def test_a_service_that_breaks_http_may_have_carried_out_the_request(gateway: Running) -> None:
    answer = await gateway.request("POST", "/public", headers={"X-Do": "talk nonsense"})
    answer.is_problem(502, "bad-gateway")
    assert "may or may not have taken effect" in answer.json["detail"]


async def test_without_a_replica_nothing_has_happened(gateway: Running) -> None:
    (await gateway.request("GET", "/absent")).is_problem(503, "unavailable")
    answer = await gateway.request("POST", "/absent")
    answer.is_problem(503, "unavailable")
    assert answer.json["detail"] == "No replica of absent can take the request. Retry later."


async def test_a_services_own_answer_is_passed_on_unchanged(gateway: Running) -> None:
    answer = await gateway.request("POST", "/public", headers={"X-Do": "refuse slowly"})
    assert (answer.status, answer.headers["Content-Type"]) == (503, "application/json; charset=utf-8")
    assert "Retry-After" not in answer.headers

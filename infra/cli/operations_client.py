"""Sends HTTP requests to the services of a stack, with a token of the local issuer."""

import getpass
import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from infra.stack import LocalError, read_state
from infra.stack.layout import layout

REQUEST_TIMEOUT_S = 30


def get_token(subject: str, roles: list[str], *, ttl_s: int = 3600) -> str:
    """Return a bearer token of the local issuer, valid for `ttl_s` seconds.

    Raises `LocalError` if the issuer does not answer.
    """
    wanted = {"sub": subject, "roles": roles, "ttl_s": ttl_s}
    try:
        answer = _send("POST", f"{read_state(layout().state).issuer}/token", wanted)
    except OSError as error:
        raise LocalError(
            "The token issuer, in the part `outside`, does not answer.", "Start it: ./marketplace start outside"
        ) from error
    return str(answer["access_token"])


class OperationsClient:
    """Client of the services' operations API (`/ops`), in the name of the user who runs the command.

    Its methods raise `LocalError` if a service refuses a request or does not answer.
    """

    def __init__(self) -> None:
        state = read_state(layout().state)
        self.services = {name: list(each.ops.values()) for name, each in state.services.items()}
        """The base URLs of each service's replicas."""
        self._token = get_token(re.sub(r"[^A-Za-z0-9._-]", "-", getpass.getuser())[:64], ["operator"])

    def request(self, method: str, service: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Send one request, and return the decoded JSON of the response."""
        if service not in self.services:
            raise LocalError(f"There is no service {service!r}.", f"Services: {', '.join(self.services)}")
        try:
            return self._send_to_any_replica(method, service, path, body)
        except urllib.error.HTTPError as refusal:
            is_unavailable = refusal.code == HTTPStatus.SERVICE_UNAVAILABLE
            remedy = "Check that everything is up: ./marketplace status" if is_unavailable else ""
            raise LocalError(f"{service}: {_problem_text(json.load(refusal))}", remedy) from None
        except OSError as error:
            raise LocalError(f"{service} does not answer.", f"Start it: ./marketplace start {service}") from error

    def _send_to_any_replica(self, method: str, service: str, path: str, body: dict[str, Any] | None) -> Any:
        """Send a request to the first replica that accepts a connection. Raises `OSError` if none does."""
        refused = OSError(f"{service} has no replica")
        for url in self.services[service]:
            try:
                return _send(method, f"{url}/ops/{path}", body, self._token)
            except urllib.error.URLError as error:
                if not isinstance(error.reason, ConnectionRefusedError):
                    raise
                refused = error
        raise refused

    def items(self, service: str, path: str, **query: str) -> Iterator[dict[str, Any]]:
        """Yield every item of a list, read page by page (100 items)."""
        query = {"limit": "100", **query}
        while True:
            page = self.request("GET", service, f"{path}?{urlencode(query)}")
            yield from page["items"]
            if page["next_cursor"] is None:
                return
            query["cursor"] = page["next_cursor"]

    def chunks(self, service: str, path: str, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Repeat a POST request until all chunks of a large change are done, and yield the outcome of each chunk."""
        next_chunk: dict[str, Any] | None = {}
        while next_chunk is not None:
            outcome = self.request("POST", service, path, body | next_chunk)
            yield outcome
            next_chunk = outcome["next"]


def _problem_text(problem: dict[str, Any]) -> str:
    """Return one line that describes a problem document: its errors by field if it has any, or else its detail."""
    errors = [f"{each['pointer'].rpartition('/')[2]}: {each['detail']}" for each in problem.get("errors", ())]
    return " ".join(errors) or problem.get("detail") or f"{problem['title']}."


def _send(method: str, url: str, body: dict[str, Any] | None, token: str | None = None) -> Any:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    if body is not None:
        headers["Content-Type"] = "application/json"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers, method=method)  # noqa: S310 - addresses of our own stack
    with urllib.request.urlopen(request, timeout=REQUEST_TIMEOUT_S) as answer:  # noqa: S310 - as above
        return json.load(answer)

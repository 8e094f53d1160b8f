"""HTTP for services: an application with transactions, identity, problems and health; and how to serve it."""

from infra.http import ops, republish, story
from infra.http.app import create_app
from infra.http.callers import NOT_YOURS, Caller, Operator, Seller, owned_by
from infra.http.dead import dead_letters
from infra.http.health import Health, Phase
from infra.http.history import feeding
from infra.http.identity import Identity, Principal
from infra.http.matching import Matching
from infra.http.pages import Cursor, Page, PageSize, PersonPath
from infra.http.problems import (
    BadRequest,
    Conflict,
    Forbidden,
    NotFound,
    Problem,
    TooLarge,
    Unauthorized,
    Unavailable,
    Unprocessable,
)
from infra.http.server import listen, serve
from infra.http.timeouts import REQUEST_TIMEOUT_S
from infra.http.transactional import Router, Tx, promise

__all__ = [
    "NOT_YOURS",
    "REQUEST_TIMEOUT_S",
    "BadRequest",
    "Caller",
    "Conflict",
    "Cursor",
    "Forbidden",
    "Health",
    "Identity",
    "Matching",
    "NotFound",
    "Operator",
    "Page",
    "PageSize",
    "PersonPath",
    "Phase",
    "Principal",
    "Problem",
    "Router",
    "Seller",
    "TooLarge",
    "Tx",
    "Unauthorized",
    "Unavailable",
    "Unprocessable",
    "create_app",
    "dead_letters",
    "feeding",
    "listen",
    "ops",
    "owned_by",
    "promise",
    "republish",
    "serve",
    "story",
]

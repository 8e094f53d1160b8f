"""Provides the HTTP side of a service: application, unit of work, idempotency, identity and problem documents."""

from marketplace_runtime.http.app import create_app, openapi
from marketplace_runtime.http.callers import NOT_YOURS, Caller, Operator, Seller, owned_by
from marketplace_runtime.http.health import Health, Phase
from marketplace_runtime.http.idempotency_table import forget_answers
from marketplace_runtime.http.identity import Identity, Principal
from marketplace_runtime.http.matching import Matching
from marketplace_runtime.http.pages import Cursor, Page, PageSize, PersonPath
from marketplace_runtime.http.problems import Conflict, Forbidden, NotFound, Problem, Unavailable, Unprocessable
from marketplace_runtime.http.server import listen
from marketplace_runtime.http.timeouts import REQUEST_TIMEOUT_S
from marketplace_runtime.http.unit_of_work import Router, Tx, shed_last

__all__ = [
    "NOT_YOURS",
    "REQUEST_TIMEOUT_S",
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
    "Tx",
    "Unavailable",
    "Unprocessable",
    "create_app",
    "forget_answers",
    "listen",
    "openapi",
    "owned_by",
    "shed_last",
]

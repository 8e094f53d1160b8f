"""Provides the HTTP side of a service: application, unit of work, idempotency, identity and problem documents."""

from marketplace_runtime.http.app import create_app, openapi
from marketplace_runtime.http.authentication import Authenticator, Principal
from marketplace_runtime.http.caching import CachePolicy, cache_policy_of, cached
from marketplace_runtime.http.callers import NOT_FOUND_OR_NOT_OWNED, Caller, Operator, Seller, require_owner
from marketplace_runtime.http.deprecation import Deprecation, deprecated, deprecation_of
from marketplace_runtime.http.health import Health, Phase
from marketplace_runtime.http.idempotency_table import delete_stored_answers
from marketplace_runtime.http.matching import Matching
from marketplace_runtime.http.pages import Cursor, Page, PageSize, PersonPath
from marketplace_runtime.http.problems import Conflict, Forbidden, NotFound, Problem, Unavailable, Unprocessable
from marketplace_runtime.http.route_checks import required_role
from marketplace_runtime.http.server import listen
from marketplace_runtime.http.timeouts import REQUEST_TIMEOUT_S
from marketplace_runtime.http.unit_of_work import Router, Tx, shed_last

__all__ = [
    "NOT_FOUND_OR_NOT_OWNED",
    "REQUEST_TIMEOUT_S",
    "Authenticator",
    "CachePolicy",
    "Caller",
    "Conflict",
    "Cursor",
    "Deprecation",
    "Forbidden",
    "Health",
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
    "cache_policy_of",
    "cached",
    "create_app",
    "delete_stored_answers",
    "deprecated",
    "deprecation_of",
    "listen",
    "openapi",
    "require_owner",
    "required_role",
    "shed_last",
]

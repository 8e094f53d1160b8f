"""HTTP: application, unit of work, idempotency, identity and problem documents."""

from marketplace_runtime.http.callers import NOT_YOURS, Caller, Seller, owned_by
from marketplace_runtime.http.idempotency_table import forget_answers
from marketplace_runtime.http.identity import Principal
from marketplace_runtime.http.matching import Matching
from marketplace_runtime.http.pages import Cursor, Page, PageSize, PersonPath
from marketplace_runtime.http.problems import Conflict, Forbidden, NotFound, Problem, Unavailable, Unprocessable
from marketplace_runtime.http.unit_of_work import Router, Tx, promise

__all__ = [
    "NOT_YOURS",
    "Caller",
    "Conflict",
    "Cursor",
    "Forbidden",
    "Matching",
    "NotFound",
    "Page",
    "PageSize",
    "PersonPath",
    "Principal",
    "Problem",
    "Router",
    "Seller",
    "Tx",
    "Unavailable",
    "Unprocessable",
    "forget_answers",
    "owned_by",
    "promise",
]

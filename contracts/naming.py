"""The marketplace's own names for shared things; every service passes them to the runtime."""

from marketplace_runtime.events import Naming

MARKETPLACE = Naming(
    application="marketplace",
    log_stream="marketplace.log",
    problem_type_prefix="urn:problem:marketplace:",
    token_audience="marketplace",  # noqa: S106 - no secret
    events="events",
    dead_letters="dead",
    auditor="audit",
    database_schema="messaging",
)

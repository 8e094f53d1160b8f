"""Decides which tests share a process, and in which order processes run them."""

from pathlib import PurePosixPath

from xdist.scheduler import LoadScopeScheduling

TOGETHER = (
    "tests/system",
    "tests/integration/delivery",
    "tests/integration/gateway",
    "tests/integration/local",
    "tests/integration/mutants",
    "tests/integration/notifications",
    "tests/contracts",
    "tests/unit",
)
"""Folders whose tests share a stack or a running service, or are too short to be distributed."""
OWN_STACK = tuple(
    f"tests/system/test_{name}.py"
    for name in (
        "audit",
        "chaos_at_length",
        "content_mutants",
        "new_service",
        "republish",
        "schemathesis_at_length",
        "tutorial",
    )
)
"""System tests with a stack of their own, or long enough to justify one. They run beside the others."""


class ByServers(LoadScopeScheduling):
    """Runs tests that share a stack in one process, so that the stack is started once.

    All other files are distributed one by one in the order of collection, with the longest first. Each process has its
    own servers.
    """

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)


def scope_of(nodeid: str) -> str:
    """Return the name of the tests that share a process with this one: a folder, or the test's own file."""
    file = nodeid.partition("::")[0]
    folder = str(PurePosixPath(file).parent)
    together = any(folder == each or folder.startswith(f"{each}/") for each in TOGETHER)
    return folder if together and file not in OWN_STACK else file

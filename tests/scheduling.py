"""Which tests run in the same process, and in which order processes take them."""

from pathlib import PurePosixPath

from xdist.scheduler import LoadScopeScheduling

TOGETHER = (
    "tests/system",
    "tests/integration/delivery",
    "tests/integration/mutants",
    "tests/integration/notifications",
    "tests/contracts",
    "tests/unit",
)
"""Folders whose tests share a stack or a running service, or are too short to be spread."""
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
"""System tests with a stack of their own, or for so long that one is started for them: they run beside the others."""


class ByServers(LoadScopeScheduling):
    """What shares a stack runs in one process, so that the stack is started once.

    All other files are handed out one by one, in the order of their collection: the longest come first. Their
    servers belong to the process.
    """

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)


def scope_of(nodeid: str) -> str:
    """Return what the test shares a process with: a folder's name, or its own file's."""
    file = nodeid.partition("::")[0]
    folder = str(PurePosixPath(file).parent)
    together = any(folder == each or folder.startswith(f"{each}/") for each in TOGETHER)
    return folder if together and file not in OWN_STACK else file

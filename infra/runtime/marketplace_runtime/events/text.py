"""Makes text from outside storable in PostgreSQL."""

import re

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def make_storable(text: str) -> str:
    """Return `text` with U+FFFD for what PostgreSQL or UTF-8 cannot store: NUL, and unpaired surrogates."""
    return _UNSTORABLE.sub("\ufffd", text)

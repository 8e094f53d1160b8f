"""Text from elsewhere, as PostgreSQL can keep it."""

import re

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def storable(text: str) -> str:
    """`text` with U+FFFD for what neither PostgreSQL nor UTF-8 has: NUL, and half a surrogate pair."""
    return _UNSTORABLE.sub("\ufffd", text)

"""Text from anywhere, as PostgreSQL takes it."""


def storable(text: str) -> str:
    """`text` with a mark in place of what is no text to PostgreSQL: NUL, and halves of surrogate pairs."""
    return text.replace("\0", "\ufffd").encode(errors="replace").decode()

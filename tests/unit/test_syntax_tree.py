"""The check of commits that revise texts or names allows those changes and finds all others."""

import pytest

from tests.syntax_tree import is_same

BEFORE = '''
"""Old."""
from a import hear

LIMIT = 3
"""Old words."""

def hear_it(event, *, soon=False):
    """Old."""
    # old
    log.info("heard", event=event)
    raise ValueError(f"{event} is odd, {soon}")
'''

TEXTS = (
    BEFORE.replace("Old", "New")
    .replace('"heard"', '"received"')
    .replace("is odd, ", "is unknown: ")
    .replace("# old", "# new")
)
NAMES = TEXTS.replace("hear", "receive").replace("soon", "early").replace("LIMIT", "MAX_EVENTS")


def test_changed_texts_leave_the_tree_unchanged() -> None:
    assert is_same(BEFORE, TEXTS)
    assert is_same(BEFORE, TEXTS.replace('    """New."""\n', ""))


def test_changed_names_are_found_unless_names_may_change() -> None:
    assert not is_same(BEFORE, NAMES)
    assert is_same(BEFORE, NAMES, names=True)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("LIMIT = 3", "LIMIT = 4"),
        ("soon=False", "soon=True"),
        ("log.info", "log.info.bind"),
        ("{event} is odd, {soon}", "{soon} is odd, {event}"),
        ("raise ValueError", "return ValueError"),
        ("event=event", "event=event, more=1"),
    ],
)
def test_any_other_change_is_found(old: str, new: str) -> None:
    assert not is_same(BEFORE, BEFORE.replace(old, new))


def test_swapped_names_are_found() -> None:
    assert not is_same("a = b - c", "a = c - b", names=True)
    assert is_same("a = b - c", "a = d - c", names=True)

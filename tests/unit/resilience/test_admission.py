from contextlib import ExitStack
from uuid import uuid4

import pytest

from infra.resilience import Admission, Importance, Overloaded


def admission(limit: int) -> Admission:
    return Admission(uuid4().hex, limit)


@pytest.mark.parametrize(("importance", "places"), [("LOOK", 5), ("CHANGE", 8), ("PROMISE", 10)])
def test_each_importance_fills_its_share_and_no_more(importance: str, places: int) -> None:
    gate = admission(10)
    with ExitStack() as under_way:
        for _ in range(places):
            under_way.enter_context(gate.admit(Importance[importance]))
        with pytest.raises(Overloaded, match=f"{places} requests"), gate.admit(Importance[importance]):
            pass


def test_what_matters_more_finds_a_place_when_what_matters_less_does_not() -> None:
    gate = admission(10)
    with ExitStack() as under_way:
        for _ in range(5):
            under_way.enter_context(gate.admit(Importance.LOOK))
        with pytest.raises(Overloaded), gate.admit(Importance.LOOK):
            pass
        for importance, places in ((Importance.CHANGE, 3), (Importance.PROMISE, 2)):
            for _ in range(places):
                under_way.enter_context(gate.admit(importance))
        with pytest.raises(Overloaded), gate.admit(Importance.PROMISE):
            pass


def test_a_place_is_free_again_however_the_work_ends() -> None:
    gate = admission(2)
    for _ in range(5):
        with pytest.raises(ValueError, match="no"), gate.admit(Importance.LOOK):
            raise ValueError("no")
    with gate.admit(Importance.LOOK):
        pass

"""Who looks for something looks more than once, and not for ever."""

import asyncio

from infra.lab.chaos import polling
from infra.lab.chaos.polling import until_seen


async def test_the_first_answer_that_is_something_ends_the_asking(monkeypatch):
    monkeypatch.setattr(polling, "POLL_S", 0)
    answers = iter([0, 0, 3, 4])

    async def ask() -> int:
        return next(answers)

    async with asyncio.timeout(10):
        assert await until_seen(ask) == 3
    assert next(answers) == 4


async def test_who_sees_nothing_gets_nothing_when_the_patience_is_over(monkeypatch):
    monkeypatch.setattr(polling, "PATIENCE_S", 0)
    asked = []

    async def ask() -> list[str]:
        asked.append("once")
        return []

    assert await until_seen(ask) == []
    assert asked == ["once"]

"""Polling repeats a question until there is an answer or time is up."""

import asyncio

from infra.lab.chaos import polling
from infra.lab.chaos.polling import poll_until_truthy


async def test_the_first_truthy_answer_ends_the_polling(monkeypatch):
    monkeypatch.setattr(polling, "POLL_S", 0)
    answers = iter([0, 0, 3, 4])

    async def query() -> int:
        return next(answers)

    async with asyncio.timeout(10):
        assert await poll_until_truthy(query) == 3
    assert next(answers) == 4


async def test_polling_returns_the_last_answer_when_time_is_up(monkeypatch):
    monkeypatch.setattr(polling, "MAX_WAIT_S", 0)
    queries = []

    async def query() -> list[str]:
        queries.append("once")
        return []

    assert await poll_until_truthy(query) == []
    assert queries == ["once"]

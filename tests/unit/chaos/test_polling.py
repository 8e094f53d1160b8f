"""Polling repeats a question until there is an answer or time is up."""

import asyncio

from infra.lab.chaos import polling
from infra.lab.chaos.polling import until_seen


async def test_the_first_truthy_answer_ends_the_polling(monkeypatch):
    monkeypatch.setattr(polling, "POLL_S", 0)
    answers = iter([0, 0, 3, 4])

    async def query() -> int:
        return next(answers)

    async with asyncio.timeout(10):
        assert await until_seen(query) == 3
    assert next(answers) == 4


async def test_polling_returns_the_last_answer_when_time_is_up(monkeypatch):
    monkeypatch.setattr(polling, "PATIENCE_S", 0)
    queries = []

    async def query() -> list[str]:
        queries.append("once")
        return []

    assert await until_seen(query) == []
    assert queries == ["once"]

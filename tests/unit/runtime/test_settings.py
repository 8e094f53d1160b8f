"""Settings that would harm are refused at start, with what to do instead."""

import pytest
from pydantic import ValidationError

from marketplace_runtime.service.settings import Settings


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "BROKER_URL", "OIDC_ISSUER"):
        monkeypatch.setenv(name, "x")


@pytest.mark.parametrize("days", ["7", "0", "-1"])
def test_events_are_remembered_for_longer_than_they_are_taken_in(monkeypatch: pytest.MonkeyPatch, days: str) -> None:
    monkeypatch.setenv("RETENTION_DAYS", days)
    with pytest.raises(ValidationError, match=rf"RETENTION_DAYS={days} would forget .*: use 8 or more"):
        Settings()


def test_the_shortest_retention_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETENTION_DAYS", "8")
    assert Settings().retention_days == 8

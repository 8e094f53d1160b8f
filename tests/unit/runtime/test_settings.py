"""Harmful settings are refused at start, with a remedy."""

import pytest
from pydantic import ValidationError

from marketplace_runtime.service.settings import Settings


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "BROKER_URL", "OIDC_ISSUER"):
        monkeypatch.setenv(name, "x")


@pytest.mark.parametrize("days", ["7", "0", "-1"])
def test_the_retention_must_exceed_the_age_at_which_events_are_refused(
    monkeypatch: pytest.MonkeyPatch, days: str
) -> None:
    monkeypatch.setenv("RETENTION_DAYS", days)
    with pytest.raises(ValidationError, match=rf"RETENTION_DAYS={days} would forget .*: use 8 or more"):
        Settings()


def test_the_minimum_retention_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETENTION_DAYS", "8")
    assert Settings().retention_days == 8

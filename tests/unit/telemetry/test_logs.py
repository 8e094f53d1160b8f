"""A log line says what happened and to which message or request, and contains no secrets."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from marketplace_runtime.telemetry import configure_logging, get_logger, trace


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def the_line(out: io.StringIO) -> dict[str, Any]:
    [line] = out.getvalue().splitlines()
    read: dict[str, Any] = json.loads(line)
    return read


def json_log(level: str = "info") -> io.StringIO:
    out = io.StringIO()
    configure_logging("cart", format="json", level=level, stream=out)
    return out


def test_a_json_line_names_service_module_level_and_time() -> None:
    out = json_log()
    get_logger("cart.api").info("checked out", lines=3)
    line = the_line(out)
    assert line["event"] == "checked out"
    assert line["lines"] == 3
    assert (line["service"], line["module"], line["level"]) == ("cart", "cart.api", "info")
    assert line["timestamp"].endswith("Z")


def test_a_line_within_a_trace_carries_its_ids() -> None:
    out = json_log()
    with trace(event_id="e1") as span:
        get_logger("x").info("handled")
    line = the_line(out)
    assert f"00-{line['trace_id']}-{line['span_id']}-01" == span
    assert line["event_id"] == "e1"


def test_a_line_within_an_inner_block_keeps_the_outer_ids() -> None:
    out = json_log()
    with trace(event_id="e1", subscription="orders"), trace(event_id="e2"):
        get_logger("x").info("handled")
    assert the_line(out)["event_id"] == "e2"
    assert the_line(out)["subscription"] == "orders"


def test_lines_below_the_level_are_not_written() -> None:
    out = json_log("warning")
    get_logger("x").info("quiet")
    logging.getLogger("library").info("quiet")
    assert out.getvalue() == ""


def test_lines_of_the_standard_library_s_loggers_have_the_same_format() -> None:
    out = json_log()
    logging.getLogger("some_library").warning("lost %s", "amqp://cart:hunter2@broker/")
    line = the_line(out)
    assert line["module"] == "some_library"
    assert line["event"] == "lost amqp://cart:[redacted]@broker/"


@pytest.mark.parametrize("key", ["password", "access_token", "Authorization", "webhook_secret", "api_key"])
def test_secrets_are_redacted_by_key_at_any_depth(key: str) -> None:
    out = json_log()
    get_logger("x").info("asked", **{key: "hunter2", "headers": {key: "hunter2"}, "all": [{key: ["hunter2"]}]})
    assert "hunter2" not in out.getvalue()


def test_the_password_of_a_url_is_redacted_and_the_user_kept() -> None:
    out = json_log()
    get_logger("x").info("connecting", error=repr("postgresql+asyncpg://cart:hunter2@127.0.0.1/db"))
    assert "cart:[redacted]@127.0.0.1" in the_line(out)["error"]


@pytest.mark.parametrize("format", ["json", "console"])
@pytest.mark.parametrize("hostile", ["a\nlevel=error forged", "a\r\nx", "\x1b[31mred", "a\u2028b", "a\x85b", "\ud800"])
def test_a_value_cannot_forge_a_line(format: Any, hostile: str) -> None:
    out = io.StringIO()
    configure_logging("cart", format=format, level="info", stream=out)
    get_logger("x").info("said " + hostile, text=hostile, deep={"in": [hostile]})
    assert len(out.getvalue().splitlines()) == 1
    assert "\x1b" not in out.getvalue()


@pytest.mark.parametrize("format", ["json", "console"])
def test_the_text_of_an_exception_cannot_forge_a_line(format: Any) -> None:
    out = io.StringIO()
    configure_logging("cart", format=format, level="info", stream=out)
    try:
        raise ValueError("a\n2026-01-01 [error] forged\x1b[0m")
    except ValueError:
        get_logger("x").exception("failed")
    assert "ValueError" in out.getvalue()
    assert "\x1b" not in out.getvalue()
    assert not any(line.startswith("2026-01-01 [error]") for line in out.getvalue().splitlines())


def test_an_unwritable_log_raises_no_error() -> None:
    out = json_log()
    out.close()
    get_logger("x").info("into the void")
    logging.getLogger("library").warning("into the void")

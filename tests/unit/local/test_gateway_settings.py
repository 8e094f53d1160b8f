"""The gateway's settings are read from the environment, and bad ones are refused with a remedy."""

import pytest

from infra.stack.errors import LocalError
from infra.stack.gateway import SETTINGS, GatewaySettings

NUMBERS = [
    "GATEWAY_USER_RATE",
    "GATEWAY_USER_BURST",
    "GATEWAY_ADDRESS_RATE",
    "GATEWAY_ADDRESS_BURST",
    "GATEWAY_MAX_CONNECTIONS",
    "GATEWAY_REQUEST_TIMEOUT_S",
    "GATEWAY_KEY_REFRESH_S",
]
BAD_NUMBERS = ["", "0", "-1", "1.5", "1e3", "ten", " 5", "5 ", "1_000", "+5", "1000001", "٣", "²", "0x10", "9" * 5000]
BAD_ORIGINS = [
    *("*", "shop.example", "https://", "https://shop.example/", "https://shop.example/shop", "ftp://shop.example"),
    *("https://*.example", "https://a.example https://b.example", "https://me@shop.example", "null", "a, https://b"),
]


def test_without_variables_there_are_defaults() -> None:
    assert GatewaySettings.of({"USER_RATE": "7", "GATEWAY_CORS_ORIGINS": " , "}) == GatewaySettings()


@pytest.mark.parametrize("variable", NUMBERS)
@pytest.mark.parametrize("value", ["1", "42", "1000000"])
def test_a_number_is_read(variable: str, value: str) -> None:
    name = variable.removeprefix("GATEWAY_").lower()
    assert getattr(GatewaySettings.of({variable: value}), name) == int(value)


@pytest.mark.parametrize("variable", NUMBERS)
@pytest.mark.parametrize("value", BAD_NUMBERS, ids=lambda value: ascii(value[:10]))
def test_a_bad_number_is_refused(variable: str, value: str) -> None:
    with pytest.raises(LocalError) as error:
        GatewaySettings.of({variable: value})
    assert str(error.value) == f"{variable}={value} is not a number from 1 to 1,000,000."
    assert error.value.remedy == f"Change or unset {variable}."


def test_origins_are_separated_by_commas() -> None:
    settings = GatewaySettings.of({"GATEWAY_CORS_ORIGINS": "https://shop.example, http://localhost:3000,"})
    assert settings.cors_origins == ("https://shop.example", "http://localhost:3000")


@pytest.mark.parametrize("text", BAD_ORIGINS)
def test_what_no_browser_would_send_as_origin_is_refused(text: str) -> None:
    with pytest.raises(LocalError, match=r"GATEWAY_CORS_ORIGINS contains .*, which is not an origin") as error:
        GatewaySettings.of({"GATEWAY_CORS_ORIGINS": text})
    assert "such as https://shop.example, separated by commas" in error.value.remedy


def test_every_setting_is_passed_on_to_the_supervisor() -> None:
    assert set(SETTINGS) == {*NUMBERS, "GATEWAY_CORS_ORIGINS"}

"""Webhooks may call only public addresses with unambiguous URLs; these rules apply before any look-up of a name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.webhooks.domain import BadTarget, Target, is_public, target_of

PRIVATE = [
    *("0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.255.254"),
    *("169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.88.99.1", "192.168.1.1"),
    *("198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1"),
    *("255.255.255.255", "::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1"),
    *("64:ff9b::7f00:1", "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1", "2002:7f00:1::1", "3fff::1"),
    *("5f00::1", "fc00::1", "fd12:3456::1", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1"),
]
PUBLIC = ["1.1.1.1", "100.63.255.255", "100.128.0.0", "172.15.0.1", "172.32.0.1", "192.0.1.1", "2606:4700::1111"]

HOSTILE = [
    "https://127.1/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.0.0.1/",
    "https://0177.0.0.1/",
    "https://127.0.0.01/",
    "https://127.0.0.1./",
    "https://127.0.0.1.:443/",
    "https://1.2.3/",
    "https://1.2.3.4.5/",
    "https://256.1.1.1/",
    "https://localhost./",
    "https://[::1%25lo]/",
    "https://[::1]extra/",
    "https://[::ffff:127.0.0.1",
    "https://[v1.x]/",
    "https://[]/",
    "https:///path",
    "https://",
    "https:host/",
    "//host/",
    "host/path",
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://example.com/",
    "javascript:alert(1)",
    "https://user@example.com/",
    "https://user:pass@example.com/",
    "https://example.com@127.0.0.1/",
    "https://127.0.0.1\\@example.com/",
    "https://example.com\\.evil.com/",
    "https://example.com/\\..",
    "https://example.com#@127.0.0.1/",
    "https://example.com/#fragment",
    "https://example.com:/",
    "https://example.com:0/",
    "https://example.com:65536/",
    "https://example.com:99999/",
    "https://example.com:-1/",
    "https://example.com:443:80/",
    "https://exa mple.com/",
    "https://example.com/a b",
    "https://example.com/\r\nHost: evil",
    "https://example.com\t/",
    " https://example.com/",
    "https://example.com/\n",
    "https://%31%32%37.0.0.1/",
    "https://ⓛocalhost/",
    "https://127。0。0。1/",
    "https://bücher.example/",
    "https://-example.com/",
    "https://example-.com/",
    "https://a..b/",
    "https://" + "a" * 64 + ".com/",
    "https://" + "a." * 127 + "com/",
    "https://example.123/",
    "https://example.0x1/",
    "",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_a_special_purpose_address_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_next_to_a_private_range_is_public(address: str) -> None:
    assert is_public(address)


@given(st.ip_addresses())
def test_an_address_that_the_standard_library_calls_private_is_never_public(ip: object) -> None:
    if not ip.is_global or ip.is_multicast or ip.is_reserved:
        assert not is_public(str(ip))


@pytest.mark.parametrize("private", [False, True])
@pytest.mark.parametrize("url", HOSTILE)
def test_an_ambiguous_url_is_refused_with_every_setting(url: str, private: bool) -> None:
    with pytest.raises(BadTarget):
        target_of(url, allow_private=private)


@pytest.mark.parametrize("address", [each for each in PRIVATE if "%" not in each])
def test_a_private_address_needs_the_setting_for_local_use(address: str) -> None:
    url = f"https://[{address}]:8443/hook" if ":" in address else f"https://{address}:8443/hook"
    with pytest.raises(BadTarget):
        target_of(url, allow_private=False)
    assert target_of(url, allow_private=True).port == 8443


def test_plain_http_needs_the_setting_for_local_use() -> None:
    with pytest.raises(BadTarget, match="https"):
        target_of("http://example.com/hook", allow_private=False)
    assert target_of("http://example.com/hook", allow_private=True) == Target("example.com", 80)


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://Example.COM", Target("example.com", 443)),
        ("HTTPS://example.com:8443/a/b?c=d&e=%20", Target("example.com", 8443)),
        ("https://xn--bcher-kva.example/", Target("xn--bcher-kva.example", 443)),
        ("https://a_b.example?x", Target("a_b.example", 443)),
        ("https://1.1.1.1/", Target("1.1.1.1", 443)),
        ("https://[2606:4700:0::1111]/", Target("2606:4700::1111", 443)),
        ("https://3com.example/", Target("3com.example", 443)),
    ],
)
def test_an_ordinary_url_is_accepted(url: str, target: Target) -> None:
    assert target_of(url, allow_private=False) == target

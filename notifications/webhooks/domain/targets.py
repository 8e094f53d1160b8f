"""Decides where webhooks may be sent: the form of a URL, and which IP addresses are public.

The address ranges follow IANA's special-purpose registries
(https://www.iana.org/assignments/iana-ipv4-special-registry,
https://www.iana.org/assignments/iana-ipv6-special-registry). They are listed here, because `is_global` of `ipaddress`
differs between versions of Python.
"""

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

URL = re.compile(r"(https?)://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{1,5}))?([/?][!-~]*)?", re.IGNORECASE | re.ASCII)
LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
NAME = re.compile(rf"(?=.{{1,253}}$)({LABEL}\.)*(?=[a-z]){LABEL}", re.IGNORECASE | re.ASCII)
"""A host name. Its last label begins with a letter, as a host that ends in a number is an address in some notation."""

NOT_PUBLIC = [
    IPv4Network(each)
    for each in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24"),
        *("203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
    )
]
GLOBAL_UNICAST = IPv6Network("2000::/3")
"""All other IPv6 addresses are loopback, local or multicast, or contain an IPv4 address (mapped or translated)."""
NOT_PUBLIC_UNICAST = [IPv6Network(each) for each in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")]
"""In this order: IETF protocols such as Teredo, documentation, 6to4, and documentation again."""


class BadTarget(Exception):
    """A webhook cannot be sent to this URL. The message says why."""


@dataclass(frozen=True, slots=True)
class Target:
    """The host and port that a URL names."""

    host: str
    port: int


def is_public(address: str) -> bool:
    """Whether a numeric address belongs to the public internet."""
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv4Address):
        return not any(ip in each for each in NOT_PUBLIC)
    return ip in GLOBAL_UNICAST and not any(ip in each for each in NOT_PUBLIC_UNICAST)


def target_of(url: str, *, allow_private: bool) -> Target:
    """Return the host and port of a URL. Raises `BadTarget` unless webhooks may be sent to it.

    Unless `allow_private`, the URL must be https, and its host must not be a private address. URLs are parsed strictly,
    so that no two parsers can disagree about the host: no user, no fragment, no backslash, no escapes in the host, and
    addresses only in their usual notation.
    """
    parts = URL.fullmatch(url)
    if parts is None or "\\" in url or "#" in url:
        raise BadTarget("Write https://host/path, in ASCII, without a user, a fragment or a backslash.")
    scheme, host, port = parts[1].lower(), parts[2].lower(), int(parts[3] or 0)
    if scheme == "http" and not allow_private:
        raise BadTarget("Only https is allowed.")
    if not (parts[3] is None or 1 <= port <= 65535):
        raise BadTarget(f"{port} is no port.")
    address = _literal(host)
    if address is not None and not allow_private and not is_public(address):
        raise BadTarget(f"{address} is no public address.")
    return Target(address or host, port or (443 if scheme == "https" else 80))


def _literal(host: str) -> str | None:
    """Return the address if a host is one, or None if it is a name. Raises `BadTarget` if it is neither."""
    if NAME.fullmatch(host):
        return None
    try:
        return str(IPv6Address(host[1:-1]) if host.startswith("[") else IPv4Address(host))
    except AddressValueError:
        raise BadTarget(f"{host} is neither a host's name nor an address in its usual notation.") from None

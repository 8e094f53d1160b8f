"""Where webhooks may go: what a URL has to look like, and which addresses are the public's.

Ranges after IANA's special-purpose registries (https://www.iana.org/assignments/iana-ipv4-special-registry,
https://www.iana.org/assignments/iana-ipv6-special-registry). They are written down here, as what `ipaddress` calls
global differs between versions of Python.
"""

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

URL = re.compile(r"(https?)://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{1,5}))?([/?][!-~]*)?", re.IGNORECASE | re.ASCII)
LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
NAME = re.compile(rf"(?=.{{1,253}}$)({LABEL}\.)*(?=[a-z]){LABEL}", re.IGNORECASE | re.ASCII)
"""Its last label begins with a letter: what ends in a number is an address, in whatever notation."""

NOT_PUBLIC = [
    IPv4Network(each)
    for each in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24"),
        *("203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
    )
]
GLOBAL_UNICAST = IPv6Network("2000::/3")
"""All else of IPv6 is loopback, local, multicast, or holds an IPv4 address (mapped, or behind a translator)."""
NOT_PUBLIC_UNICAST = [IPv6Network(each) for each in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")]
"""Teredo and other protocols', documentation, 6to4."""


class BadTarget(Exception):
    """A webhook can't go there; the message says why."""


@dataclass(frozen=True, slots=True)
class Target:
    """The parts of a URL that decide who is called."""

    host: str
    port: int


def is_public(address: str) -> bool:
    """Whether a numeric address is one that anybody on the internet could be at."""
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv4Address):
        return not any(ip in each for each in NOT_PUBLIC)
    return ip in GLOBAL_UNICAST and not any(ip in each for each in NOT_PUBLIC_UNICAST)


def target_of(url: str, *, private: bool) -> Target:
    """Who a URL calls. Raises BadTarget unless it is plain and, if not `private`, https to no private address.

    It is read strictly, so that no two readers can differ on its host: no user, no fragment, no backslash, no escapes
    in the host, and addresses in their usual notation only.
    """
    parts = URL.fullmatch(url)
    if parts is None or "\\" in url or "#" in url:
        raise BadTarget("Write https://host/path, in ASCII, without a user, a fragment or a backslash.")
    scheme, host, port = parts[1].lower(), parts[2].lower(), int(parts[3] or 0)
    if scheme == "http" and not private:
        raise BadTarget("Only https is called.")
    if not (parts[3] is None or 1 <= port <= 65535):
        raise BadTarget(f"{port} is no port.")
    address = _literal(host)
    if address is not None and not private and not is_public(address):
        raise BadTarget(f"{address} is no public address.")
    return Target(address or host, port or (443 if scheme == "https" else 80))


def _literal(host: str) -> str | None:
    """The address that a host is, or None for a name. Raises BadTarget for what is neither."""
    if NAME.fullmatch(host):
        return None
    try:
        return str(IPv6Address(host[1:-1]) if host.startswith("[") else IPv4Address(host))
    except AddressValueError:
        raise BadTarget(f"{host} is neither a host's name nor an address in its usual notation.") from None

"""Which addresses a webhook may be at.

Owns the refusals. Whoever names a URL must not make this program call what only it can reach: the machine itself, its
network, its cloud's metadata service. A URL is checked when it is given and when it is called, all that its name
resolves to is checked then, and so is the very address that a connection is opened to: a name that resolves otherwise
the second time is no way around.
"""

import socket
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any, Final
from urllib.parse import urlsplit

_PRIVATE: Final = "it leads into a private network"
# Written out, as versions of Python differ in what they call private. All that is not for the public internet.
_NOT_PUBLIC: Final = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
            "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24",
            "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
            "168.63.129.16/32",  # Azure's, to its own machines
        ),
    )
)  # fmt: skip
_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")  # all that was ever given out, and of it not:
_NOT_PUBLIC_6: Final = tuple(map(IPv6Network, ("2001::/23", "2001:db8::/32", "3fff::/20")))
_NAT64: Final = IPv6Network("64:ff9b::/96")
_COMPATIBLE: Final = IPv6Network("::/96")  # an IPv4 address in its last four bytes, of old
_LOCAL_NAMES: Final = ("localhost", "local", "internal", "localdomain", "home.arpa", "lan", "intranet", "corp")


class PrivateAddress(OSError):
    """A webhook's name leads to an address that may not be called."""


def check_url(url: str) -> str | None:
    """Why a webhook can't be at this URL, as far as the URL alone tells, in a sentence; None: it can."""
    fault = _fault(url, private=False)
    return None if fault is None else f"This webhook can't be called: {fault}."


def check_form(url: str) -> str | None:
    """As `check_url`, where private networks may be called."""
    fault = _fault(url, private=True)
    return None if fault is None else f"This webhook can't be called: {fault}."


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet; an IPv6 address that stands for an IPv4 one is as that."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(parsed, IPv6Address):
        inner = _inner(parsed)
        if inner is None:
            return parsed in _GLOBAL_UNICAST and not any(parsed in each for each in _NOT_PUBLIC_6)
        parsed = inner
    return not any(parsed in each for each in _NOT_PUBLIC)


def public_socket(address_info: tuple[Any, Any, int, str, tuple[Any, ...]]) -> socket.socket:
    """A socket for this address, as the last step before it is connected to. Raises PrivateAddress."""
    family, kind, protocol, _, address = address_info
    if not is_public(str(address[0])):
        raise PrivateAddress(_PRIVATE)
    return socket.socket(family, kind, protocol)


SocketFactory = Callable[[tuple[Any, Any, int, str, tuple[Any, ...]]], socket.socket]


def _inner(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 address stands for; None: for none."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address in _NAT64 or address in _COMPATIBLE:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return None


def _fault(url: str, *, private: bool) -> str | None:
    if not url.isprintable() or any(each in url for each in ' \\"<>'):
        return "its URL holds a space, or another character that must be percent-encoded"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "its host or its port can't be read"
    if parts.scheme not in ("http", "https"):
        return "its URL begins neither with https:// nor with http://"
    if "@" in parts.netloc:
        return "its URL holds a user name or a password"
    host = parts.hostname
    if not host:
        return "its URL names no host"
    if port == 0:
        return "its port is not one of 1 to 65535"
    return _host_fault(host, private=private)


def _host_fault(host: str, *, private: bool) -> str | None:
    if ":" in host:
        if "%" in host:
            return "its host is an address with a zone, which means something on one machine alone"
        return None if private or is_public(host) else _PRIVATE
    name = host.rstrip(".")
    last = name.rpartition(".")[2]
    if not name or any(not label or len(label) > 63 for label in name.split(".")) or len(name) > 253:
        return "its host is no name of a host"
    if last.isdigit() or last[:2] in ("0x", "0X"):  # only an IPv4 address ends so, in whatever way it is written
        try:
            IPv4Address(name)
        except ValueError:
            return "its host is a number that is no IPv4 address as it is usually written"
        return None if private or is_public(name) else _PRIVATE
    if not private and any(name.lower() == each or name.lower().endswith(f".{each}") for each in _LOCAL_NAMES):
        return _PRIVATE
    return None

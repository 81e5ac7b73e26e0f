"""Whose address a call comes from, and under which name it is counted.

Owns what is believed of X-Forwarded-For: what trusted proxies added, and nothing that stands before it, for a client
can write there what it likes. IPv6 addresses are counted by /64, the least that one customer has; IPv4 ones that are
written as IPv6 are IPv4.
"""

import ipaddress
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from multidict import istr

FORWARDED_FOR: Final = istr("X-Forwarded-For")
LOOPBACK: Final = ("127.0.0.0/8", "::1/128")

_KNOWN_MAX: Final = 65_536
_ENTRIES_MAX: Final = 32  # of X-Forwarded-For; proxies in a row are few
_PREFIX_BITS: Final = 64

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Address(NamedTuple):
    """`text`: itself. `key`: what it is counted under. Both are "" where there is none, as on a socket in the file
    system.
    """

    text: str
    key: str
    exempt: bool
    trusted: bool  # a proxy of ours


class Addresses:
    def __init__(self, exempt: tuple[Network, ...], trusted: tuple[Network, ...]) -> None:
        self._exempt = exempt
        self._trusted = trusted
        self.look_up = lru_cache(_KNOWN_MAX)(self._look_up)

    def of(self, remote: str | None, headers: Mapping[str, str]) -> Address:
        """`remote`: the peer's address."""
        address = self.look_up(remote)
        if not address.trusted or FORWARDED_FOR not in headers:
            return address
        getall = getattr(headers, "getall", None)  # a header that comes several times is one list
        text = ",".join(getall(FORWARDED_FOR)) if getall is not None else headers[FORWARDED_FOR]
        for entry in reversed(text.rsplit(",", _ENTRIES_MAX)[-_ENTRIES_MAX:]):
            before = self.look_up(_without_port(entry.strip()))
            if not before.key:  # no address: whoever wrote this is all we know
                return address
            address = before
            if not address.trusted:
                return address
        return address

    def _look_up(self, text: str | None) -> Address:
        try:
            address = ipaddress.ip_address((text or "").partition("%")[0])
        except ValueError:
            return Address("", "", exempt=True, trusted=False)
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        exempt = any(address in network for network in self._exempt)
        trusted = any(address in network for network in self._trusted)
        if isinstance(address, ipaddress.IPv6Address):
            key = str(ipaddress.ip_network((address, _PREFIX_BITS), strict=False))
        else:
            key = str(address)
        return Address(str(address), key, exempt, trusted)


def parse_networks(text: str) -> tuple[Network, ...]:
    """Addresses and networks with commas in between; "" or none: none at all.

    Raises ValueError with a sentence that says what to write.
    """
    if text.strip().lower() in ("", "none"):
        return ()
    networks = []
    for part in text.split(","):
        try:
            networks.append(ipaddress.ip_network(part.strip()))
        except ValueError:
            raise ValueError(
                f"{part.strip()!r} is no network; write addresses or networks such as 10.1.0.0/16, with commas in "
                "between, or none."
            ) from None
    return tuple(networks)


def _without_port(entry: str) -> str:
    """Some proxies write 192.0.2.1:4711 or [2001:db8::1]:4711."""
    if entry.startswith("["):
        return entry[1:].partition("]")[0]
    return entry.partition(":")[0] if entry.count(":") == 1 else entry

"""What a node is started with.

Owns `NodeOptions`, and how an address is written on the command line. Knows nothing of click.
"""

import ipaddress
import re
import socket
import ssl
from dataclasses import dataclass, field
from pathlib import Path

from ..replicas.tls import tls_contexts

PORT_MAX = 65_535

_ADDRESS = re.compile(r"(?:\[(?P<ip6>[^\[\]]*)\]|(?P<host>[^\[\]:]*)):(?P<port>[0-9]{1,6})", re.ASCII)
_HOST_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,252}[A-Za-z0-9_.])?", re.ASCII)
_NODE_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?", re.ASCII)


@dataclass(frozen=True)
class TlsFiles:
    """`authority`: who signs the certificates that other nodes must show; None: none is asked for."""

    certificate: Path
    key: Path
    authority: Path | None


def contexts_of(files: TlsFiles | None) -> tuple[ssl.SSLContext | None, ssl.SSLContext | None]:
    """As the server of a link, and as its client; None without TLS. Raises BadCertificate."""
    return (None, None) if files is None else tls_contexts(files.certificate, files.key, files.authority)


@dataclass(frozen=True)
class GateOptions:
    """As on the command line. Limits are RATE/BURST or none; None: as it is where nothing is said."""

    per_user: str | None = None
    per_address: str | None = None
    exempt: str = "127.0.0.0/8,::1"
    proxies: str = "none"
    challenge_number_max: int = 50_000


@dataclass(frozen=True)
class EtcdOptions:
    """Where the right to lead is asked for. `members`: addresses; `lease_seconds`: how long it lasts unrenewed.

    `authority`: who signs etcd's certificates; `certificate` and `key`: what this node shows it.
    """

    members: tuple[str, ...]
    prefix: str = "/onsale"
    lease_seconds: int = 10
    authority: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


@dataclass(frozen=True)
class NodeOptions:
    """What `onsale serve`, `standby` and `replica` have in common; `kind` is one of these.

    `hold_ms`: how long a hold lasts. `replication`: where other nodes connect; None: nowhere. `sources`: whom to follow
    at first. `sync_standbys`: None: as the journal says. `rebuild`: set aside what is in the folder and fetch a copy.
    `demo`: fill an empty node with sample events. `log_format`: human or json. `access_log`: off, errors, writes, all.
    `gate`: how much callers may ask. `etcd`: None: only an operator lets another node lead. `advertise`: the host by
    which other nodes reach this one; None: the address that leads to them. `drain_seconds`: how long it sends newcomers
    elsewhere before SIGTERM stops it. `sample`, as `demo`: nothing here is real, so crowds may be rehearsed with.
    """

    kind: str
    data: Path
    host: str
    port: int  # 0: any free one
    name: str | None
    hold_ms: int
    log_format: str
    replication: tuple[str, int] | None = None
    sources: tuple[str, ...] = ()
    sync_standbys: int | None = None
    rebuild: bool = False
    demo: bool = False
    tls: TlsFiles | None = None
    gate: GateOptions = field(default_factory=GateOptions)
    etcd: EtcdOptions | None = None
    advertise: str | None = None
    drain_seconds: float = 0.0
    access_log: str = "off"
    sample: bool = False


def parse_address(text: str) -> tuple[str, int]:
    """HOST:PORT → (host, port); an IPv6 address stands in brackets, and loses them.

    Raises ValueError with a sentence that says what to write instead.
    """
    text = text.strip()
    match = _ADDRESS.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not HOST:PORT{_suggestion(text)}.")
    port = int(match["port"])
    if port > PORT_MAX:
        raise ValueError(f"port {port} is above {PORT_MAX}; write a port from 0 (any free one) to {PORT_MAX}.")
    if match["ip6"] is not None:
        if not _is_ip6(match["ip6"]):
            raise ValueError(f"{match['ip6']!r} is no IPv6 address; write for example [::1]:{port}.")
        return match["ip6"], port
    host = match["host"]
    if not host:
        raise ValueError(f"the host is missing; write 127.0.0.1:{port} for this machine alone, 0.0.0.0:{port} for all.")
    if not _HOST_NAME.fullmatch(host):
        raise ValueError(f"{host!r} is neither a host name nor an IP address; write for example 127.0.0.1:{port}.")
    return host, port


def _suggestion(text: str) -> str:
    """What was probably meant."""
    if text.isascii() and text.isdigit():
        return f"; write 127.0.0.1:{text} for this machine alone, or 0.0.0.0:{text} for all its addresses"
    if _is_ip6(text):
        return f"; an IPv6 address needs brackets and a port: [{text}]:8080"
    before, _, port = text.rpartition(":")
    if port.isdigit() and _is_ip6(before):
        return f"; an IPv6 address needs brackets: [{before}]:{port}"
    if "://" in text:
        return "; leave out the scheme and the path, such as 127.0.0.1:8080"
    if _HOST_NAME.fullmatch(text):
        return f"; the port is missing, such as {text}:8080"
    return "; write for example 127.0.0.1:8080 or [::1]:8080"


def _is_ip6(text: str) -> bool:
    try:
        return isinstance(ipaddress.ip_address(text), ipaddress.IPv6Address)
    except ValueError:
        return False


def parse_host(text: str) -> str:
    """A host's name or IP address, an IPv6 one without brackets. Raises ValueError."""
    if not (_HOST_NAME.fullmatch(text) or _is_ip6(text)):
        raise ValueError(f"{text!r} is neither a host name nor an IP address; leave out the port.")
    return text


def parse_name(text: str) -> str:
    """A node's name as it stands in lists and logs. Raises ValueError."""
    if not _NODE_NAME.fullmatch(text):
        raise ValueError(
            f"{text!r} is no name for a node: write up to 64 letters, digits, dots, dashes and underscores."
        )
    return text


def default_name() -> str:
    """The machine's own name."""
    host = socket.gethostname().split(".", maxsplit=1)[0]
    return host if _NODE_NAME.fullmatch(host) else "onsale"

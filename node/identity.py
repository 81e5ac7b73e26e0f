"""Who a node is: an id that its data folder keeps, its name, and the secret it shares with the others.

Owns the file `node.json` and where the secret comes from.
"""

import ipaddress
import os
import secrets
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from ..journal.disk import RealDisk, publish
from ..journal.errors import failing_while
from ..replicas.ports import format_address, parse_address
from .access import NotConfigured
from .options import default_name

NODE_FILE = "node.json"
SECRET_FILE = "cluster.secret"  # noqa: S105 - a file's name
SECRET_VARIABLE = "ONSALE_CLUSTER_SECRET"  # noqa: S105
NODE_ID_BYTES = 8


class Identity(msgspec.Struct, frozen=True):
    id: str  # hex
    name: str
    sync_standbys: int | None = None  # what --sync-standbys said when this node began to lead last

    @property
    def node_id(self) -> bytes:
        return bytes.fromhex(self.id)


def identify(data: Path, name: str | None, *, alone: bool, anew: bool = False) -> Identity:
    """Who the folder `data` is. `name`: what the operator says, which is kept. `anew`: another node from now on.

    Without a name, a primary has its machine's, and others that and a part of their id, for several may be on one
    machine. Raises NotConfigured, JournalFailed.
    """
    known = _read(data / NODE_FILE)
    node_id = known.id if known is not None and not anew else secrets.token_hex(NODE_ID_BYTES)
    if name is None:
        name = known.name if known is not None else default_name() if alone else f"{default_name()}-{node_id[:4]}"
    identity = Identity(node_id, name, None if known is None else known.sync_standbys)
    if identity != known:
        write_identity(data, identity)
    return identity


def write_identity(data: Path, identity: Identity) -> None:
    """Raises JournalFailed."""
    with failing_while(f"writing {NODE_FILE}"):
        (data / f"{NODE_FILE}.temporary").unlink(missing_ok=True)
        publish(RealDisk(data), NODE_FILE, msgspec.json.encode(identity) + b"\n")


def _read(path: Path) -> Identity | None:
    if not path.exists():
        return None
    try:
        identity = msgspec.json.decode(path.read_bytes(), type=Identity)
        if len(identity.node_id) != NODE_ID_BYTES:
            raise ValueError("its id is not what it should be")
    except (ValueError, msgspec.MsgspecError) as error:
        raise NotConfigured(
            f"{path} says who this node is, and can't be read: {error}. Remove it; the node gets a new id then, and "
            "other nodes take it for a new one."
        ) from error
    return identity


def cluster_secret(data: Path) -> bytes:
    """From ONSALE_CLUSTER_SECRET, or the file `cluster.secret` in the data folder; b"" when there is neither."""
    secret = os.environ.get(SECRET_VARIABLE, "").strip()
    if secret:
        return secret.encode()
    path = data / SECRET_FILE
    return path.read_bytes().strip() if path.exists() else b""


def advertised(address: str, towards: Sequence[str], as_host: str | None = None) -> str:
    """Where others reach what listens at `address`: for one that stands for all of this machine's, the one that leads
    `towards` the other nodes, or out of here. `as_host`: what the operator says, which goes before.
    """
    host, port = parse_address(address)
    if as_host is not None:
        return format_address(as_host, port)
    with suppress(ValueError):
        if not ipaddress.ip_address(host).is_unspecified:
            return address
        for other in (*towards, "192.0.2.1:9"):  # the last one is for documentation, and leads to no machine
            with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
                asking.connect(parse_address(other))  # sends nothing
                return format_address(asking.getsockname()[0], port)
        return format_address(socket.gethostname(), port)
    return address

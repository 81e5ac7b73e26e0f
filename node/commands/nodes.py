"""`onsale serve`, `standby` and `replica`: the flags of a node, and their checks.

Owns how a node is described on the command line. What it then does is in node/serve.py.
"""

import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ..options import GateOptions, NodeOptions, TlsFiles, parse_address, parse_host, parse_name
from .flags import SETTINGS, examples, flag
from .lease_flags import etcd_options, lease_flags

HOLD_SECONDS_MAX = 24 * 3600
SYNC_STANDBYS_MAX = 16
DRAIN_SECONDS_MAX = 3600


def _address(_context: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[str, int] | None:
    try:
        return None if value is None else parse_address(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _sources(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        try:
            _, port = parse_address(value)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error
        if not port:
            raise click.BadParameter(f"{value!r} needs the port that the other node's --replication says.")
    return values


def _name(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    try:
        return None if value is None else parse_name(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _host(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    try:
        return None if value is None else parse_host(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _hold_ms(_context: click.Context, _parameter: click.Parameter, value: float) -> int:
    if not (math.isfinite(value) and 0 < value <= HOLD_SECONDS_MAX):
        raise click.BadParameter(f"write a number of seconds above 0, up to {HOLD_SECONDS_MAX} (a day).")
    return max(round(value * 1000), 1)


def _drain_seconds(_context: click.Context, _parameter: click.Parameter, value: float) -> float:
    if not (math.isfinite(value) and 0 <= value <= DRAIN_SECONDS_MAX):
        raise click.BadParameter(f"write a number of seconds from 0 (stop at once) to {DRAIN_SECONDS_MAX} (an hour).")
    return value


def _limit(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    from ...http.access.buckets import parse_limit

    try:
        if value is not None:
            parse_limit(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    return value


def _networks(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    from ...http.access.addresses import parse_networks

    try:
        parse_networks(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    return value


_file = click.Path(exists=True, dir_okay=False, path_type=Path)
_data = flag(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    metavar="DIR",
    help="Where everything is kept: journal, checkpoint, keys. Made when it is missing.",
)
_listen = flag(
    "--listen",
    default="127.0.0.1:8080",
    callback=_address,
    metavar="HOST:PORT",
    help="Where to serve HTTP; port 0 takes any free one.",
)
_replication = flag(
    "--replication",
    callback=_address,
    metavar="HOST:PORT",
    help="Where other nodes connect; port 0 takes any free one.",
)
_hold = flag(
    "--hold-seconds",
    "hold_ms",
    type=float,
    default=300.0,
    callback=_hold_ms,
    metavar="S",
    help="How long tickets are held for a user who has not paid, while this node is the primary.",
)
_sync = flag(
    "--sync-standbys",
    type=click.IntRange(min=0, max=SYNC_STANDBYS_MAX),
    metavar="K",
    help="How many standbys must have a write on disk before it is answered, once this node is the primary.  "
    "[default: as it was; 0 at first]",
)
_rebuild = flag("--rebuild", is_flag=True, help="Set aside what is in the folder, and fetch a copy anew.")


def _name_flag(default: str) -> Callable[[Any], Any]:
    return flag(
        "--name", callback=_name, metavar="N", help=f"What lists and logs call this node.  [default: {default}]"
    )


_COMMON = (
    flag(
        "--advertise",
        callback=_host,
        metavar="HOST",
        help="The name or address by which other nodes reach this one, on the ports above; a name where the address "
        "is another one after each start, as in containers.  [default: the address that leads to them]",
    ),
    flag(
        "--limit-per-user",
        callback=_limit,
        metavar="RATE/BURST",
        help="How many bookings and the like a second, and how many at once, of one user; none: no limit.  "
        "[default: 20/100 where authentication is configured]",
    ),
    flag(
        "--limit-per-address",
        callback=_limit,
        metavar="RATE/BURST",
        help="How many calls of one address (IPv6: /64).  [default: 200/2000 where authentication is configured]",
    ),
    flag(
        "--limit-exempt",
        callback=_networks,
        default="127.0.0.0/8,::1",
        metavar="NETWORKS",
        help="Addresses that are not counted, such as a venue's own desk; none: all are.",
    ),
    flag(
        "--trusted-proxies",
        callback=_networks,
        default="none",
        metavar="NETWORKS",
        help="Whose X-Forwarded-For is believed.",
    ),
    flag(
        "--challenge-number-max",
        type=click.IntRange(min=1, max=1_000_000),
        default=50_000,
        metavar="N",
        help="How many hashes the proof of work takes at most while little comes in; up to ten times that in a rush.",
    ),
    flag("--replication-certificate", type=_file, metavar="FILE", help="TLS between nodes: this node's certificate."),
    flag("--replication-key", type=_file, metavar="FILE", help="The certificate's key."),
    flag("--replication-authority", type=_file, metavar="FILE", help="Who signs the certificates of all nodes."),
    flag(
        "--drain-seconds",
        type=float,
        default=0.0,
        callback=_drain_seconds,
        metavar="S",
        help="After SIGTERM: for so long, or until nobody is connected, have balancers send nobody here (/readyz, "
        "/replica and /primary answer 503) while everything is still answered; then stop.",
    ),
    flag(
        "--sample",
        is_flag=True,
        help="Nothing here is real: operators may rehearse with a simulated crowd, at /console; --demo says so, too.",
    ),
    flag(
        "--log-format",
        type=click.Choice(["human", "json"]),
        default="human",
        help="How the log is written to standard error.",
    ),
    flag(
        "--access-log",
        type=click.Choice(["off", "errors", "writes", "all"]),
        default="off",
        help="Which calls have a line there: request id, seq, route, status, milliseconds, user.",
    ),
)


def _common(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_COMMON):
        command = option(command)
    return command


def _tls(certificate: Path | None, key: Path | None, authority: Path | None) -> TlsFiles | None:
    if certificate is None and key is None and authority is None:
        return None
    if certificate is None or key is None:
        raise click.UsageError("TLS between nodes needs --replication-certificate and --replication-key, both.")
    return TlsFiles(certificate, key, authority)


def _run(
    kind: str,
    *,
    listen: tuple[str, int],
    replication_certificate: Path | None,
    replication_key: Path | None,
    replication_authority: Path | None,
    limit_per_user: str | None,
    limit_per_address: str | None,
    limit_exempt: str,
    trusted_proxies: str,
    challenge_number_max: int,
    **options: Any,
) -> None:
    from ..serve import run

    host, port = listen
    tls = _tls(replication_certificate, replication_key, replication_authority)
    gate = GateOptions(limit_per_user, limit_per_address, limit_exempt, trusted_proxies, challenge_number_max)
    sys.exit(run(NodeOptions(kind=kind, host=host, port=port, tls=tls, gate=gate, **options)))


@click.command(
    context_settings=SETTINGS,
    epilog=examples(
        "onsale serve --data ./data --demo",
        "onsale serve --data ./data --replication 127.0.0.1:7400 --sync-standbys 1",
        "onsale serve --data /var/lib/onsale --listen 0.0.0.0:8080 --log-format json",
        "ONSALE_DATA=./data ONSALE_LISTEN=[::1]:9000 onsale serve",
    ),
)
@_data
@_listen
@_replication
@_name_flag("the machine's name")
@_sync
@_hold
@flag("--demo", is_flag=True, help="Fill an empty node with sample events.")
@lease_flags
@_common
def serve(**options: Any) -> None:
    """Run a primary: alone it is the whole product. Ctrl-C stops it cleanly.

    An answer is given only when it is on disk, here and on as many standbys as --sync-standbys says; so whatever stops
    the node, a start with the same folder has all that was answered. If another node has become the primary
    meanwhile, this one follows it. Without authentication it serves this machine alone; `onsale token` turns it on.
    """
    _run("serve", etcd=etcd_options(options), **options)


@click.command(
    context_settings=SETTINGS,
    epilog=examples(
        "onsale standby --data ./standby --primary 127.0.0.1:7400 --listen 127.0.0.1:8081",
        "onsale standby --data ./standby --primary 127.0.0.1:7400 --rebuild    after its disk was damaged",
    ),
)
@_data
@flag(
    "--primary",
    "sources",
    multiple=True,
    required=True,
    callback=_sources,
    metavar="HOST:PORT",
    help="The primary's --replication address, or another node's that knows the primary; may be given again.",
)
@_listen
@_replication
@_name_flag("the machine's name and a part of the node's id")
@_sync
@_hold
@_rebuild
@lease_flags
@_common
def standby(*, listen: tuple[str, int], replication: tuple[str, int] | None, **options: Any) -> None:
    """Run a hot standby: it has the journal on disk and applied, serves reads, and can become the primary.

    An empty folder is filled from the primary first. Who is the primary may change: it finds the new one by itself.
    Without --replication other nodes reach it at --listen's host and any free port.
    """
    etcd = etcd_options(options)
    _run("standby", listen=listen, replication=replication or (listen[0], 0), etcd=etcd, **options)


@click.command(
    context_settings=SETTINGS,
    epilog=examples("onsale replica --data ./replica --source 127.0.0.1:7401 --listen 127.0.0.1:8082"),
)
@_data
@flag(
    "--source",
    "sources",
    multiple=True,
    required=True,
    callback=_sources,
    metavar="HOST:PORT",
    help="The --replication address of the primary, a standby or another replica; may be given again.",
)
@_listen
@_replication
@_name_flag("the machine's name and a part of the node's id")
@_rebuild
@_common
def replica(**options: Any) -> None:
    """Run a read-only replica: searches, event pages, availability, the queue. Writes are passed on to the primary.

    It never becomes the primary, and no answer waits for it. Other replicas can follow it where it has --replication.
    """
    _run("replica", hold_ms=300_000, **options)


@click.command(
    context_settings=SETTINGS,
    epilog=examples("onsale local --data ./data", "onsale local --data ./data --port 9000"),
)
@_data
@flag("--port", type=click.IntRange(min=1, max=65_000), default=8080, metavar="P", help="The primary's; others follow.")
def local(*, data: Path, port: int) -> None:
    """Run a small cluster on this machine, with sample events: a primary, a standby, a read replica. Ctrl-C stops it.

    For trying things out: look at it with `onsale status`, hand over, kill a node, fail over.
    """
    import asyncio

    from ..local_cluster import supervise

    sys.exit(asyncio.run(supervise(data, port, click.echo)))

"""The flags of takeover without a person: which etcd, and for how long at a time.

Owns these flags and their checks. What they lead to is in node/lease/.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ..options import EtcdOptions
from .flags import flag

LEASE_SECONDS_MIN = 2
LEASE_SECONDS_MAX = 300
_PREFIX = re.compile(r"(/[A-Za-z0-9._-]{1,64}){1,8}", re.ASCII)


def _members(_context: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    from ..lease.client import parse_members

    try:
        return None if value is None else parse_members(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _prefix(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    if not _PREFIX.fullmatch(value):
        raise click.BadParameter("write a path such as /onsale or /onsale/berlin.")
    return value


_file = click.Path(exists=True, dir_okay=False, path_type=Path)
_FLAGS = (
    flag(
        "--etcd",
        "etcd_members",
        callback=_members,
        metavar="URL,…",
        help="Let a standby take over by itself when the primary is gone: who leads holds a lease in this etcd. "
        "All voters of a cluster need the same. ONSALE_ETCD_LOGIN=NAME:PASSWORD where it asks for one.",
    ),
    flag(
        "--etcd-prefix",
        default="/onsale",
        callback=_prefix,
        metavar="PATH",
        help="Under which keys; another one for each cluster.",
    ),
    flag(
        "--lease-seconds",
        type=click.IntRange(min=LEASE_SECONDS_MIN, max=LEASE_SECONDS_MAX),
        default=10,
        metavar="S",
        help="How long a primary that can't renew its lease is waited for; it stops answering a little sooner.",
    ),
    flag("--etcd-authority", type=_file, metavar="FILE", help="Who signs etcd's certificates."),
    flag("--etcd-certificate", type=_file, metavar="FILE", help="What this node shows to etcd."),
    flag("--etcd-key", type=_file, metavar="FILE", help="That certificate's key."),
)


def lease_flags(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_FLAGS):
        command = option(command)
    return command


def etcd_options(options: dict[str, Any]) -> EtcdOptions | None:
    """Takes these flags out of `options`. Raises click.UsageError."""
    members = options.pop("etcd_members")
    prefix, lease_seconds = options.pop("etcd_prefix"), options.pop("lease_seconds")
    authority, certificate, key = (options.pop(f"etcd_{each}") for each in ("authority", "certificate", "key"))
    if members is None:
        return None
    if (certificate is None) != (key is None):
        raise click.UsageError("etcd is shown --etcd-certificate and --etcd-key, both or none.")
    return EtcdOptions(members, prefix, lease_seconds, authority, certificate, key)

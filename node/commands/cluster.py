"""`onsale status`, `switchover`, `failover`, `pause`, `sync-standbys` and `members`: the cluster of a running node.

Owns their flags and when they ask back. What is safe is judged by the node; traffic is in cluster_client.py, tables in
cluster_report.py.
"""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from ..exit_codes import ExitCode
from .flags import SETTINGS, InOrder, examples, flag, format_flag
from .output import CommandFailed, note

if TYPE_CHECKING:
    from .cluster_client import ClusterClient, Document

node_flag = flag(
    "--node",
    default="http://127.0.0.1:8080",
    metavar="URL",
    help="A node's address; several with commas: the first that is there is asked.",
)
token_flag = flag("--token", metavar="T", help="An operator's access token; see `onsale token`.")
yes_flag = flag("--yes", is_flag=True, help="Do it without asking back.")


def _client(node: str, token: str | None) -> "ClusterClient":
    from .cluster_client import ClusterClient, parse_addresses

    try:
        return ClusterClient(parse_addresses(node), token)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--node") from error


@click.command(
    context_settings=SETTINGS,
    epilog=examples(
        "onsale status",
        "onsale status --watch --node http://10.0.0.1:8080,http://10.0.0.2:8080",
        "onsale status --format json | jq .problems",
    ),
)
@node_flag
@flag("--watch", is_flag=True, help="Show it again every second, until Ctrl-C.")
@token_flag
@format_flag
def status(*, node: str, watch: bool, token: str | None, file_format: str) -> None:
    """Show the members: roles, epochs, positions, lag, and what is wrong.

    Any node can be asked. Exit code 5 when something is wrong.
    """
    from .cluster_report import print_status
    from .cluster_report import watch as watch_it

    client, as_json = _client(node, token), file_format == "json"
    if watch:
        if not watch_it(client.status, as_json=as_json):
            sys.exit(ExitCode.UNHEALTHY)
        return
    document = client.status()
    print_status(document, as_json=as_json)
    if document["health"] != "ok":
        sys.exit(ExitCode.UNHEALTHY)


@click.command(context_settings=SETTINGS, epilog=examples("onsale switchover", "onsale switchover --to node-2 --yes"))
@node_flag
@flag("--to", metavar="NAME", help="Hand over to this standby.  [default: the one that is least behind]")
@yes_flag
@token_flag
@format_flag
def switchover(*, node: str, to: str | None, yes: bool, token: str | None, file_format: str) -> None:
    """Have the primary hand over to a standby. Nothing is lost.

    The primary stops taking writes, waits until the standby has everything, and lets it lead. If that does not come
    about in time, the primary goes on.
    """
    asked = {"to": to} if to else {}
    _ordered(_client(node, token), "/cluster/switchover", asked, yes=yes, as_json=file_format == "json")


@click.command(
    context_settings=SETTINGS,
    epilog=examples(
        "onsale failover --node http://10.0.0.2:8080",
        "onsale failover --node http://10.0.0.2:8080,http://10.0.0.3:8080 --yes",
        "onsale failover --to node-2 --accept-data-loss",
    ),
)
@node_flag
@flag("--to", metavar="NAME", help="Let this standby lead.  [default: the one that is furthest ahead]")
@yes_flag
@flag("--accept-data-loss", is_flag=True, help="Go on where it cannot be proven that no answered write is lost.")
@click.option(  # not from the environment: what nodes are started with must not lower it unawares
    "--sync-standbys",
    type=click.IntRange(min=0),
    metavar="K",
    help="How many standbys answers wait for from then on.  [default: as many as now]",
)
@token_flag
@format_flag
def failover(
    *,
    node: str,
    to: str | None,
    yes: bool,
    accept_data_loss: bool,
    sync_standbys: int | None,
    token: str | None,
    file_format: str,
) -> None:
    """Let a standby lead, the primary being gone: says what is kept, and what may be lost.

    Any node that answers can be asked. The primary is fenced: should it still run, it can answer no write any more.
    Exit code 4, and nothing done, when it cannot be proven that no answered write is lost; 7 when another failover was
    faster.
    """
    asked: dict[str, Any] = {"to": to} if to else {}
    if accept_data_loss:
        asked["acceptDataLoss"] = True
    if sync_standbys is not None:
        asked["syncStandbys"] = sync_standbys
    _ordered(_client(node, token), "/cluster/failover", asked, yes=yes, as_json=file_format == "json")


@click.command(
    "sync-standbys",
    context_settings=SETTINGS,
    epilog=examples("onsale sync-standbys 1", "onsale sync-standbys 0 --node http://10.0.0.1:8080"),
)
@click.argument("count", type=click.IntRange(min=0), metavar="K")
@node_flag
@flag("--accept-data-loss", is_flag=True, help="Go on with fewer, though those that are missing can't be told.")
@token_flag
@format_flag
def sync_standbys(*, count: int, node: str, accept_data_loss: bool, token: str | None, file_format: str) -> None:
    """Have answers to writes wait until K standbys have what they rest on.

    Fewer than before is agreed on by as many as before. Exit code 4, and nothing done, when those are not there: one of
    them could be let lead later without what is answered meanwhile.
    """
    client = _client(node, token)
    asked: dict[str, Any] = {"syncStandbys": count}
    if accept_data_loss:
        asked["acceptDataLoss"] = True
    _print(lambda: client.order("POST", "/cluster/sync-standbys", asked), file_format == "json")


@click.command(context_settings=SETTINGS, epilog=examples("onsale pause", "onsale pause --node http://10.0.0.2:8080"))
@node_flag
@token_flag
@format_flag
def pause(*, node: str, token: str | None, file_format: str) -> None:
    """Keep standbys from taking over by themselves, for maintenance. Any voter started with --etcd can be asked.

    The primary goes on, and `onsale failover` and `switchover` work as ever.
    """
    client = _client(node, token)
    _print(lambda: client.order("POST", "/cluster/pause"), file_format == "json")


@click.command(context_settings=SETTINGS, epilog=examples("onsale resume"))
@node_flag
@token_flag
@format_flag
def resume(*, node: str, token: str | None, file_format: str) -> None:
    """Let standbys take over by themselves again: the end of `onsale pause`."""
    client = _client(node, token)
    _print(lambda: client.order("POST", "/cluster/resume"), file_format == "json")


@click.group(cls=InOrder, context_settings=SETTINGS)
def members() -> None:
    """Change who belongs to the cluster."""


@members.command("remove", context_settings=SETTINGS, epilog=examples("onsale members remove node-3"))
@click.argument("name")
@node_flag
@token_flag
@format_flag
def remove_member(*, name: str, node: str, token: str | None, file_format: str) -> None:
    """Forget the member NAME, which does not come back. Stop it first: one that runs joins again."""
    from urllib.parse import quote

    client = _client(node, token)
    _print(lambda: client.order("DELETE", f"/cluster/members/{quote(name, safe='')}"), file_format == "json")


def _ordered(client: "ClusterClient", path: str, asked: dict[str, Any], *, yes: bool, as_json: bool) -> None:
    """Give the order; without --yes, first say what it would do and ask back."""
    said: list[str] = []
    if not yes:
        if not _can_ask_back():
            raise click.UsageError("There is no terminal to ask back on: say --yes to do it.")
        planned = _print(lambda: client.order("POST", path, asked | {"dryRun": True}), as_json)
        said = planned["sentences"]
        if not click.confirm(f"Let {planned['primary']} lead?", err=True):
            raise CommandFailed("Nothing was done.")
        asked |= {"to": planned["primary"]}
    note("asking; this takes a moment.")
    _print(lambda: client.order("POST", path, asked), as_json, said)


def _can_ask_back() -> bool:
    return sys.stdin.isatty()


def _print(order: Callable[[], "Document"], as_json: bool, said: list[str] | None = None) -> "Document":  # noqa: FBT001
    """Give an order and print what became of it."""
    from .cluster_client import Refused
    from .cluster_report import print_outcome, print_sentences
    from .output import print_json

    try:
        document = order()
    except Refused as refusal:
        if as_json:
            print_json(refusal.problem)
        else:
            print_sentences([each for each in refusal.sentences if each not in (said or [])])
        raise
    print_outcome(document, said or [], as_json=as_json)
    return document

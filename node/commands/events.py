"""`onsale events import`, `export`, `cancel` and `progress`: what organisers do with a running node.

Owns their flags and what is said about the outcome; formats of files are in catalogue.py, their traffic in
catalogue_transfer.py; how far a cancellation has come is told by event_progress.py.
"""

import sys
from pathlib import Path
from typing import Any

import click

from ..exit_codes import ExitCode
from .flags import SETTINGS, InOrder, examples, flag, format_flag, token_flag
from .operator_client import OperatorClient, client_of, node_flag, organiser_flag
from .output import Bars, CommandFailed, failures_told, note, print_json, print_table


@click.group(cls=InOrder, context_settings=SETTINGS)
def events() -> None:
    """Bring events into a node, or out of it, as a file; cancel one, and see what is still owed."""


FILES = """\b
JSON Lines (.jsonl): on each line the body of POST /events, such as
  {"name": "Long Shadows", "startsAt": "2027-03-01T19:00:00Z", "ticketTypes":
   [{"name": "Standing", "price": "49.90", "capacity": 500}]}      (on one line)
CSV (.csv): a head with the columns, in any order, of which name, startsAt and
ticketTypes are needed:
  name,startsAt,endsAt,venue,city,country,category,description,currency,
  onSaleAt,maxPerUser,maxHoldsPerUser,waitlist,ticketTypes
ticketTypes is name:price:capacity, several with ; between them:
  Standing:49.90:500;Seated:79.00:200

"""


@events.command(
    "import",
    context_settings=SETTINGS,
    epilog=FILES
    + examples("onsale events import concerts.csv", "onsale events import - --format jsonl < concerts.jsonl"),
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@node_flag
@token_flag
@flag(
    "--format",
    "file_format",
    type=click.Choice(["jsonl", "csv"]),
    help="What FILE is.  [default: as its name says, else jsonl]",
)
def import_events(*, file: Path, node: str, token: str | None, file_format: str | None) -> None:
    """Create the events of FILE (- is standard input) on a running node.

    The whole file is checked first, and nothing is sent while a line is wrong. If it is interrupted, run it again:
    within 24 hours nothing is created twice.
    """
    from .catalogue import parse

    with failures_told():
        content = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    lines, bad = parse(content, _format_of(file, file_format))
    if bad:
        print_table(("line", "what is wrong"), [(str(each.number), each.reason) for each in bad], numbers=(0,))
        raise CommandFailed(f"{len(bad)} of {len(lines) + len(bad)} lines are wrong; nothing was sent.")
    imported = _with_node(node, token, lambda client, bars: client.import_lines(lines, bars))
    already = f", {imported.known} were there already" if imported.known else ""
    click.echo(f"{imported.created} events created{already}.")
    if imported.refused:
        print_table(("line", "refused"), [(str(each.number), each.reason) for each in imported.refused], numbers=(0,))
        raise CommandFailed(f"{len(imported.refused)} of {len(lines)} events were refused by the node.")


@events.command(
    "export",
    context_settings=SETTINGS,
    epilog=FILES
    + examples("onsale events export concerts.csv", "onsale events export --format jsonl | gzip > events.gz"),
)
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path), default="-")
@node_flag
@token_flag
@flag(
    "--format",
    "file_format",
    type=click.Choice(["jsonl", "csv"]),
    help="What to write.  [default: as FILE's name says, else jsonl]",
)
def export_events(*, file: Path, node: str, token: str | None, file_format: str | None) -> None:
    """Write a node's events to FILE (- is standard output), as `import` reads them. Cancelled ones are left out."""
    from .catalogue import body_of, write

    found, cancelled = _with_node(node, token, lambda client, bars: client.export_events(bars))
    text = "".join(write(map(body_of, found), _format_of(file, file_format))).encode()
    with failures_told():
        if str(file) == "-":
            sys.stdout.buffer.write(text)
        else:
            temporary = file.with_name(f".{file.name}.temporary")
            temporary.write_bytes(text)
            temporary.replace(file)
    left_out = f", {cancelled} cancelled ones left out" if cancelled else ""
    note(f"{len(found)} events written{left_out}.")


event_id_argument = click.argument("event_id", type=click.IntRange(min=1), metavar="ID")
watch_flag = flag("--watch", is_flag=True, help="Show how far it is, until nothing is owed any more.")


@events.command(
    "cancel",
    context_settings=SETTINGS,
    epilog=examples("onsale events cancel 7 --watch", "onsale events cancel 7 --yes --node http://10.0.0.1:8080"),
)
@event_id_argument
@watch_flag
@flag("--yes", is_flag=True, help="Do it without asking back.")
@node_flag
@organiser_flag
@format_flag
def cancel_event(*, event_id: int, watch: bool, yes: bool, node: str, token: str | None, file_format: str) -> None:
    """Cancel the event ID: every booking ends, every paid one is refunded, and every holder is told.

    It cannot be taken back. The node does all of it by itself, whatever is restarted meanwhile; Ctrl-C ends the
    watching alone.
    """
    client = client_of(node, token)
    if not yes:
        if not _can_ask_back():
            raise click.UsageError("There is no terminal to ask back on: say --yes to do it.")
        event = client.get(f"/events/{event_id}")
        sold = sum(each["sold"] for each in event["ticketTypes"])
        click.echo(f"{event['name']}, {event['startsAt']}: {sold} tickets sold.", err=True)
        if not click.confirm("Cancel it, and refund them all?", err=True):
            raise CommandFailed("Nothing was done.")
    client.post(f"/events/{event_id}/cancel")
    note(f"event {event_id} is cancelled; refunds and messages are on their way.")
    _show_progress(client, event_id, watch=watch, as_json=file_format == "json")


@events.command(
    "progress",
    context_settings=SETTINGS,
    epilog=examples("onsale events progress 7 --watch", "onsale events progress 7 --format json | jq .refundsOwed"),
)
@event_id_argument
@watch_flag
@node_flag
@organiser_flag
@format_flag
def show_progress(*, event_id: int, watch: bool, node: str, token: str | None, file_format: str) -> None:
    """Show what is still owed to those who booked the event ID: refunds, messages.

    Exit code 5 when some of it failed, and waits for a person.
    """
    _show_progress(client_of(node, token), event_id, watch=watch, as_json=file_format == "json")


def _can_ask_back() -> bool:
    return sys.stdin.isatty()


def _show_progress(client: OperatorClient, event_id: int, *, watch: bool, as_json: bool) -> None:
    from . import event_progress

    def read() -> dict[str, Any]:
        return client.get(f"/events/{event_id}/progress")

    document = event_progress.watch(read, event_id) if watch else read()
    if document is None:  # interrupted, and that was said
        return
    if as_json:
        print_json(document)
        failed = bool(event_progress.failures(document))
    else:
        failed = event_progress.tell(document)
    if failed:
        sys.exit(ExitCode.UNHEALTHY)


def _format_of(file: Path, chosen: str | None) -> str:
    return chosen or ("csv" if file.suffix.lower() == ".csv" else "jsonl")


def _with_node(node: str, token: str | None, work: Any) -> Any:
    """Run `work(client, bars)` with a client of this node."""
    import asyncio

    from .catalogue_transfer import NodeClient, node_url

    try:
        url = node_url(client_of(node, token).address_there() if "," in node else node)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--node") from error

    async def run() -> Any:
        async with NodeClient(url, token) as client:
            with Bars() as bars:
                return await work(client, bars)

    return asyncio.run(run())

"""`onsale queue`: how an event's waiting room stands, and what its operator does with it.

Owns its flags and how a room is told to a person. What it says is what everybody may see; changing it takes an
organiser's token.
"""

import sys
import time
from collections.abc import Callable
from typing import Any, Final

import click

from ...engine.limits import ADMIT_PER_MINUTE_MAX, PLACES_MAX
from ..exit_codes import ExitCode
from .flags import SETTINGS, examples, flag, format_flag
from .operator_client import OperatorClient, client_of, node_flag, organiser_flag
from .outbox_report import plural
from .output import CommandFailed, note, print_json, print_table

Document = dict[str, Any]
WATCHED_SECONDS: Final = 1.0
STATES: Final = {
    "pre_queue": "gathers people; nobody is let in before it opens",
    "open": "open",
    "paused": "paused: nobody is let in",
    "closed": "closed: nobody is let in, and nobody joins",
    "sold_out": "sold out: nothing is left that could come back",
}


def _inside(context: click.Context, parameter: click.Parameter, value: str | None) -> int | str | None:
    """A number of people, or "none" for no bound."""
    if value is None or value == "none":
        return value
    number: int = click.IntRange(1, PLACES_MAX)(value, parameter, context)
    return number


@click.command(
    context_settings=SETTINGS,
    epilog=examples(
        "onsale queue 7 --watch",
        "onsale queue 7 --pause",
        "onsale queue 7 --resume --admit-per-minute 300 --max-inside none",
        "onsale queue 7 --format json | jq .waiting",
    ),
)
@click.argument("event_id", type=click.IntRange(min=1), metavar="EVENT")
@flag("--pause", is_flag=True, help="Let nobody in until --resume; people may still join.")
@flag("--resume", is_flag=True, help="Go on letting people in. A room that is to open yet opens at its own time.")
@flag("--close", is_flag=True, help="Let nobody in, and nobody join; whose turn it is may still book.")
@flag("--admit-per-minute", type=click.IntRange(1, ADMIT_PER_MINUTE_MAX), metavar="N", help="Slow down, or speed up.")
@flag("--max-inside", callback=_inside, metavar="N|none", help="How many people may have their turn at once.")
@flag("--watch", is_flag=True, help="Show it again every second, until Ctrl-C.")
@node_flag
@organiser_flag
@format_flag
def queue(
    *,
    event_id: int,
    pause: bool,
    resume: bool,
    close: bool,
    admit_per_minute: int | None,
    max_inside: int | str | None,
    watch: bool,
    node: str,
    token: str | None,
    file_format: str,
) -> None:
    """Show the waiting room of EVENT: who is being served, who waits, how many tickets are left. Or steer it."""
    if pause + resume + close > 1:
        raise click.UsageError("Say one of --pause, --resume and --close.")
    change: Document = {}
    if pause or resume or close:
        change["state"] = "paused" if pause else "open" if resume else "closed"
    if admit_per_minute is not None:
        change["admitPerMinute"] = admit_per_minute
    if max_inside is not None:
        change["maxInside"] = None if max_inside == "none" else max_inside
    client, as_json = client_of(node, token), file_format == "json"
    read = _reader(client, event_id)
    if change:
        read()  # an event without a room must not get one by being paused
        client.order("PATCH", f"/events/{event_id}", {"waitingRoom": change})
        note("the waiting room is changed.")
    if watch:
        _watch(read, as_json=as_json)
    else:
        _tell(read(), as_json=as_json)


def _reader(client: OperatorClient, event_id: int) -> Callable[[], Document]:
    return lambda: client.get(f"/events/{event_id}/queue")


def _watch(read: Callable[[], Document], *, as_json: bool) -> None:
    """Until Ctrl-C; a node that is away is waited for."""
    try:
        while True:
            try:
                document = read()
            except CommandFailed as fault:
                if fault.exit_code != ExitCode.UNREACHABLE:
                    raise
                note(f"{fault.message} Asking again.")
            else:
                if not as_json and sys.stdout.isatty():
                    click.clear()
                _tell(document, as_json=as_json)
            time.sleep(WATCHED_SECONDS)
    except KeyboardInterrupt:
        return


def _tell(document: Document, *, as_json: bool) -> None:
    if as_json:
        print_json(document)
        return
    print_table((), _lines(document))


def _lines(document: Document) -> list[tuple[str, str]]:
    state = document["state"]
    opens = f", at {document['opensAt']}" if state == "pre_queue" and document["opensAt"] else ""
    rate = plural(document["admitPerMinute"], "person").replace("persons", "people")
    lines = [
        ("room", f"{STATES.get(state, state)}{opens}"),
        ("rate", f"{rate} a minute"),
        ("now serving", f"number {document['nowServing']} of {document['lastNumber']}"),
        ("inside", str(document["inside"])),
        ("waiting", str(document["waiting"])),
        ("tickets free", str(document["available"])),
    ]
    if document["servableThrough"] is not None:
        lines.append(("tickets reach", f"about number {document['servableThrough']}"))
    if document["commitment"] is not None:
        lines.append(("lot", f"seed {document['seed'] or 'secret until the opening'}"))
        lines.append(("committed to", document["commitment"]))
    return lines

"""`onsale tickets`: the public key of a cluster's tickets, and checking codes with it where there is no node.

Owns their flags and what is said of a code. How a code is made is in node/tickets.py.
"""

import sys
from collections.abc import Iterable, Iterator

import click

from ..exit_codes import ExitCode
from .flags import SETTINGS, InOrder, examples, flag, format_flag
from .operator_client import client_of, node_flag
from .output import print_json


@click.group(
    cls=InOrder,
    context_settings=SETTINGS,
    epilog=examples("onsale tickets key", "onsale tickets check - --key $(onsale tickets key)"),
)
def tickets() -> None:
    """Check the codes of tickets, offline too."""


@tickets.command(
    "key", context_settings=SETTINGS, epilog=examples("onsale tickets key", "export ONSALE_KEY=$(onsale tickets key)")
)
@node_flag
@format_flag
def key(*, node: str, file_format: str) -> None:
    """Print the public key with which tickets can be checked. It is no secret, and never changes."""
    document = client_of(node, None).get("/tickets/key")
    if file_format == "json":
        print_json(document)
    else:
        click.echo(document["publicKey"])


@tickets.command(
    "check",
    context_settings=SETTINGS,
    epilog=examples(
        "onsale tickets check AEAAAAAAB… --key $(onsale tickets key)",
        "onsale tickets check -        each line that a scanner types, until it ends",
    ),
)
@click.argument("codes", nargs=-1, required=True, metavar="CODE...")
@flag("--key", "public_key", required=True, metavar="KEY", help="The public key; see `onsale tickets key`.")
@format_flag
def check(*, codes: tuple[str, ...], public_key: str, file_format: str) -> None:
    """Say whether each CODE is genuine, and what it is for; - reads codes from standard input, a line each.

    Needs no node and no network. It cannot know what has happened since the ticket was made: whether it was refunded,
    or checked in before. Exit code 1 when one is not genuine.
    """
    from ..tickets import check_offline

    try:
        check_offline("", public_key)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--key") from error
    genuine = True
    for code in _each(codes):
        said = check_offline(code, public_key)
        genuine = genuine and said is not None
        if file_format == "json":
            found = None if said is None else (said.event_id, said.booking_id, said.number)
            numbers = dict(zip(("eventId", "bookingId", "number"), found, strict=True)) if found else {}
            print_json({"code": code, "genuine": said is not None, **numbers})
        elif said is None:
            click.echo(f"NOT GENUINE  {_shown(code)}")
        else:
            click.echo(f"genuine      event {said.event_id}, booking {said.booking_id}, ticket {said.number}")
        sys.stdout.flush()  # whoever stands at the door waits for it
    if not genuine:
        sys.exit(ExitCode.ERROR)


def _each(codes: Iterable[str]) -> Iterator[str]:
    for code in codes:
        if code == "-":
            lines = (line.decode(errors="replace").strip() for line in sys.stdin.buffer)
            yield from (line for line in lines if line)
        else:
            yield code.strip()


def _shown(code: str) -> str:
    """What a stranger wrote, on one line and safe for a terminal."""
    printable = "".join(each if each.isprintable() else "\ufffd" for each in code)
    return printable if len(printable) <= 40 else f"{printable[:37]}…"

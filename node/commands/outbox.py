"""`onsale outbox`: what is owed to the outside, and what of it waits for a person.

Owns its flags and how what was given up is named: refund-7, message-31. What is shown is set in outbox_report.py.
"""

import re
import sys

import click

from ..exit_codes import ExitCode
from .flags import SETTINGS, InOrder, examples, flag, format_flag
from .operator_client import OperatorClient, client_of, node_flag, operator_flag
from .output import CommandFailed, print_json

RETRIES_MAX = 1_000  # calls with --all: ten million
_GIVEN_UP = re.compile(r"(refund|message)-([1-9][0-9]{0,18})", re.ASCII)


@click.group(
    cls=InOrder,
    invoke_without_command=True,
    context_settings=SETTINGS,
    epilog=examples(
        "onsale outbox --watch",
        "onsale outbox retry refund-7 message-31",
        "onsale outbox close missing_payment:pi_3Nx",
    ),
)
@node_flag
@operator_flag
@format_flag
@flag("--watch", is_flag=True, help="Show it again every second, until Ctrl-C.")
@click.pass_context
def outbox(context: click.Context, *, node: str, token: str | None, file_format: str, watch: bool) -> None:
    """Show what is owed to the payment provider, by mail and to webhooks, and what waits for a person.

    What failed for good stands there until it is retried, and a concern about money until it is closed. Exit code 5
    while there is any.
    """
    if context.invoked_subcommand is not None:  # what is said here holds there, too
        said = {"node": node, "token": token, "file_format": file_format}
        context.default_map = {"retry": said, "close": said}
        return
    from .outbox_report import print_outbox
    from .outbox_report import watch as watch_it

    client, as_json = client_of(node, token), file_format == "json"
    if watch:
        waits = watch_it(lambda: client.get("/outbox?limit=100"), as_json=as_json)
    else:
        waits = print_outbox(client.get("/outbox?limit=100"), as_json=as_json)
    if waits:
        sys.exit(ExitCode.UNHEALTHY)


def _given_up(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> list[tuple[str, int]]:
    named = []
    for value in values:
        found = _GIVEN_UP.fullmatch(value)
        if found is None:
            raise click.BadParameter(f"{value!r} is neither refund-N nor message-N, as `onsale outbox` lists them.")
        named.append((found[1], int(found[2])))
    return named


@outbox.command(
    "retry",
    context_settings=SETTINGS,
    epilog=examples("onsale outbox retry refund-7 message-31", "onsale outbox retry --all"),
)
@click.argument("given_up", nargs=-1, metavar="ID...", callback=_given_up)
@flag("--all", "everything", is_flag=True, help="All that was given up.")
@node_flag
@operator_flag
@format_flag
def retry(*, given_up: list[tuple[str, int]], everything: bool, node: str, token: str | None, file_format: str) -> None:
    """Try again what was given up: refunds that the provider refused, messages that could not be sent."""
    if bool(given_up) == everything:
        raise click.UsageError(
            "Name what to try again, such as refund-7 or message-31; or say --all, and nothing else."
        )
    from .outbox_report import print_retried

    client = client_of(node, token)
    if everything:
        answer = _retry_all(client)
    else:
        refunds = [number for kind, number in given_up if kind == "refund"]
        messages = [number for kind, number in given_up if kind == "message"]
        answer = client.post("/outbox/retry", {"refundIds": refunds, "deliveryIds": messages})
    if file_format == "json":
        print_json(answer)
    else:
        print_retried(answer)
    if answer["notRetried"]:
        raise CommandFailed("Not all of it could be tried again.")


def _retry_all(client: OperatorClient) -> dict[str, object]:
    """A node takes some thousands by one call; what fails again meanwhile is left for another time."""
    answer = client.post("/outbox/retry", {"all": True})
    for _ in range(RETRIES_MAX):
        left = answer["refundsFailed"] + answer["messagesDead"]
        if not left or answer["notRetried"]:
            break
        more = client.post("/outbox/retry", {"all": True})
        tried = more["refundsRetried"] + more["messagesRetried"]
        for name in ("refundsRetried", "messagesRetried"):
            more[name] += answer[name]
        answer = more
        if not tried or answer["refundsFailed"] + answer["messagesDead"] >= left:
            break
    return answer


@outbox.command(
    "close", context_settings=SETTINGS, epilog=examples("onsale outbox close missing_payment:pi_3Nx", "onsale outbox")
)
@click.argument("concern")
@node_flag
@operator_flag
@format_flag
def close(*, concern: str, node: str, token: str | None, file_format: str) -> None:
    """Say that CONCERN, as listed, has been dealt with. It is not raised again."""
    answer = client_of(node, token).post("/outbox/concerns/close", {"id": concern})
    if file_format == "json":
        print_json(answer)
    else:
        click.echo(f"{concern} is closed.")

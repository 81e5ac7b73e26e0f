"""The command `onsale`: what it can be asked, and with which flags.

Owns flags, their help and their checks; each command's work is in a module of its own, imported only when it runs, so
that `--help` and shell completion are quick. Every flag can be given as ONSALE_… in the environment too.
"""

import math
from pathlib import Path

import click

from .commands.backup import backup, restore
from .commands.cluster import failover, members, pause, resume, status, switchover, sync_standbys
from .commands.events import events
from .commands.flags import SETTINGS, InOrder, examples, existing_data_flag, flag, format_flag
from .commands.nodes import local, replica, serve, standby
from .commands.outbox import outbox
from .commands.output import Bars, CommandFailed, failures_told, note, print_json
from .commands.queue import queue
from .commands.reconcile import reconcile
from .commands.scaler import scaler
from .commands.tickets import tickets
from .exit_codes import ExitCode

EXIT_CODES = """\b
Exit codes: 0 done, 1 error, 2 usage, 3 unreachable, 4 refused as unsafe,
5 unhealthy, 6 corrupt, 7 fenced, 8 disk."""


@click.group(cls=InOrder, context_settings=SETTINGS, epilog=EXIT_CODES)
@click.version_option(
    None, "-V", "--version", package_name="onsale", prog_name="onsale", message="%(prog)s %(version)s"
)
def main() -> None:
    """Sell tickets at the moment when everyone wants them.

    Start with `onsale serve --data DIR`; the API's page is then on http://127.0.0.1:8080/docs.
    """


# --- nodes


for _command in (serve, standby, replica, local):
    main.add_command(_command)


# --- offline


@main.command(
    context_settings=SETTINGS,
    epilog=examples(
        "onsale verify --data ./data",
        "onsale verify --data ./data --format json | jq .faults",
        "onsale verify --data ./data --head head.json    and that the head was published of this very history",
        "onsale verify --data ./data --fairness 7    who came when and who was served when, at event 7",
    ),
)
@existing_data_flag
@flag(
    "--fairness",
    type=click.IntRange(min=1),
    metavar="EVENT",
    help="Report the order of arrival against the order of service at this event, and every exception with its rule.",
)
@flag(
    "--head",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A head of the journal as GET /journal/head gave it: prove that it was published of this very history.",
)
@format_flag
def verify(*, data: Path, fairness: int | None, head: Path | None, file_format: str) -> None:
    """Read the whole journal and check every promise in it.

    Bytes and hash chain, order, capacity never exceeded, first come first served, limits, deadlines, money that adds
    up, idempotency keys applied once; then the state that follows, against the checkpoint. Changes nothing, and needs
    no node. Exit code 6 and the place when something is wrong.
    """
    from .commands import verify as work
    from .commands.fairness import verdict as fairness_verdict
    from .commands.heads import BadHead, read_head
    from .commands.verify_report import as_json, print_report, verdict

    try:
        published = None if head is None else read_head(head)
    except BadHead as bad:
        raise CommandFailed(str(bad)) from bad
    with failures_told(), Bars() as bars:
        report = work.verify(data, bars, fairness_of=fairness, head=published)
    if file_format == "json":
        print_json(as_json(report))
    else:
        print_report(report)
    if report.findings:
        raise CommandFailed(verdict(report), ExitCode.CORRUPT)
    if head is not None and report.head_agrees is None:
        raise CommandFailed(report.notes[-1])
    if fairness is not None and report.fairness is None:
        raise CommandFailed(f"There is no event {fairness} in this journal; `onsale inspect` shows what is.")
    if report.fairness is not None and not report.fairness.is_fair:
        raise CommandFailed(fairness_verdict(report.fairness), ExitCode.CORRUPT)
    if file_format == "table":
        click.echo(verdict(report))
        if report.fairness is not None:
            click.echo(fairness_verdict(report.fairness))


@main.command(
    short_help="Tell the journal's records in words: what happened, and why.",
    context_settings=SETTINGS,
    epilog=examples(
        "onsale inspect --data ./data                 the latest facts",
        "onsale inspect --data ./data --booking 12    all that happened to a booking, and why",
        "onsale inspect --data ./data --seq 345       one position (the Onsale-Seq of an answer) and its neighbours",
    ),
)
@existing_data_flag
@flag("--seq", type=click.IntRange(min=1), metavar="N", help="This position, and what was decided with it.")
@flag("--booking", type=click.IntRange(min=1), metavar="ID", help="Everything about this booking.")
@flag("--limit", type=click.IntRange(min=1), default=50, metavar="N", help="How many facts at most.")
@format_flag
def inspect(*, data: Path, seq: int | None, booking: int | None, limit: int, file_format: str) -> None:
    """Tell the journal's records in words: what happened, when, and because of what.

    A request that was refused leaves a record only if it had an Idempotency-Key; the `seq` of any other refusal is the
    last position it was decided on.
    """
    if seq is not None and booking is not None:
        raise click.UsageError("Give --seq or --booking, not both.")
    from .commands.inspect import Inspection, NothingFoundError, print_told

    headline = ""
    with failures_told():
        inspection = Inspection(data)
        try:
            if booking is not None:
                headline, told = inspection.history(booking)
                if len(told) > limit:
                    note(f"{len(told)} facts concern this booking; here are the last {limit}. See --limit.")
                told = told[-limit:]
            else:
                told = inspection.latest(limit) if seq is None else inspection.around(seq, limit)
        except NothingFoundError as nothing:
            raise CommandFailed(str(nothing)) from nothing
        for sentence in inspection.notes:
            note(sentence)
        print_told(told, as_json=file_format == "json", headline=headline)
    if inspection.damage is not None:
        raise CommandFailed(str(inspection.damage), ExitCode.CORRUPT)


for _command in (status, switchover, failover, pause, resume, sync_standbys, members):
    main.add_command(_command)

for _command in (events, queue, tickets, outbox, reconcile):
    main.add_command(_command)

main.add_command(backup)
main.add_command(restore)
main.add_command(scaler)


# --- access


@main.command(
    context_settings=SETTINGS,
    epilog=examples(
        "onsale token --role operator --sub me",
        "onsale token --role user --sub u-1 --hours 1 --data /var/lib/onsale",
        'curl -H "Authorization: Bearer $(onsale token --role user --sub u-1)" http://127.0.0.1:8080/users/u-1/bookings',
    ),
)
@flag(
    "--role",
    type=click.Choice(["user", "service", "organiser", "operator"]),
    required=True,
    help="What it allows: acting for the user SUB, for any user, managing events, everything.",
)
@flag("--sub", required=True, metavar="S", help="Who it is for: a user's id, or a name of your own.")
@flag("--hours", type=float, default=24.0, metavar="H", help="How long it is valid.")
@flag(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("data"),
    metavar="DIR",
    help="The data folder whose key signs it; ONSALE_JWT_KEY goes before.",
)
def token(*, role: str, sub: str, hours: float, data: Path) -> None:
    """Print an access token.

    The first one makes the folder's key, and with it turns authentication on from the node's next start.
    """
    from .commands.token import make_token

    if not (math.isfinite(hours) and hours > 0):
        raise click.BadParameter("write a number of hours above 0.", param_hint="--hours")
    click.echo(make_token(data, role, sub, max(round(hours * 3600), 1)))

"""`onsale scaler`: its flags, and what its outcomes mean to the shell.

Owns the command line of the scaler. What it does is in node/scaler.
"""

import asyncio
import sys
from pathlib import Path

import click

from ..exit_codes import ExitCode
from .flags import SETTINGS, examples, flag, format_flag
from .output import CommandFailed, failures_told, print_json, print_table


@click.command(
    short_help="Add read replicas when rules say so, and take them away again.",
    context_settings=SETTINGS,
    epilog=examples(
        "onsale scaler --rules scaler.toml",
        "onsale scaler --rules scaler.toml --explain    what it would do now, what it goes by, what blocks it",
        "onsale scaler --rules scaler.toml --dry-run    decide as ever, and do nothing",
        "onsale scaler --rules scaler.toml --once       one decision, as from cron",
    ),
)
@flag(
    "--rules",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    metavar="FILE",
    help="What is read, when to step, what with, between which bounds: TOML; samples are in deploy/scaler.",
)
@flag("--once", is_flag=True, help="Decide once, wait until that has come about, and end.")
@flag("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@flag("--explain", is_flag=True, help="Ask once, show for every rule what it says and why, and end.")
@format_flag
@flag(
    "--log-format",
    type=click.Choice(["human", "json"]),
    default="human",
    help="How the log is written to standard error.",
)
def scaler(*, file: Path, once: bool, dry_run: bool, explain: bool, file_format: str, log_format: str) -> None:
    """Add read replicas when rules say so, and take them away again.

    Every step is told with the numbers and the rule it rests on. A new replica is sent requests once it says itself
    that it is fresh; one that goes is drained first, so no request fails. Where readings are missing it holds still and
    says so. One scaler in a cluster is enough: where it is gone nothing is added or taken away, and when it is back it
    goes on with the replicas that it had started.

    Exit code 2: the rules are wrong. With --once and --explain, 5: something that they ask for is not known.
    """
    if explain and (once or dry_run):
        raise click.UsageError("--explain does nothing but tell; leave out --once and --dry-run.")
    if file_format == "json" and not explain:
        raise click.UsageError(
            "--format json is for --explain; a scaler that runs tells in its log: --log-format json."
        )
    from ..logs import set_up
    from ..scaler.explain import COLUMNS, NUMBERS, table
    from ..scaler.explain import explain as told_by
    from ..scaler.rules_file import BadRules, read_rules
    from ..scaler.running import CannotBegin, scale

    set_up(log_format)
    with failures_told():
        try:
            rules = read_rules(file)
            if not explain:
                sys.exit(asyncio.run(scale(rules, once=once, dry_run=dry_run)))
            told = asyncio.run(told_by(rules))
        except BadRules as error:
            raise CommandFailed(str(error), ExitCode.USAGE) from error
        except CannotBegin as error:
            raise CommandFailed(str(error)) from error
    if file_format == "json":
        print_json(told)
    else:
        rows, lines = table(told)
        print_table(COLUMNS, rows, numbers=NUMBERS)
        for line in lines:
            click.echo(line)
    if not told["isKnown"]:
        sys.exit(ExitCode.UNHEALTHY)

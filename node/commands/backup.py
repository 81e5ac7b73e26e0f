"""`onsale backup` and `onsale restore`: the node's data copied elsewhere while it runs, and brought back.

Owns their flags and what is said about the outcome; the work is in node/backup, imported only when it runs.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..exit_codes import ExitCode
from .flags import SETTINGS, examples, existing_data_flag, flag, format_flag
from .output import Bars, CommandFailed, failures_told, note, print_json

if TYPE_CHECKING:
    from ..backup.litestream import Binary
    from ..backup.running import Archived
    from ..backup.target import Target

TARGETS = """\b
TARGET is a folder, best on another disk or machine, or s3://bucket/prefix.
S3 takes credentials and region as all AWS tools do (AWS_ACCESS_KEY_ID,
AWS_SECRET_ACCESS_KEY, AWS_REGION); for another server give --endpoint or
AWS_ENDPOINT_URL_S3. It needs `pip install 'onsale[backup]'`.

"""
SECONDS_BETWEEN_WORDS = 60.0

endpoint_flag = flag("--endpoint", metavar="URL", help="An S3 server other than Amazon's.")


@click.command(
    context_settings=SETTINGS,
    short_help="Copy the data of a node elsewhere, while it runs.",
    epilog=TARGETS
    + examples(
        "onsale backup --data ./data --to /mnt/backup --run         all the time, about 1 s behind",
        "onsale backup --data ./data --to s3://bucket/shows --once  all of it now, without Litestream",
        "onsale backup --data ./data --to /mnt/backup               write litestream.yml alone",
    ),
)
@existing_data_flag
@flag("--to", "address", required=True, metavar="TARGET", help="A folder or s3://bucket/prefix.")
@flag("--run", "keep_on", is_flag=True, help="Run Litestream, and archive the journal beside it, until stopped.")
@flag("--once", is_flag=True, help="Make one complete backup, without Litestream, and end.")
@flag(
    "--litestream-config",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("litestream.yml"),
    metavar="FILE",
    help="Where Litestream's configuration is written.",
)
@flag(
    "--litestream-version",
    type=click.Choice(["0.5", "0.3"]),
    help="The form of that configuration.  [default: that of the litestream here, else 0.5]",
)
@flag(
    "--interval-seconds",
    type=click.FloatRange(min=0.05, max=3600),
    default=1.0,
    metavar="S",
    help="How often what is new is copied.",
)
@flag("--take-over", is_flag=True, help="Replicate the checkpoint though another node did; that one must be gone.")
@endpoint_flag
@format_flag
def backup(
    *,
    data: Path,
    address: str,
    keep_on: bool,
    once: bool,
    litestream_config: Path,
    litestream_version: str | None,
    interval_seconds: float,
    take_over: bool,
    endpoint: str | None,
    file_format: str,
) -> None:
    """Copy the checkpoint and the journal of a node to TARGET.

    It works beside a running node, which it never holds up, and when the node is stopped or dead. Litestream replicates
    the checkpoint; the journal, which is ahead of it, is archived beside it about once a second. It can be killed at
    any moment and goes on where it was. `onsale restore` brings both back. Access keys (jwt.key, the cluster's secret)
    are not part of a backup.
    """
    if keep_on and once:
        raise click.UsageError("Give --run or --once, not both.")
    with _failures_told():
        target = _open(address, endpoint, "--to")
        _refuse_inside_each_other(data, target)
        if once:
            _once(data, target, file_format)
        elif keep_on:
            binary = _binary(litestream_version)
            _keep_on(data, target, binary, litestream_config, interval_seconds, take_over, file_format)
        else:
            _write_settings(data, target, litestream_config, litestream_version, interval_seconds, file_format)


def _once(data: Path, target: "Target", file_format: str) -> None:
    from ..backup.running import back_up_once
    from .backup_report import archived_as_json, copy_as_json, words

    with Bars() as bars:
        archived, copy = back_up_once(data, target, note, bars)
    if file_format == "json":
        print_json({"target": target.address} | archived_as_json(archived) | {"checkpoint": copy_as_json(copy)})
        return
    if copy is None:
        note("there is no checkpoint yet, so the backup is the journal alone.")
    else:
        click.echo(f"The checkpoint is copied as it was at seq {copy.seq}.")
    click.echo(f"The journal is archived {words(archived)}, in {target.address}.")


def _keep_on(
    data: Path,
    target: "Target",
    binary: "Binary",
    settings: Path,
    interval_seconds: float,
    take_over: bool,  # noqa: FBT001
    file_format: str,
) -> None:
    import signal
    import time
    from threading import Event

    from ..backup.replication import Replication
    from ..backup.running import keep_backing_up
    from ..recovery import CHECKPOINT_FILE
    from .backup_report import archived_as_json, words

    stopping = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: stopping.set())
    said_at, last = -SECONDS_BETWEEN_WORDS, None

    def report(archived: "Archived") -> None:
        nonlocal said_at, last
        last = archived
        if file_format == "json":
            print_json(archived_as_json(archived))
            sys.stdout.flush()
        elif time.monotonic() - said_at >= SECONDS_BETWEEN_WORDS:
            said_at = time.monotonic()
            click.echo(f"The journal is archived {words(archived)}; Litestream: {archived.litestream}.")

    note(f"backing up {data} to {target.address} with Litestream {binary.version}; Ctrl-C ends it.")
    replication = Replication(
        binary,
        settings.absolute(),
        (data / CHECKPOINT_FILE).absolute(),
        target,
        interval_seconds=interval_seconds,
        tell=note,
    )
    with Bars() as bars:
        keep_backing_up(
            data,
            target,
            replication,
            interval_seconds=interval_seconds,
            take_over=take_over,
            stopping=stopping,
            tell=note,
            report=report,
            progress=bars,
        )
    if last is not None and file_format == "table":
        click.echo(f"Stopped. The journal is archived {words(last)}.")


def _write_settings(
    data: Path, target: "Target", settings: Path, version: str | None, interval_seconds: float, file_format: str
) -> None:
    from ..backup.litestream import INSTALL, configuration, find_binary, replicate_command, write_configuration
    from ..backup.running import epoch_of
    from ..recovery import CHECKPOINT_FILE

    binary = find_binary()
    layout = version or (binary.format if binary else "0.5")
    epoch = epoch_of(data)
    checkpoint = (data / CHECKPOINT_FILE).absolute()
    write_configuration(
        settings, configuration(checkpoint, target, epoch, "0.3" if layout == "0.3" else "0.5", interval_seconds)
    )
    command = " ".join(replicate_command(binary.path if binary else "litestream", settings))
    if file_format == "json":
        print_json({"file": str(settings), "litestream": layout, "epoch": epoch, "command": command})
        return
    click.echo(
        f"{settings} is written, for Litestream {layout} and epoch {epoch}.\n"
        f"  onsale backup --data {data} --to {target.address} --run\n"
        "runs Litestream with it and archives the journal, which is needed for everything up to the last second.\n"
        f"  {command}\n"
        "replicates the checkpoint alone, and only until another node leads."
    )
    if binary is None:
        note(f"there is no litestream on this machine. {INSTALL}.")


@click.command(
    context_settings=SETTINGS,
    short_help="Bring a backup back into a new folder, and verify it.",
    epilog=TARGETS
    + examples(
        "onsale restore --from /mnt/backup --data ./data",
        "onsale restore --from s3://bucket/shows --data ./data --format json | jq .seq",
    ),
)
@flag("--from", "address", required=True, metavar="TARGET", help="What `onsale backup --to` was given.")
@flag(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    metavar="DIR",
    help="The folder to make. It must be empty or not there.",
)
@flag("--epoch", type=click.IntRange(min=1), metavar="N", help="Nothing that came after this epoch.")
@flag(
    "--accept-data-loss",
    is_flag=True,
    help="Where the backup is damaged, bring back what is intact before the damage.",
)
@endpoint_flag
@format_flag
def restore(
    *,
    address: str,
    data: Path,
    epoch: int | None,
    accept_data_loss: bool,
    endpoint: str | None,
    file_format: str,
) -> None:
    """Make a data folder of a backup.

    Brings back the newest checkpoint that fits and the archived journal, checks both as `onsale verify` does, and says
    up to which position and time everything is there. Then start `onsale serve` or `onsale standby` with the folder.
    Exit code 6 and the place when the backup is damaged; the folder is then left empty.
    """
    from ..backup.litestream import find_binary
    from ..backup.restore import refuse_unless_empty
    from ..backup.restore import restore as work
    from .backup_report import print_restored, restored_as_json

    with _failures_told():
        refuse_unless_empty(data)
        target = _open(address, endpoint, "--from")
        with Bars() as bars:
            restored = work(
                target,
                data,
                epoch_max=epoch,
                binary=find_binary(),
                accept_data_loss=accept_data_loss,
                progress=bars,
            )
    if file_format == "json":
        print_json(restored_as_json(restored, target))
    else:
        print_restored(restored, data)


# --- what both have in common


def _open(address: str, endpoint: str | None, hint: str) -> "Target":
    from ..backup.target import open_target

    try:
        return open_target(address, endpoint)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=hint) from error


def _refuse_inside_each_other(data: Path, target: "Target") -> None:
    from ..backup.target import FolderTarget

    if not isinstance(target, FolderTarget):
        return
    own, there = data.resolve(), target.root.resolve()
    if own == there or own in there.parents or there in own.parents:
        raise click.BadParameter(
            "the backup and the data folder can't be inside each other: choose a folder on another disk or machine.",
            param_hint="--to",
        )


def _binary(version: str | None) -> "Binary":
    from ..backup.litestream import INSTALL, LitestreamFailed, find_binary

    binary = find_binary()
    if binary is None:
        raise LitestreamFailed(
            f"There is no litestream on this machine. {INSTALL}; `onsale backup --once` works without it."
        )
    if version not in (None, binary.format):
        raise LitestreamFailed(
            f"{binary.path} is version {binary.version}, not {version}. Put the right one first on the PATH, or leave "
            "out --litestream-version."
        )
    return binary


@contextmanager
def _failures_told() -> Iterator[None]:
    from ..backup.archiver import OtherJournal
    from ..backup.litestream import LitestreamFailed
    from ..backup.restore import DamagedBackup, FolderNotEmpty, NothingToRestore
    from ..backup.target import TargetFailed

    try:
        with failures_told():
            yield
    except TargetFailed as error:
        code = ExitCode.UNREACHABLE if error.unreachable else ExitCode.DISK if error.local else ExitCode.ERROR
        raise CommandFailed(str(error), code) from error
    except (OtherJournal, FolderNotEmpty) as error:
        raise CommandFailed(str(error), ExitCode.REFUSED) from error
    except DamagedBackup as error:
        raise CommandFailed(str(error), ExitCode.CORRUPT) from error
    except (LitestreamFailed, NothingToRestore) as error:
        raise CommandFailed(str(error)) from error

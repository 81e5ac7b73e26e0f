"""How commands speak: tables and progress for people, JSON for programs, failures in a sentence with an exit code.

Owns everything written to standard output and standard error by the commands. What was asked for goes to standard
output; progress, notes and failures go to standard error. rich is imported only when a table or a bar is drawn.
"""

import errno
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import click

from ..exit_codes import ExitCode

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_DISK_ERRORS = {errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EROFS, errno.EFBIG}


class CommandFailed(click.ClickException):
    """Ends the command with a sentence for a person, who learns from it what to do next."""

    def __init__(self, message: str, code: ExitCode = ExitCode.ERROR) -> None:
        super().__init__(message)
        vars(self)["exit_code"] = int(code)  # declared by click as of the class

    def show(self, file: Any = None) -> None:
        click.echo(f"onsale: {self.format_message()}", file=file or sys.stderr)


@contextmanager
def failures_told() -> Iterator[None]:
    """Turn what the journal and the file system raise into a `CommandFailed` with its exit code."""
    from ...journal import errors

    try:
        yield
    except (errors.NewerJournal, errors.NewerCheckpoint) as error:
        raise CommandFailed(str(error), ExitCode.REFUSED) from error
    except (errors.CorruptJournal, errors.CorruptCheckpoint) as error:
        raise CommandFailed(str(error), ExitCode.CORRUPT) from error
    except (errors.JournalFailed, errors.CheckpointFailed) as error:
        raise CommandFailed(str(error), ExitCode.DISK) from error
    except errors.JournalError as error:
        raise CommandFailed(str(error)) from error
    except BrokenPipeError:
        raise  # the reader has seen enough; click ends quietly
    except OSError as error:
        code = ExitCode.DISK if error.errno in _DISK_ERRORS else ExitCode.ERROR
        where = f"{error.filename}: " if error.filename else ""
        raise CommandFailed(f"{where}{error.strerror or error}.", code) from error


def note(sentence: str) -> None:
    """Something a person should know, beside the result."""
    click.echo(f"onsale: {sentence}", err=True)


def print_json(value: Any) -> None:
    """One document: indented on a terminal, one line for a program."""
    import orjson

    option = orjson.OPT_INDENT_2 if sys.stdout.isatty() else 0
    click.echo(orjson.dumps(value, option=option))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: Sequence[int] = ()) -> None:
    """`numbers`: the columns to be set flush right. Without `columns` the table has no head."""
    lines = [tuple(map(_printable, row)) for row in rows]
    if sys.stdout.isatty():
        _print_rich(columns, lines, numbers)
        return
    if columns:
        lines.insert(0, tuple(columns))
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    for line in lines:  # long lines are not broken: they go to grep
        cells = [
            cell.rjust(width) if index in numbers else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        click.echo("  ".join(cells).rstrip())


def _print_rich(columns: Sequence[str], lines: list[tuple[str, ...]], numbers: Sequence[int]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD if columns else None, show_header=bool(columns), pad_edge=False)
    width = len(lines[0]) if lines else len(columns)
    for index in range(width):
        table.add_column(
            columns[index] if columns else "",
            justify="right" if index in numbers else "left",
            no_wrap=index < width - 1,
            overflow="fold",
            style="bold" if not columns and not index and width > 1 else None,
        )
    for line in lines:
        table.add_row(*map(Text, line))
    Console(highlight=False).print(table)


def _printable(text: str) -> str:
    """Names come from strangers: control characters must not reach a terminal."""
    return "".join(each if each.isprintable() else "\ufffd" for each in text)


class Bars:
    """Progress bars on standard error, one for each thing that is done; silent where that is no terminal.

    Called with (what is being done, how much is done, how much there is).
    """

    def __init__(self) -> None:
        self._tasks: dict[str, TaskID] = {}
        self._bars: Progress | None = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            self._bars = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def __call__(self, what: str, done: int, total: int) -> None:
        if self._bars is None:
            return
        if what not in self._tasks:
            self._tasks[what] = self._bars.add_task(what, total=total)
        self._bars.update(self._tasks[what], completed=done, total=total)

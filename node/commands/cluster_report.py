"""What people and programs see of a cluster: the members as a table, its health in a line, outcomes in sentences.

Owns how that is set. rich is imported only where it is watched on a terminal.
"""

import sys
import time
from collections.abc import Callable
from typing import Any

import click

from .output import CommandFailed, note, print_json, print_table

WATCHED_SECONDS = 1.0
COLUMNS = ("", "name", "role", "state", "epoch", "received", "applied", "lag", "answers rest on it", "address")
NUMBERS = (4, 5, 6, 7)

Document = dict[str, Any]


def print_status(document: Document, *, as_json: bool) -> None:
    if as_json:
        print_json(document)
        return
    print_table(COLUMNS, rows_of(document), numbers=NUMBERS)
    for line in lines_of(document):
        click.echo(line)


def rows_of(document: Document) -> list[tuple[str, ...]]:
    """One for each member, in COLUMNS; the one that was asked is marked."""
    return [
        (
            "*" if each["name"] == document["node"] else "",
            each["name"],
            each["role"],
            each["state"].replace("_", " "),
            str(each["epoch"]),
            str(each["receivedSeq"]),
            str(each["appliedSeq"]),
            lag_of(each),
            "yes" if each["sync"] else "",
            each["address"] or each["replication"],
        )
        for each in document["members"]
    ]


def lag_of(member: Document) -> str:
    lag_ms = int(member["lagMs"])
    return f"{lag_ms} ms" if lag_ms < 1000 else f"{lag_ms / 1000:.1f} s"


def lines_of(document: Document) -> list[str]:
    """What holds for the whole cluster, and what is wrong with it."""
    primary = document["primary"] or "none"
    wanted, met = document["syncStandbys"], document["syncStandbysMet"]
    waits = f"answers wait for {_standbys(wanted)}" + (f", {met} in step" if wanted else "")
    if document.get("takeover", "by_operator") != "by_operator":
        waits += "; takeover is paused" if document["takeover"] == "paused" else "; standbys take over by themselves"
    lines = [f"primary {primary}, epoch {document['epoch']}, seq {document['seq']}; {waits}: {document['health']}"]
    return [*lines, *(f"! {problem}" for problem in document["problems"])]


def _standbys(count: int) -> str:
    return "no standby" if not count else "1 standby" if count == 1 else f"{count} standbys"


def watch(read: Callable[[], Document], *, as_json: bool) -> bool:
    """Show it again and again until Ctrl-C. Whether it was well when last seen; a node that is away is waited for."""
    was_well = False
    try:
        if as_json or not sys.stdout.isatty():
            while True:
                was_well = _show(read, lambda document: print_status(document, as_json=as_json))
                time.sleep(WATCHED_SECONDS)
        was_well = _watch_live(read)
    except KeyboardInterrupt:
        pass
    return was_well


def _show(read: Callable[[], Document], show: Callable[[Document], None]) -> bool:
    try:
        document = read()
    except CommandFailed as fault:
        note(fault.message)
        return False
    show(document)
    return bool(document["health"] == "ok")


def _watch_live(read: Callable[[], Document]) -> bool:
    from rich.console import Console, Group
    from rich.live import Live
    from rich.table import Table
    from rich.text import Text

    def drawn(document: Document) -> Group:
        table = Table(box=None, pad_edge=False)
        for index, name in enumerate(COLUMNS):
            table.add_column(name, justify="right" if index in NUMBERS else "left", no_wrap=index < len(COLUMNS) - 1)
        for row in rows_of(document):
            table.add_row(*map(Text, row))
        style = {"ok": "green", "degraded": "yellow"}.get(document["health"], "red")
        return Group(table, *(Text(line, style=style) for line in lines_of(document)))

    was_well = False
    with Live(console=Console(highlight=False), auto_refresh=False) as live:
        try:
            while True:
                try:
                    document = read()
                    was_well = document["health"] == "ok"
                    live.update(drawn(document), refresh=True)
                except CommandFailed as fault:
                    was_well = False
                    live.update(Text(fault.message, style="red"), refresh=True)
                time.sleep(WATCHED_SECONDS)
        except KeyboardInterrupt:
            return was_well


def print_outcome(document: Document, said: list[str], *, as_json: bool) -> None:
    """What was done; `said`: sentences that were shown before."""
    if as_json:
        print_json(document)
        return
    print_sentences([each for each in document["sentences"] if each not in said])


def print_sentences(sentences: list[str]) -> None:
    for sentence in sentences:
        click.echo(sentence)

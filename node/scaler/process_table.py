"""Processes of this machine, each known by its number and by when it started.

Owns what is read from /proc, and how one of them is signalled. Promises that a process which merely has the same number
as one of ours, after it ended or after the machine's restart, is never taken for it and never signalled.
"""

import os
import signal
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")
_STATE, _START_TIME = 0, 19  # fields of /proc/N/stat, counted behind the name


def boot() -> str:
    """Another one after each start of the machine."""
    return (PROC / "sys/kernel/random/boot_id").read_text().strip()


def started_ticks(process_id: int) -> int | None:
    """When it started, in the kernel's ticks since boot; None: there is no such process, or it has ended."""
    try:
        text = (PROC / str(process_id) / "stat").read_text()
    except OSError:
        return None
    fields = text[text.rindex(")") + 2 :].split()  # a name may hold anything
    return None if fields[_STATE] in "ZX" else int(fields[_START_TIME])


def find(*arguments: str) -> list[int]:
    """Processes of this user that were started with these arguments, one behind the other."""
    found = []
    for folder in PROC.iterdir():
        if not folder.name.isdigit():
            continue
        with suppress(OSError):
            words = (folder / "cmdline").read_bytes().split(b"\0")
            wanted = [os.fsencode(each) for each in arguments]
            if folder.stat().st_uid == os.geteuid() and any(
                words[index : index + len(wanted)] == wanted for index in range(len(words))
            ):
                found.append(int(folder.name))
    return found


def send(process_id: int, ticks: int, number: signal.Signals) -> bool:
    """Signal this very process; False: it is gone."""
    try:
        handle = os.pidfd_open(process_id)
    except ProcessLookupError:
        return False
    try:
        if started_ticks(process_id) != ticks:  # looked at while the handle keeps it from becoming another
            return False
        signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(handle)
    return True

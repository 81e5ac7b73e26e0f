"""What people were told, written down as they go: to be compared with the journal afterwards.

Owns the record of one person, and the files of records, one for each locust process. A person's record is written when
they leave, whatever sends them away.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

_SUFFIX: Final = ".told.jsonl"


class ToldBooking(msgspec.Struct):
    """`status`: waiting, held, paying, paid, lapsed or given_up, as the person knows it."""

    booking_id: int
    user_id: str
    event_id: int
    quantity: int
    amount: str
    status: str
    seats: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    was_held: bool = False  # at some time


class ToldPlace(msgspec.Struct):
    """A place in a waiting room."""

    user_id: str
    event_id: int
    number: int
    admitted: bool = False


class Unanswered(msgspec.Struct):
    """A write that was sent and whose answer never came: it may have been done. `what`: join, book, pay or give_up."""

    what: str
    user_id: str
    event_id: int
    booking_id: int = 0


class Record(msgspec.Struct):
    """Of one person; `user_id` is their own, and bots use others beside it."""

    journey: str
    user_id: str
    bookings: dict[int, ToldBooking] = {}
    places: list[ToldPlace] = []
    unanswered: list[Unanswered] = []
    counts: dict[str, int] = {}  # lost connections, answers given again, …

    def count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1


class Ledger:
    """The records of one process. Each is on its way to the file as soon as it is written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: BinaryIO | None = None

    def write(self, record: Record) -> None:
        if self._file is None:  # not before: locust makes its processes by forking
            self._file = (self._folder / f"{os.getpid()}{_SUFFIX}").open("ab", buffering=0)
        self._file.write(msgspec.json.encode(record) + b"\n")


def read_ledgers(folder: Path) -> Iterator[Record]:
    decode = msgspec.json.Decoder(Record).decode
    for file in sorted(folder.glob(f"*{_SUFFIX}")):
        with file.open("rb") as lines:
            for line in lines:
                yield decode(line)

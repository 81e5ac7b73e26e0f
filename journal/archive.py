"""What has left memory, read from the checkpoint's database: old bookings, payments, refunds, notifications.

Owns a few read-only connections, each with a thread of its own, so that neither the event loop nor the checkpoint ever
waits for a read. Shows the database's own position, which is behind memory by up to one checkpoint. Never writes.
"""

import asyncio
import json
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiosqlite

from ..engine.records import Booking, Notice, Payment, Refund
from .checkpoint_database import open_to_read, reading, version_of
from .checkpoint_schema import LIVE, NOTIFICATIONS, PAST, SCHEMA_VERSION, TableLayout
from .errors import ArchiveBusy, JournalClosed

CONNECTIONS_MAX = 2
READS_WAITING_MAX = 256
_ID_MAX = 2**63 - 1


class Archive:
    """Reads of `path`, which need not exist yet: until it does there is nothing to find.

    Every method raises ArchiveBusy beyond `waiting_max` reads at a time, CheckpointFailed or CorruptCheckpoint when the
    database can't be read, NewerCheckpoint, and JournalClosed after `close`. Must be closed: its threads keep the
    process alive.
    """

    def __init__(
        self, path: Path, *, connections_max: int = CONNECTIONS_MAX, waiting_max: int = READS_WAITING_MAX
    ) -> None:
        self.path = path
        self._waiting_max = waiting_max
        self._reads: set[asyncio.Task[list[Any]]] = set()
        self._slots = asyncio.Semaphore(connections_max)
        self._idle: list[aiosqlite.Connection] = []
        self._closed = False

    async def booking(self, booking_id: int) -> Booking | None:
        found: list[Booking] = await self._read(LIVE["bookings"], _BOOKING, booking_id, booking_id)
        return found[0] if found else None

    async def payment(self, payment_id: int) -> Payment | None:
        found: list[Payment] = await self._read(LIVE["payments"], _PAYMENT, payment_id, payment_id)
        return found[0] if found else None

    async def bookings_of(self, user_id: str, before_id: int | None = None, limit: int = 20) -> list[Booking]:
        """The user's bookings below `before_id`, newest first, at most `limit`."""
        below = _ID_MAX if before_id is None else before_id
        return await self._read(LIVE["bookings"], _BOOKINGS_OF, user_id, below, user_id, below, limit)

    async def notices_of(self, user_id: str, before_id: int | None = None, limit: int = 20) -> list[Notice]:
        """The user's notices below `before_id`, newest first, at most `limit`."""
        below = _ID_MAX if before_id is None else before_id
        return await self._read(NOTIFICATIONS, _NOTICES_OF, user_id, below, limit)

    async def notices_after(self, user_id: str, after_id: int, limit: int) -> list[Notice]:
        """The user's notices above `after_id`, oldest first, at most `limit`."""
        return await self._read(NOTIFICATIONS, _NOTICES_AFTER, user_id, after_id, limit)

    async def refunds_of(self, booking_id: int) -> list[Refund]:
        """The booking's refunds, oldest first."""
        return await self._read(LIVE["refunds"], _REFUNDS_OF, booking_id, booking_id)

    async def payments(self, ids: Iterable[int]) -> list[Payment]:
        """Those there are; a few hundred at a time."""
        wanted = json.dumps(list(ids))
        return await self._read(LIVE["payments"], _PAYMENTS, wanted, wanted)

    async def refunds(self, ids: Iterable[int]) -> list[Refund]:
        """Those there are; a few hundred at a time."""
        wanted = json.dumps(list(ids))
        return await self._read(LIVE["refunds"], _REFUNDS, wanted, wanted)

    async def payments_referred_to(self, references: Iterable[str]) -> list[Payment]:
        """Those that the provider has under these names. Reads every payment there is: about a second for millions."""
        wanted = json.dumps(list(references))
        return await self._read(LIVE["payments"], _PAYMENTS_REFERRED_TO, wanted, wanted)

    async def close(self) -> None:
        """Wait for the reads that are under way, and let go of the database."""
        self._closed = True
        if self._reads:
            await asyncio.wait(self._reads)
        while self._idle:
            await self._idle.pop().close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _read(self, table: TableLayout, sql: str, *parameters: int | str) -> list[Any]:
        if self._closed:
            raise JournalClosed("The archive is closed: nothing more can be read.")
        if len(self._reads) >= self._waiting_max:
            raise ArchiveBusy(f"{len(self._reads)} reads of past bookings are waiting, which is the bound.")
        # a task of its own: when the caller goes away, the thread is still at it, and its connection not free
        read = asyncio.ensure_future(self._read_in_turn(table, sql, parameters))
        self._reads.add(read)
        read.add_done_callback(self._reads.discard)
        return await asyncio.shield(read)

    async def _read_in_turn(self, table: TableLayout, sql: str, parameters: tuple[int | str, ...]) -> list[Any]:
        async with self._slots:
            with reading(self.path):
                rows = await self._fetch(sql, parameters)
                return table.records(rows)

    async def _fetch(self, sql: str, parameters: tuple[int | str, ...]) -> Iterable[Any]:
        try:
            connection = self._idle.pop() if self._idle else await self._open()
        except _NothingStoredError:
            return []
        try:
            return await connection.execute_fetchall(sql, parameters)
        finally:
            self._idle.append(connection)

    async def _open(self) -> aiosqlite.Connection:
        faults: list[Exception] = []
        connection = await aiosqlite.Connection(lambda: self._connect(faults), 64)
        if faults:
            await connection.close()
            raise faults[0]
        return connection

    def _connect(self, faults: list[Exception]) -> sqlite3.Connection:
        """Run on the connection's own thread. Must give it something to close: a thread whose connection could not be
        made can't be waited for.
        """
        database = None
        try:
            if not self.path.exists():
                raise _NothingStoredError
            database = open_to_read(self.path)
            if version_of(database, self.path) != SCHEMA_VERSION:
                raise _NothingStoredError  # it is just being made, or brought up to date
        except Exception as fault:  # noqa: BLE001 - raised again by whoever waits
            faults.append(fault)
        return database or sqlite3.connect(":memory:")


class _NothingStoredError(Exception):
    pass


def _either(name: str, condition: str) -> str:
    """One statement over memory's rows and past ones: a row that moves meanwhile is found once."""
    live, past = LIVE[name], PAST[name]
    return (
        f"SELECT {live.names} FROM {live.name} WHERE {condition} "  # noqa: S608 - no input
        f"UNION ALL SELECT {past.names} FROM {past.name} WHERE {condition}"
    )


_BOOKING = _either("bookings", "id = ?")
_PAYMENT = _either("payments", "id = ?")
_PAYMENTS, _REFUNDS = (_either(each, "id IN (SELECT value FROM json_each(?))") for each in ("payments", "refunds"))
_PAYMENTS_REFERRED_TO = _either("payments", "provider_reference IN (SELECT value FROM json_each(?))")
_BOOKINGS_OF = _either("bookings", "user_id = ? AND id < ?") + " ORDER BY id DESC LIMIT ?"
_REFUNDS_OF = _either("refunds", "booking_id = ?") + " ORDER BY id"
_NOTICES_OF = (
    f"SELECT {NOTIFICATIONS.names} FROM {NOTIFICATIONS.name} "  # noqa: S608 - no input
    "WHERE user_id = ? AND id < ? ORDER BY id DESC LIMIT ?"
)
_NOTICES_AFTER = (
    f"SELECT {NOTIFICATIONS.names} FROM {NOTIFICATIONS.name} "  # noqa: S608 - no input
    "WHERE user_id = ? AND id > ? ORDER BY id LIMIT ?"
)

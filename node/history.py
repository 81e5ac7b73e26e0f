"""Memory and the checkpoint database, read as one.

Owns how the two are put together: memory is looked at first, so whatever reaches the database in between is seen twice
at worst, and never missed. Reads only.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from ..engine.records import Booking, Notice, Payment, Refund
from ..http.gateway import UnavailableError
from ..journal.archive import Archive
from ..journal.errors import ArchiveBusy, CheckpointFailed
from .checkpointing import Checkpointing


@contextmanager
def _unavailable() -> Iterator[None]:
    """What cannot be had now, in the words of the API."""
    try:
        yield
    except (ArchiveBusy, CheckpointFailed) as error:
        raise UnavailableError(str(error)) from error


class History:
    """All of it raises UnavailableError."""

    def __init__(self, checkpointing: Checkpointing, archive: Archive) -> None:
        self._checkpointing = checkpointing
        self._archive = archive

    async def past_booking(self, booking_id: int) -> Booking | None:
        recent = self._checkpointing.booking(booking_id)
        if recent is not None:
            return recent
        with _unavailable():
            return await self._archive.booking(booking_id)

    async def bookings_of(self, user_id: str, before_id: int, limit: int) -> list[Booking]:
        """Newest first, with ids below `before_id`."""
        recent = {booking.id: booking for booking in self._checkpointing.bookings_of(user_id) if booking.id < before_id}
        with _unavailable():
            stored = await self._archive.bookings_of(user_id, before_id, limit)
        known = {booking.id: booking for booking in stored} | recent
        for booking_id in known:
            known[booking_id] = self._checkpointing.booking(booking_id) or known[booking_id]
        return sorted(known.values(), key=lambda booking: booking.id, reverse=True)[:limit]

    async def notices_of(self, user_id: str, before_id: int, limit: int) -> list[Notice]:
        """Newest first, with ids below `before_id`."""
        recent = {notice.id: notice for notice in self._checkpointing.notices_of(user_id) if notice.id < before_id}
        with _unavailable():
            stored = await self._archive.notices_of(user_id, before_id, limit)
        known = {notice.id: notice for notice in stored} | recent
        return sorted(known.values(), key=lambda notice: notice.id, reverse=True)[:limit]

    async def notices_after(self, user_id: str, after_id: int, limit: int, durable_seq: int) -> list[Notice]:
        """Oldest first, with ids above `after_id`; of those in memory the ones up to `durable_seq`."""
        recent = {
            notice.id: notice
            for notice in self._checkpointing.notices_of(user_id)
            if notice.id > after_id and notice.seq <= durable_seq
        }
        with _unavailable():
            stored = await self._archive.notices_after(user_id, after_id, limit)
        known = {notice.id: notice for notice in stored} | recent
        return sorted(known.values(), key=lambda notice: notice.id)[:limit]

    async def refunds_of(self, booking_id: int) -> list[Refund]:
        """Oldest first."""
        booking = self._checkpointing.booking(booking_id)
        if booking is not None and not booking.payment_id:
            return []  # nothing was ever paid
        recent = {refund.id: refund for refund in self._checkpointing.refunds_of(booking_id)}
        with _unavailable():
            stored = await self._archive.refunds_of(booking_id)
        known = {refund.id: refund for refund in stored} | recent
        return [known[refund_id] for refund_id in sorted(known)]

    async def payments(self, ids: Collection[int]) -> dict[int, Payment]:
        """Those there are, by id."""
        recent = self._checkpointing.payments(ids)
        older = [number for number in ids if number not in recent]
        if not older:
            return recent
        with _unavailable():
            return {payment.id: payment for payment in await self._archive.payments(older)} | recent

    async def refunds(self, ids: Collection[int]) -> dict[int, Refund]:
        """Those there are, by id."""
        recent = self._checkpointing.refunds(ids)
        older = [number for number in ids if number not in recent]
        if not older:
            return recent
        with _unavailable():
            return {refund.id: refund for refund in await self._archive.refunds(older)} | recent

    async def old_payments_referred_to(self, references: Collection[str]) -> list[Payment]:
        """Those the provider has under these names, as far as the database has them; takes a second among millions."""
        with _unavailable():
            return await self._archive.payments_referred_to(references)

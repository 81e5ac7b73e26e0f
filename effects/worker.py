"""The process that talks to the outside: takes orders from a socket, does many at once, answers each.

Started by `effects/outside.py` as `python -m onsale.effects.worker FD`. It ends when the socket closes, so it cannot
outlive the node, and gives what it has begun two seconds then. It keeps nothing: whatever must not be done twice says
so itself, by its reference. An order that goes wrong in an unforeseen way is answered and logged, and harms no other.
"""

import asyncio
import contextlib
import logging
import os
import socket
import sys
from functools import cached_property
from typing import TYPE_CHECKING, cast

import msgspec
import uvloop

from .frames import Answered, Asked, BrokenFrame, FrameReader, frame
from .orders import (
    Answer,
    Begin,
    CallWebhook,
    Cancel,
    Confirm,
    DrawCode,
    Drawn,
    GiveBack,
    ListPayments,
    ListRefunds,
    Look,
    LookAtRefund,
    Mail,
    Order,
    Unavailable,
)
from .provider import PaymentProvider, ProviderUnavailable
from .settings import OutsideSettings

if TYPE_CHECKING:
    from .mail.sender import MailSender
    from .webhooks.sender import WebhookSender

log = logging.getLogger("onsale.worker")

END_SECONDS_MAX = 2.0  # for what is under way when the node goes
REASON_CHARACTERS_MAX = 300


class Handlers:
    """Whoever does the work, each made when it is first needed: the libraries are large."""

    def __init__(self, settings: OutsideSettings) -> None:
        self._settings = settings

    @cached_property
    def _provider(self) -> PaymentProvider:
        from .stripe.provider import StripeProvider

        return StripeProvider(self._settings.stripe_key, self._settings.stripe_base)

    @cached_property
    def _mail(self) -> "MailSender":
        from .mail.sender import MailSender

        return MailSender(self._settings)

    @cached_property
    def _webhooks(self) -> "WebhookSender":
        from .webhooks.sender import WebhookSender

        return WebhookSender(allow_private=self._settings.allow_private_webhooks)

    async def do(self, order: Order) -> Answer:
        """Raises ProviderUnavailable, and whatever a handler did not foresee."""
        match order:
            case CallWebhook():
                return await self._webhooks.call(order)
            case Mail():
                return await self._mail.send(order)
            case DrawCode(code, form):
                from .mail.qr import draw

                return Drawn(draw(code, form))
            case Begin(charge):
                return await self._provider.begin(charge)
            case Confirm(charge):
                return await self._provider.confirm(charge)
            case Look(charge):
                return await self._provider.look(charge)
            case Cancel(charge):
                return await self._provider.cancel(charge)
            case GiveBack(refund):
                return await self._provider.refund(refund)
            case LookAtRefund(refund):
                return await self._provider.look_at_refund(refund)
            case ListPayments(since_ms, cursor):
                return await self._provider.payments(since_ms, cursor)
            case ListRefunds(since_ms, cursor):
                return await self._provider.refunds(since_ms, cursor)

    async def close(self) -> None:
        """Hang up wherever something was left open."""
        for name in ("_provider", "_mail", "_webhooks"):
            if name in self.__dict__:
                await getattr(self, name).close()


class Worker(asyncio.Protocol):
    """One connection to the node."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()
        self._handlers: Handlers | None = None
        self._reader = FrameReader()
        self._decoder = msgspec.msgpack.Decoder(Asked)
        self._transport: asyncio.Transport | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, _error: Exception | None) -> None:
        self._transport = None
        self.gone.set()

    def data_received(self, data: bytes) -> None:
        try:
            for message in self._reader.feed(data):
                self._take(message)
        except (BrokenFrame, msgspec.DecodeError):
            log.exception("the node said something unreadable")
            if self._transport:
                self._transport.abort()

    def _take(self, message: bytes) -> None:
        if self._handlers is None:
            self._handlers = Handlers(msgspec.msgpack.decode(message, type=OutsideSettings))
            return
        asked = self._decoder.decode(message)
        task = asyncio.get_running_loop().create_task(self._serve(self._handlers, asked))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, handlers: Handlers, asked: Asked) -> None:
        answer: Answer
        try:
            answer = await handlers.do(asked.order)
        except ProviderUnavailable as error:
            answer = Unavailable(str(error), error.retry_after_seconds, error.down)
        except Exception as error:
            # not the order itself, which holds secrets and addresses
            log.exception("%s went wrong", type(asked.order).__name__)
            answer = Unavailable(f"{type(error).__name__}: {error}"[:REASON_CHARACTERS_MAX], down=False)
        if self._transport:
            self._transport.write(frame(Answered(asked.number, answer)))

    async def end(self) -> None:
        """Let what is under way come to its end, for a moment."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=END_SECONDS_MAX)
        if self._handlers:
            async with asyncio.timeout(END_SECONDS_MAX):
                await self._handlers.close()


async def serve(connection: socket.socket) -> None:
    """Until the node goes."""
    worker = Worker()
    await asyncio.get_running_loop().create_connection(lambda: worker, sock=connection)
    await worker.gone.wait()
    await worker.end()


def main() -> None:
    """Serve the socket whose descriptor is the argument."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    if hasattr(os, "SCHED_BATCH"):
        # its share of the processor stays, but it never interrupts the node that takes bookings
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    with contextlib.suppress(OSError):
        os.nice(10)  # where cores are short, bookings go before errands
    status = 0
    try:
        uvloop.run(serve(socket.socket(fileno=int(sys.argv[1]))))
    except Exception:
        log.exception("the worker process did not end as it should")
        status = 1
    os._exit(status)  # nothing here outlives the process: don't wait for threads, nor for what didn't end in time


if __name__ == "__main__":
    main()

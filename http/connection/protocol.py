"""The server side of an HTTP connection: hot calls answered straight from the socket, all others by aiohttp.

Owns the order of answers on a connection, back-pressure, keep-alive, time limits and the way a connection ends. A
whole and plain request is offered to `hot`, which takes it (and answers it once, now or later, on the loop's thread) or
leaves it to the `web.Application`. Hot calls cost no task and no request object, which is most of what a request costs.

Promises: answers leave in the order of their requests. The framework is given a request only when all answers before it
have left, and while it has one nothing further is taken from that connection; so a connection is always either *hot*
(up to `pipelined_max` answers owed) or *in the framework* (one), and the two mix freely. What a client does wrong ends
in a problem+json answer or a closed connection, never in a traceback, here or there.

Never decides what a call means. request_reader.py reads, framework.py has the insides of aiohttp, server.py starts it.
"""

import asyncio
from collections import deque
from functools import partial
from time import perf_counter
from typing import Any, Final, cast

from aiohttp import web
from aiohttp.http import HttpVersion11, RawRequestMessage
from msgspec.structs import replace

from ...engine.codes import Code
from ..call import Answer, Call
from ..documents.error_guide import REQUEST_TIMEOUT
from ..problems import problem
from .exchange import Slot, call_of
from .framework import FrameworkConnection
from .limits import Deadline
from .request_reader import Awaited, ClientError, Request, RequestReader
from .response_bytes import CLOSE, CONTINUE, INTERNAL_PROBLEM, KEEP_ALIVE, http_problem
from .shared import Shared

CUT_SECONDS: Final = 0.1  # for a handler to notice that it was cancelled


class Connection(FrameworkConnection):
    """One client's connection, made by the server `manager` when it accepts."""

    __slots__ = (
        "_advancing",
        "_client_is_done",
        "_deadline",
        "_drained",
        "_held",
        "_in_framework",
        "_lingering",
        "_reader",
        "_reading_is_held",
        "_remote",
        "_shared",
        "_slots",
        "_stages_seen",
        "_taking",
    )

    def __init__(self, manager: web.Server, shared: Shared, **options: Any) -> None:
        super().__init__(manager, **options)
        self._shared = shared
        self._reader = RequestReader(self, self._loop, shared.limits)
        self._deadline = Deadline(self._loop, self._on_time)
        self._slots: deque[Slot] = deque()  # answers owed, in order
        self._held: Request | None = None  # for the framework, once no answer is owed
        self._in_framework = False
        self._taking = True  # False once no further request of this connection will be answered
        self._client_is_done = False  # it closed its sending side
        self._lingering = False  # everything is answered, the client may still be reading
        self._advancing = False
        self._reading_is_held = False
        self._stages_seen = 0
        self._drained: asyncio.Future[None] | None = None
        self._remote: str | None = None

    # -- what the transport tells ------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        shared = self._shared
        cast("asyncio.WriteTransport", transport).set_write_buffer_limits(high=shared.limits.write_buffer_bytes_max)
        peer = self.peername
        self._remote = peer[0] if isinstance(peer, tuple) else None
        shared.connections += 1
        if shared.connections > shared.limits.connections_max:
            self._refuse(problem(Code.OVERLOADED, "Too many connections are open."))
            self._settle()
        else:
            self._deadline.move(shared.limits.idle_seconds)

    def data_received(self, data: bytes) -> None:
        if not self._taking:
            return
        is_busy = self._slots or self._in_framework or self._held is not None or self._paused
        request = None if is_busy else self._reader.again(data)
        if request is not None:
            self._take_again(*request)
        else:
            self._reader.feed(data)
            self._advance()

    def eof_received(self) -> bool:  # type: ignore[override]
        """Keep open what a client half closed while it is owed answers: closing now would lose them."""
        self._client_is_done = True
        return not (self._lingering or self.is_streaming or self._is_idle())

    def pause_writing(self) -> None:
        super().pause_writing()
        self._deadline.move(self._shared.limits.stall_seconds)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stages_seen = -1
        self._advance()

    def connection_lost(self, exc: BaseException | None) -> None:
        if not self._is_stream:
            self._shared.connections -= 1
        self._taking = False
        self._held = None
        self._slots.clear()
        self._deadline.cancel()
        super().connection_lost(exc)
        self._tell_drained()

    # -- taking requests ---------------------------------------------------------------------------------------------

    def _advance(self) -> None:
        """Take what may be taken, send what may be sent; called after whatever could have changed either."""
        if self._advancing:
            return
        self._advancing = True
        try:
            self._take_requests()
        except ClientError as error:
            self._refuse(http_problem(error.status, error.code, error.detail))
        finally:
            self._advancing = False
        slots = self._slots
        payload = slots[0].payload if slots else b""
        if payload and len(slots) == 1 and self._is_plain():
            self._send_only(payload)
        elif payload is not None or not self._is_plain():
            self._settle()

    def _go_on(self) -> None:
        """Do as `_advance` does, which is less when there is nothing to take."""
        (self._advance if self._reader.unread_bytes else self._settle)()

    def _take_requests(self) -> None:
        slots = self._slots
        while self._taking and self._held is None and not self._in_framework and not self._paused:
            if len(slots) >= self._shared.limits.pipelined_max:
                self._send_ready()
                if slots:
                    return
                continue
            request = self._reader.next()
            if request is None:
                if self._reader.continue_due:
                    self._reader.continue_due = False
                    slots.append(Slot(payload=CONTINUE))
                return
            message, body, plain = request
            if message.should_close:
                self._taking = False
            if not (plain and self._offer(call_of(message, body, self._remote), message)):
                self._held = request
            elif not self._reader.unread_bytes:
                return

    def _take_again(self, message: RawRequestMessage, body: bytes) -> None:
        """Take one with the last one's head, with nothing else under way: what was found out about that still holds."""
        same = self._reader.same
        assert same is not None
        known = same.call
        if known is None:
            known = same.call = call_of(message, b"", self._remote)
        if body or message is not same.message:
            call = replace(known, body=body, headers=message.headers)
            taken = self._offer(call, message)
            known.target, known.address = call.target, call.address
        else:  # the same in all but its name
            known.request_id = ""
            taken = self._offer(known, message)
        if not taken:
            self._held = message, body, True
            self._settle()

    def _offer(self, call: Call, message: RawRequestMessage) -> bool:
        """Whether `hot` has taken it. An exception in there is ours, and answered in its place."""
        slot = Slot(call.method == "HEAD", message.version is not HttpVersion11)
        self._slots.append(slot)
        began = perf_counter()
        try:
            taken = self._shared.hot(call, partial(self.answer, slot))
        except Exception:  # noqa: BLE001 - log_exception logs it
            self.log_exception("Error in the hot path at %s %s", call.method, call.path)
            if slot.payload is None:
                self.answer(slot, self.finish(INTERNAL_PROBLEM))
            return True
        if taken is False:
            if slot.payload is None:
                self._slots.pop()
                return False
            self.logger.error("The hot path answered %s %s and then said it would not", call.method, call.path)
        elif taken is not True:
            if slot.payload is None:
                slot.count, slot.began = taken, began
            else:
                taken(slot.status, perf_counter() - began)
        return True

    def _refuse(self, answer: Answer) -> None:
        """Answers after whatever is owed, and reads no further: where the next request begins may be unknown."""
        self._taking = False
        slot = Slot()
        self._slots.append(slot)
        slot.payload = self._shared.renderer.render(self.finish(answer), connection=CLOSE)

    # -- sending answers ---------------------------------------------------------------------------------------------

    def answer(self, slot: Slot, answer: Answer) -> None:
        """Put an answer in its place, and send what that completes.

        While requests are being taken, answers leave together at the end of that. Of several that are owed more may be
        answered in this same turn of the loop, so they leave together after it: one write instead of many.
        """
        if slot.payload is not None:
            self.logger.error("A call was answered twice; the second answer is dropped: %r", answer)
            return
        connection = KEEP_ALIVE if slot.is_old else b""
        slots = self._slots
        if not self._taking and self._held is None and slots and slots[-1] is slot:
            connection = CLOSE
        try:
            slot.payload = self._shared.renderer.render(answer, slot.head_only, connection)
        except Exception:  # noqa: BLE001 - log_exception logs it
            self.log_exception("This answer cannot be sent: %r", answer)
            answer = self.finish(INTERNAL_PROBLEM)
            slot.payload = self._shared.renderer.render(answer, slot.head_only, connection)
        slot.status = answer.status
        if slot.count is not None:
            slot.count(answer.status, perf_counter() - slot.began)
        if self._advancing or not slots or slots[0] is not slot:
            return
        if len(slots) > 1:
            self._loop.call_soon(self._advance)
        elif self._is_plain():
            self._send_only(slot.payload)
        else:
            self._go_on()

    def _send_only(self, payload: bytes) -> None:
        """The one answer that is owed, where `_is_plain`."""
        self._slots.popleft()
        self._deadline.move(self._shared.limits.idle_seconds)  # a write that does not fit moves it again
        self.transport.write(payload)  # type: ignore[union-attr]
        if self._paused:
            self._hold_reading()

    def _is_plain(self) -> bool:
        """Nothing else waits for an answer to leave: by far the most."""
        reader = self._reader
        if reader.awaited is not Awaited.REQUEST or reader.unread_bytes or self._held is not None:
            return False
        unusual = self._client_is_done or self._reading_is_held or self._paused
        return self._taking and not unusual and self.transport is not None

    def _send_ready(self) -> None:
        slots = self._slots
        ready = []
        while slots and (payload := slots[0].payload) is not None:
            ready.append(payload)
            slots.popleft()
        if ready and (transport := self.transport) is not None:
            transport.write(ready[0] if len(ready) == 1 else b"".join(ready))

    def _settle(self) -> None:
        """Send what is ready, and do what had to wait for that."""
        if self.transport is None:
            return
        slots = self._slots
        if slots:
            self._send_ready()
        if self._held is not None and not slots:
            held, self._held = self._held, None
            self._in_framework = True
            self.serve(held[0], held[1])
        elif self._is_idle():
            self._tell_drained()
            if not self._taking or self._client_is_done:
                self._hang_up()
        self._set_deadline()
        self._hold_reading()

    def begin_stream(self) -> None:
        """Count it no more: whoever streams has a bound of its own for that. What the client still sends is dropped."""
        if self.transport is not None and not self._is_stream:
            super().begin_stream()
            self._reader.forget()
            self._taking = False
            self._shared.connections -= 1

    def served(self, *, keep: bool) -> None:
        self._in_framework = False
        self._taking = self._taking and keep
        self._go_on()

    def is_last_answer(self) -> bool:
        return not self._taking

    def finish(self, answer: Answer) -> Answer:
        return self._shared.finish(answer)

    def _is_idle(self) -> bool:
        """No answer is owed, and none will be without further bytes."""
        if self._slots or self._held is not None or self._in_framework:
            return False
        return not (self._taking and self._reader.unread_bytes)

    def _hold_reading(self) -> None:
        """Read no more while it could not be used: from a client that does not read, or runs too far ahead."""
        hold = self._paused or self._reader.unread_bytes > self._shared.limits.read_ahead_bytes_max
        if self._lingering:
            hold = False
        if hold is not self._reading_is_held:
            self._reading_is_held = hold
            if hold:
                self._pause_transport_reading()
            else:
                self._resume_transport_reading()

    # -- time, and the end -------------------------------------------------------------------------------------------

    def _set_deadline(self) -> None:
        if self._lingering or self._paused:
            return
        limits = self._shared.limits
        reader = self._reader
        if reader.awaited is Awaited.REQUEST:
            self._deadline.move(limits.idle_seconds)
        elif reader.stages != self._stages_seen:
            of_head = reader.awaited is Awaited.REST_OF_HEAD
            self._deadline.move(limits.head_seconds if of_head else limits.body_seconds)
        self._stages_seen = reader.stages

    def _on_time(self) -> None:
        limits = self._shared.limits
        if self._lingering or self._paused:
            if self.transport is not None:
                self.transport.abort()
        elif self._reader.awaited is Awaited.REST_OF_HEAD:
            self._refuse(http_problem(408, REQUEST_TIMEOUT, f"Send all headers within {limits.head_seconds:g} s."))
            self._settle()
        elif self._reader.awaited is Awaited.REST_OF_BODY:
            self._refuse(http_problem(408, REQUEST_TIMEOUT, f"Send the whole body within {limits.body_seconds:g} s."))
            self._settle()
        elif self._is_idle():
            self._hang_up()
        else:
            self._deadline.move(limits.idle_seconds)

    def _hang_up(self) -> None:
        """End the connection so that the client can read its last answer, even if it is still sending.

        Closing at once with bytes unread would reset the connection, and the answer could be lost on its way.
        """
        self._taking = False
        super().close()
        transport = self.transport
        if transport is None or self._lingering:
            return
        if self._client_is_done or not transport.can_write_eof():
            transport.close()
            return
        self._lingering = True
        transport.write_eof()
        self._deadline.move(self._shared.limits.linger_seconds)

    def close(self) -> None:
        """Take no further request, answer what was taken, then hang up."""
        self._taking = False
        self._settle()

    async def shutdown(self, timeout: float | None = 15.0) -> None:  # noqa: ASYNC109 - aiohttp's signature
        """Do as `close` does, and wait for it: at most `timeout` seconds, then cut the connection."""
        self.close()
        if self.transport is not None and not self._is_idle():
            self._drained = self._loop.create_future()
            await asyncio.wait([self._drained], timeout=timeout)
        is_through = self.transport is None or self._is_idle()  # a handler whose client has left may still be at it
        await super().shutdown(timeout if is_through else CUT_SECONDS)

    def _tell_drained(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

"""One connection to another node, as frames: proved first, kept alive, and closed as soon as anything is wrong with it.

Owns the numbering, the time limits and the end of a connection. Promises that nothing reaches `on_frame`, and nothing
handed to `send` leaves, before both sides have proved the cluster secret; that a side that falls silent is noticed
within SILENT_SECONDS; that whatever the other side sends ends in a frame or in a closed link with a line in the log;
and that after the end nothing is called but `on_closed`, once.

Never knows what frames mean. A link is used once.
"""

from collections.abc import Callable
from typing import Final

from .frames import RAW, Challenge, Frame, Introduction, Ping, Proof, Refused, Welcome
from .framing import FRAME_BYTES_MAX, UNPROVED_FRAME_BYTES_MAX, BadFrame, FrameReader, encode, header
from .handshake import Handshake, HandshakeFailed
from .ports import Scheduler, Timer, Wire
from .refusals import RefusalLog

HANDSHAKE_SECONDS_MAX: Final = 2.0
PING_SECONDS: Final = 0.5
SILENT_SECONDS: Final = 2.0
LATE_SECONDS: Final = 0.5  # a timer later than this says that this process stood still
COPIED_BYTES_MAX: Final = 32 * 1024  # a raw body up to here is cheaper copied behind its header than sent apart

_HANDSHAKE_FRAMES: Final = frozenset((Challenge, Proof, Welcome))

OnLink = Callable[["Link"], None]
OnFrame = Callable[["Link", Frame], None]
OnClosed = Callable[["Link", str], None]


class Link:
    """The `Receiver` of one connection."""

    __slots__ = (
        "_dialed",
        "_handshake",
        "_heard_at",
        "_introduction",
        "_is_closed",
        "_is_open",
        "_nonce",
        "_number",
        "_on_closed",
        "_on_drained",
        "_on_frame",
        "_on_open",
        "_reader",
        "_refusals",
        "_scheduler",
        "_secret",
        "_sent_at",
        "_timer",
        "_timer_due",
        "peer",
        "refused",
        "wire",
    )

    def __init__(
        self,
        scheduler: Scheduler,
        secret: bytes,
        introduction: Callable[[], Introduction],
        *,
        dialed: bool,
        nonce: Callable[[], bytes],
        refusals: RefusalLog,
        on_open: OnLink,
        on_frame: OnFrame,
        on_drained: OnLink,
        on_closed: OnClosed,
    ) -> None:
        """`introduction`: who this node is when asked; `nonce`: handshake.NONCE_BYTES from a source of chance.

        Callbacks come from the scheduler, never from inside a call of this link's methods. `on_closed` gets the reason:
        what was given to `close`, or a sentence.
        """
        self.peer: Introduction | None = None  # once proved
        self.wire: Wire | None = None  # once connected
        self.refused: Refused | None = None  # what the other side answered in place of its proof
        self._scheduler = scheduler
        self._secret = secret
        self._introduction = introduction
        self._dialed = dialed
        self._nonce = nonce
        self._refusals = refusals
        self._on_open = on_open
        self._on_frame = on_frame
        self._on_drained = on_drained
        self._on_closed = on_closed
        self._is_open = False
        self._is_closed = False
        self._handshake: Handshake | None = None
        self._reader = FrameReader(UNPROVED_FRAME_BYTES_MAX)
        self._number = 0  # of the last frame sent
        self._sent_at = 0.0
        self._heard_at = 0.0
        self._timer: Timer | None = None
        self._timer_due = 0.0

    @property
    def is_open(self) -> bool:
        """Both sides are proved, and it is not closed."""
        return self._is_open

    @property
    def is_closed(self) -> bool:
        return self._is_closed

    @property
    def unsent_bytes(self) -> int:
        """What was sent and still waits on this machine."""
        return self.wire.unsent_bytes if self.wire and not self._is_closed else 0

    def send(self, frame: Frame) -> None:
        """Put a frame on its way; it goes nowhere while the link is not open. `ValueError` if it is too large."""
        if self._is_open:
            self._put(frame)

    def close(self, reason: str = "") -> None:
        """What was sent before is still delivered, if the other side takes it soon. `on_closed(reason)` follows."""
        if not self._is_closed:
            self._end()
            self._scheduler.call_soon(self._on_closed, self, reason)

    # --- what the network tells

    def opened(self, wire: Wire) -> None:
        if self._is_closed:
            wire.close()
            return
        self.wire = wire
        self._sent_at = self._heard_at = self._scheduler.time()
        self._timer = self._scheduler.call_later(HANDSHAKE_SECONDS_MAX, self._handshake_is_late)
        self._handshake = Handshake(self._secret, self._introduction, self._nonce(), dialed=self._dialed)
        if first := self._handshake.begin():
            self._put(first)

    def received(self, data: bytes) -> None:
        self._heard_at = self._scheduler.time()
        try:
            for frame in self._reader.feed(data):
                if self._is_open:
                    self._take(frame)
                else:
                    self._shake(frame)
                if self._is_closed:
                    return
        except BadFrame as bad:
            self._refuse(str(bad))

    def drained(self) -> None:
        if self._is_open:
            self._on_drained(self)

    def closed(self, reason: str) -> None:
        if self._is_closed:
            return
        if self.wire and not self._is_open:
            reason = f"the connection ended before the other side had proved that it belongs here: {reason}"
        self._end()
        self._on_closed(self, reason)

    # --- inside

    def _take(self, frame: Frame) -> None:
        kind = type(frame)
        if kind is Ping:
            return
        if kind in _HANDSHAKE_FRAMES:
            self._refuse(f"a {kind.__name__} came when the handshake was over")
        else:
            self._on_frame(self, frame)

    def _shake(self, frame: Frame) -> None:
        assert self._handshake is not None
        try:
            answer = self._handshake.received(frame)
        except HandshakeFailed as failed:
            self.refused = failed.refused
            if failed.tell:
                self._put(failed.tell)
            self._refuse(str(failed))
            return
        if answer:
            self._put(answer)
        if self._handshake.peer:
            self.peer = self._handshake.peer
            self._handshake = None
            self._reader.bytes_max = FRAME_BYTES_MAX
            self._is_open = True
            self._watch_from(self._scheduler.time())
            self._on_open(self)

    def _put(self, frame: Frame) -> None:
        wire = self.wire
        assert wire is not None
        number = self._number + 1
        if isinstance(frame, RAW) and len(frame.data) > COPIED_BYTES_MAX:
            wire.send(header(type(frame), len(frame.data), number))
            wire.send(frame.data)
        else:
            wire.send(encode(frame, number))
        self._number = number
        self._sent_at = self._scheduler.time()

    def _refuse(self, sentence: str) -> None:
        assert self.wire is not None
        who = f"{self.wire.peer} ({self.peer.name})" if self.peer else self.wire.peer
        self._refusals.note(who, sentence)
        self.close(sentence)

    def _end(self) -> None:
        self._is_open = False
        self._is_closed = True
        self._handshake = None
        if self._timer:
            self._timer.cancel()
        if self.wire:
            self.wire.close()

    # --- time

    def _handshake_is_late(self) -> None:
        if self._dialed and self._number == 0:
            self._refuse(
                f"it said nothing for {HANDSHAKE_SECONDS_MAX:g} s: it may stand still, be no node, or use TLS, which "
                "all nodes of a cluster must use or none"
            )
        else:
            self._refuse(f"it did not prove within {HANDSHAKE_SECONDS_MAX:g} s that it belongs here")

    def _watch_from(self, now: float) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer_due = max(min(self._sent_at + PING_SECONDS, self._heard_at + SILENT_SECONDS), now + 0.001)
        self._timer = self._scheduler.call_later(self._timer_due - now, self._watch)

    def _watch(self) -> None:
        now = self._scheduler.time()
        silent_seconds = now - self._heard_at
        if now - self._timer_due > LATE_SECONDS:
            # This process stood still. What arrived meanwhile has not been read yet: look again when it has.
            self._heard_at = max(self._heard_at, now - SILENT_SECONDS + PING_SECONDS)
        elif silent_seconds >= SILENT_SECONDS:
            self.close(f"nothing came for {silent_seconds:.1f} s")
            return
        if now - self._sent_at >= PING_SECONDS:
            self._put(Ping())
        self._watch_from(now)

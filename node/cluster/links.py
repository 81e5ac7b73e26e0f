"""How a node's connections to others are made.

Owns what all of them have in common: the secret, who this node is, who hears of those it talks to, and one log of what
was refused.
"""

from collections.abc import Callable

from ...replicas.frames import Introduction
from ...replicas.link import Link, OnClosed, OnFrame, OnLink
from ...replicas.ports import Scheduler, Wire
from ...replicas.refusals import RefusalLog


class Links:
    def __init__(
        self,
        scheduler: Scheduler,
        secret: bytes,
        introduction: Callable[[], Introduction],
        nonce: Callable[[], bytes],
        refusals: RefusalLog,
    ) -> None:
        self.refusals = refusals
        self.on_heard: Callable[[Introduction], None] = lambda _who: None  # of everyone who has proved to belong here
        self._scheduler = scheduler
        self._secret = secret
        self._introduction = introduction
        self._nonce = nonce

    def dialed(self, on_open: OnLink, on_frame: OnFrame, on_drained: OnLink, on_closed: OnClosed) -> Link:
        """One that this node opens."""
        return self._make(on_open, on_frame, on_drained, on_closed, dialed=True)

    def accepted(self, on_frame: OnFrame, on_drained: OnLink, on_closed: OnClosed) -> Link:
        """One that another node has opened."""
        return self._make(lambda _link: None, on_frame, on_drained, on_closed, dialed=False)

    def _make(
        self, on_open: OnLink, on_frame: OnFrame, on_drained: OnLink, on_closed: OnClosed, *, dialed: bool
    ) -> Link:
        def opened(link: Link) -> None:
            assert link.peer is not None
            self.on_heard(link.peer)
            on_open(link)

        return Link(
            self._scheduler,
            self._secret,
            self._introduction,
            dialed=dialed,
            nonce=self._nonce,
            refusals=self.refusals,
            on_open=opened,
            on_frame=on_frame,
            on_drained=on_drained,
            on_closed=on_closed,
        )


class Closing:
    """The receiver of a connection that came while there is no copy to speak of."""

    def opened(self, wire: Wire) -> None:
        wire.close()

    def received(self, data: bytes) -> None: ...

    def drained(self) -> None: ...

    def closed(self, reason: str) -> None: ...

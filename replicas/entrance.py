"""How many connections may be open that others opened.

Owns the list of accepted links. Promises at most LINKS_MAX that have proved themselves, and at most UNPROVED_MAX that
have not yet: of these the oldest gives way to the newest, so that whoever only holds connections open keeps nobody out.
"""

from collections.abc import Callable
from typing import Final

from .frames import Refused
from .framing import encode
from .link import Link
from .ports import Receiver, Wire
from .refusals import RefusalLog

LINKS_MAX: Final = 256
UNPROVED_MAX: Final = 32


class Entrance:
    def __init__(self, make_link: Callable[[], Link], refusals: RefusalLog) -> None:
        """`make_link` makes one with `dialed=False`."""
        self._make_link = make_link
        self._refusals = refusals
        self._links: list[Link] = []

    def accept(self) -> Receiver:
        """The receiver of a connection that somebody opened to this node."""
        links = self._links = [link for link in self._links if not link.is_closed]
        unproved = [link for link in links if not link.is_open]
        if len(links) - len(unproved) >= LINKS_MAX:
            return _TurnedAway(self._refusals)
        if len(unproved) >= UNPROVED_MAX:
            oldest = unproved[0]
            sentence = f"{UNPROVED_MAX} connections are open that have proved nothing, and this is the oldest"
            if oldest.wire:
                self._refusals.note(oldest.wire.peer, sentence)
            oldest.close(sentence)
        link = self._make_link()
        links.append(link)
        return link


class _TurnedAway:
    """The receiver of a connection there is no room for."""

    def __init__(self, refusals: RefusalLog) -> None:
        self._refusals = refusals

    def opened(self, wire: Wire) -> None:
        sentence = f"{LINKS_MAX} nodes are connected already: let it follow another node"
        self._refusals.note(wire.peer, sentence)
        wire.send(encode(Refused("overloaded", sentence), 1))
        wire.close()

    def received(self, data: bytes) -> None: ...

    def drained(self) -> None: ...

    def closed(self, reason: str) -> None: ...

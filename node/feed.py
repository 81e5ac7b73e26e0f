"""Who is told, live, of what became durable: the notices of one user to whoever listens for that user.

Owns the listeners, and how far they have been told. Promises each of them every notice of their user that becomes safe
after they came, once, in order; and None, last of all, when this life of the node's copy ends. Keeps no copy of a
notice: the state has them, in a list that each checkpoint takes away and begins anew, so the feed holds on to a list
until all of it is told. A batch costs some microseconds when nobody listens, and a look-up for each of its notices when
somebody does. Never waits for a listener, and none of them can keep others from being told.
"""

import logging
from bisect import bisect_right
from collections.abc import Callable
from operator import attrgetter

from ..engine.records import Notice
from ..engine.state import State

log = logging.getLogger("onsale.feed")

Listener = Callable[[Notice | None], None]

_seq_of = attrgetter("seq")


class Feed:
    def __init__(self, state: State) -> None:
        self._state = state
        self._seq = state.seq  # all up to here is told
        self._lists = [state.notices]  # that may hold what is not, oldest first
        self._listeners: dict[str, list[Listener]] = {}  # by user
        self._closed = False
        self.listening = 0

    def subscribe(self, user_id: str, listener: Listener) -> Callable[[], None]:
        """As `http.gateway.Gateway.subscribe`. After `close` there is None to be told, at once."""
        if self._closed:
            listener(None)
            return _nothing
        self._listeners.setdefault(user_id, []).append(listener)
        self.listening += 1
        return lambda: self._end(user_id, listener)

    def taken(self) -> None:
        """A checkpoint has just taken the notices there were; those that follow are in another list."""
        if self._state.notices is not self._lists[-1]:
            self._lists.append(self._state.notices)

    def reached(self, seq: int) -> None:
        """Everything up to `seq` is safe."""
        if seq <= self._seq:
            return
        before, self._seq = self._seq, seq
        self.taken()
        lists = self._lists
        if self._listeners:
            for notices in lists:
                self._tell(notices, before, seq)
        while len(lists) > 1 and (not lists[0] or lists[0][-1].seq <= seq):
            del lists[0]

    def close(self) -> None:
        """Nothing more comes from here: this life of the node's copy ends."""
        self._closed = True
        everybody, self._listeners = self._listeners, {}
        self.listening = 0
        for listeners in everybody.values():
            for listener in listeners:
                _call(listener, None)

    def _tell(self, notices: list[Notice], before: int, seq: int) -> None:
        listeners = self._listeners
        for index in range(bisect_right(notices, before, key=_seq_of), len(notices)):
            notice = notices[index]
            if notice.seq > seq:
                break
            for listener in tuple(listeners.get(notice.user_id, ())):
                _call(listener, notice)

    def _end(self, user_id: str, listener: Listener) -> None:
        listeners = self._listeners.get(user_id)
        if listeners is None or listener not in listeners:
            return
        listeners.remove(listener)
        self.listening -= 1
        if not listeners:
            del self._listeners[user_id]


def _call(listener: Listener, notice: Notice | None) -> None:
    try:
        listener(notice)
    except Exception:
        log.exception("a listener failed")


def _nothing() -> None: ...

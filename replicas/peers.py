"""Asking another node one question, or telling it something: dial, prove, ask, take the answer, close.

Owns the questions under way. Promises that each one's `done` is called exactly once, in time, never from inside `ask`.
"""

from collections.abc import Callable
from itertools import count
from typing import Final

import msgspec

from .frames import Announce, AskLead, AskPromise, AskStatus, Frame, Outcome, Promise, Question, Refused, Reply, Status
from .link import Link, OnClosed, OnFrame, OnLink
from .ports import Network, Scheduler, parse_address

MakeLink = Callable[[OnLink, OnFrame, OnLink, OnClosed], Link]
"""`(on_open, on_frame, on_drained, on_closed)` → a link with `dialed=True`."""

_ANSWERS: Final[dict[type[Question], type[Reply]]] = {AskStatus: Status, AskPromise: Promise, AskLead: Outcome}


class Peers:
    def __init__(self, scheduler: Scheduler, network: Network, make_link: MakeLink) -> None:
        self._scheduler = scheduler
        self._network = network
        self._make_link = make_link
        self._ids = count(1)

    def ask(
        self, address: str, question: Question, timeout_seconds: float, done: Callable[[Reply | None], None]
    ) -> None:
        """Ask the node at "host:port"; the question's id is filled in here.

        `done` gets the answer, or None if there is none in time: nobody was reached, or the question was refused.
        """
        try:
            host, port = parse_address(address)
        except ValueError:
            self._scheduler.call_soon(done, None)
            return
        filled = msgspec.structs.replace(question, id=next(self._ids))
        asking = _Asking(self._scheduler, self._make_link, filled, timeout_seconds, done)
        self._network.dial(host, port, asking.link)

    def tell(self, address: str, news: Announce) -> None:
        """Tell the node at "host:port" something it need not answer. Nobody learns whether it came."""
        try:
            host, port = parse_address(address)
        except ValueError:
            return

        def opened(link: Link) -> None:
            link.send(news)
            link.close()

        self._network.dial(
            host,
            port,
            self._make_link(opened, lambda _link, _frame: None, lambda _link: None, lambda _link, _why: None),
        )


class _Asking:
    """One question under way."""

    def __init__(
        self,
        scheduler: Scheduler,
        make_link: MakeLink,
        question: Question,
        timeout_seconds: float,
        done: Callable[[Reply | None], None],
    ) -> None:
        self.link = make_link(self._opened, self._received, self._drained, self._closed)
        self._question = question
        self._timer = scheduler.call_later(timeout_seconds, self._end, None)
        self._done: Callable[[Reply | None], None] | None = done

    def _opened(self, link: Link) -> None:
        link.send(self._question)

    def _received(self, _link: Link, frame: Frame) -> None:
        if isinstance(frame, Refused):
            self._end(None)
        elif isinstance(frame, _ANSWERS[type(self._question)]) and frame.id == self._question.id:
            self._end(frame)

    def _drained(self, link: Link) -> None: ...

    def _closed(self, _link: Link, _reason: str) -> None:
        self._end(None)

    def _end(self, reply: Reply | None) -> None:
        done, self._done = self._done, None
        if done:
            self._timer.cancel()
            self.link.close()
            done(reply)

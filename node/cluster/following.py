"""A node that follows: it looks for somebody to follow, and goes on looking whenever that ends.

Owns the link to its source and where to look for the next one. Promises to end on its own only where the node's copy
must change first, which its `Host` is told. Whom it may follow is decided by the promise, which the host keeps.
"""

import logging
from collections.abc import Iterable
from typing import Protocol

from ...replicas.follower import Follower
from ...replicas.follower import Host as FollowerHost
from ...replicas.frames import Accepted, Frame, Refused
from ...replicas.link import Link
from ...replicas.peers import MakeLink
from ...replicas.ports import Network, Scheduler, Timer, parse_address
from .followers import ANOTHER_TIME, DIFFERS, HISTORY_GONE, NAME_TAKEN, OUTDATED
from .own_copy import OwnCopy

log = logging.getLogger("onsale.replication")

RETRY_SECONDS = 0.05  # first; it doubles up to:
RETRY_SECONDS_MAX = 0.5
ACCEPTED_WITHIN_SECONDS = 2.0
LASTED_SECONDS = 1.0  # a source that is lost sooner is not asked again at once
FRESH_SECONDS = 1.0  # a source speaks several times a second


class Host(FollowerHost, Protocol):
    def sources(self) -> Iterable[str]:
        """Addresses where somebody to follow may be, the likeliest first."""

    def own_address(self) -> str:
        """Where others reach this node."""

    def promised(self) -> tuple[int, bytes]:
        """The epoch that was promised, and to which node."""

    def may_follow(self, accepted: Accepted, link: Link) -> bool:
        """Whether this one may be followed under the promise that was given, which is then kept on disk."""

    def history_gone(self, sentence: str) -> None: ...

    def other_frame(self, link: Link, frame: Frame) -> None:
        """What is no part of the stream."""


class Following:
    def __init__(
        self,
        copy: OwnCopy,
        host: Host,
        make_link: MakeLink,
        network: Network,
        scheduler: Scheduler,
        *,
        voting: bool,
    ) -> None:
        self.follower: Follower | None = None
        self._was_in_step_at = 0.0  # with whom it followed before
        self.link: Link | None = None
        self.source = ""  # the address of who is followed, or being asked
        self.trouble = ""  # why nobody is followed
        self._copy = copy
        self._host = host
        self._make_link = make_link
        self._network = network
        self._scheduler = scheduler
        self._voting = voting
        self._hint = ""
        self._tried: list[str] = []  # in this round
        self._retry_seconds = RETRY_SECONDS
        self._streaming_since = 0.0
        self._timer: Timer | None = None
        self._ended = False

    def start(self) -> None:
        self._look()

    def end(self) -> None:
        """Follow nobody any more."""
        self._ended = True
        if self._timer is not None:
            self._timer.cancel()
        self._let_go()
        link, self.link = self.link, None
        if link is not None:
            link.close("this node does not follow any more")

    def let_go(self, reason: str) -> None:
        """Take nothing more from whom it follows; look for another."""
        if self.link is not None:
            self._let_go()
            self.link.close(reason)

    def look_at(self, address: str) -> None:
        """Somebody says that the leader is there."""
        if not self._ended and address not in ("", self.source, self._host.own_address()):
            self._hint = address
            if self.link is not None:
                if not self.is_fresh:
                    self.link.close("another node leads")
            else:
                self._look_soon(0.0)

    @property
    def in_step_at(self) -> float:
        """When all that was known to be committed had last been applied, whoever was followed then; 0: never."""
        return max(self._was_in_step_at, self.follower.in_step_at if self.follower is not None else 0.0)

    @property
    def streaming(self) -> bool:
        return self.follower is not None and self.follower.accepted

    @property
    def is_fresh(self) -> bool:
        """Everything known to be committed is applied, and the source was heard a moment ago."""
        follower = self.follower
        return (
            follower is not None
            and follower.accepted
            and follower.in_step
            and self._scheduler.time() - follower.in_step_at < FRESH_SECONDS
        )

    # --- looking

    def _look_soon(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._scheduler.call_later(seconds, self._look)

    def _look(self) -> None:
        if self._ended or self.link is not None:
            return
        address = self._next_address()
        if not address:
            self._tried.clear()
            self._look_soon(self._retry_seconds)
            self._retry_seconds = min(self._retry_seconds * 2, RETRY_SECONDS_MAX)
            return
        self._tried.append(address)
        self.source = address
        host, port = parse_address(address)
        self.link = link = self._make_link(self._opened, self._received, lambda _link: None, self._closed)
        self._network.dial(host, port, link)

    def _next_address(self) -> str:
        if self._hint:
            hint, self._hint = self._hint, ""
            return hint
        return next((each for each in self._host.sources() if each and each not in self._tried), "")

    def _opened(self, link: Link) -> None:
        if self._ended or link is not self.link:
            return
        copy = self._copy
        self.follower = Follower(
            link,
            copy.writer,
            copy.available,
            self._host,
            voting=self._voting,
            applied_seq=copy.state.seq,
            unapplied=copy.unapplied,
            call_soon=self._scheduler.call_soon,
            seconds=self._scheduler.time,
        )
        self.follower.begin(*self._host.promised())
        self._scheduler.call_later(ACCEPTED_WITHIN_SECONDS, lambda: self._expect_accepted(link))

    def _expect_accepted(self, link: Link) -> None:
        if link is self.link and not self.streaming:
            link.close("it did not say whether it can be followed")

    def _closed(self, link: Link, reason: str) -> None:
        if link is not self.link:
            return
        was_streaming = self.streaming
        lasted = was_streaming and self._scheduler.time() - self._streaming_since > LASTED_SECONDS
        self.link = None
        self._let_go()
        if reason:
            self.trouble = f"{self.source}: {reason}"
        if was_streaming:
            log.warning("lost %s: %s", self.source, reason or "the connection was closed")
            self._tried.clear()
        if lasted:
            self._retry_seconds = RETRY_SECONDS
        self.source = ""
        if not self._ended:
            self._look_soon(self._retry_seconds if was_streaming and not lasted else 0.0)

    def _let_go(self) -> None:
        follower, self.follower = self.follower, None
        if follower is not None:
            self._was_in_step_at = max(self._was_in_step_at, follower.in_step_at)
            follower.end()

    # --- what the source says

    def _received(self, link: Link, frame: Frame) -> None:
        follower = self.follower
        if link is not self.link or follower is None:
            return
        if isinstance(frame, Refused):
            self._refused(link, frame)
            return
        if isinstance(frame, Accepted) and not self._host.may_follow(frame, link):
            link.close("this node has promised a later epoch")
            return
        if isinstance(frame, Accepted) and frame.common_seq < self._copy.base.seq:
            self._host.history_gone(
                f"what is the same here and at {frame.leader} ends at seq {frame.common_seq}, and this journal begins "
                "later"
            )
            return
        was_streaming = follower.accepted
        if not follower.received(frame):
            self._host.other_frame(link, frame)
        if follower.accepted and not was_streaming:
            self.trouble = ""
            self._streaming_since = self._scheduler.time()
            self._tried.clear()
            log.info("following %s at %s from seq %d on", follower.leader, self.source, self._copy.position.seq)

    def _refused(self, link: Link, refused: Refused) -> None:
        trouble = f"{self.source}: {refused.sentence}"
        if trouble != self.trouble and refused.reason_code in (NAME_TAKEN, ANOTHER_TIME, OUTDATED):
            log.warning("can't follow %s", trouble)
        self.trouble = trouble
        link.close("")
        if refused.reason_code == HISTORY_GONE:
            self._host.history_gone(refused.sentence)
        elif refused.reason_code == DIFFERS:
            self._host.damaged(refused.sentence)
        elif refused.leader not in ("", *self._tried, self._host.own_address()):
            self._hint = refused.leader

    def became_durable(self) -> None:
        if self.follower is not None:
            self.follower.became_durable()

"""What a member does again and again: look whether answers can be given, and tell others that it is alive.

Owns the timer. Decides nothing but when.
"""

from typing import TYPE_CHECKING

from ...replicas.ports import Timer

if TYPE_CHECKING:
    from .member import ClusterMember

TICK_SECONDS = 0.1
HEARTBEAT_TICKS = 2
REPORT_TICKS = 5
ANNOUNCE_TICKS = 10
LONELY_TICKS_MAX = 80
LONELY_TICKS = 10  # with nobody to follow, before the one who led last asks to lead again


class Pulse:
    def __init__(self, member: "ClusterMember") -> None:
        self._member = member
        self._ticks = 0
        self._lonely_ticks = 0
        self._lonely_ticks_max = LONELY_TICKS
        self._timer: Timer | None = None

    def start(self) -> None:
        self._timer = self._member.ports.scheduler.call_later(TICK_SECONDS, self._tick)

    def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _tick(self) -> None:
        self._timer = self._member.ports.scheduler.call_later(TICK_SECONDS, self._tick)
        self._ticks += 1
        member = self._member
        member.right.tick()
        member.succession.watch()
        if member.leading is not None:
            member.leading.watch()
            if self._ticks % ANNOUNCE_TICKS == 0:
                member.exchange.announce()
        following = member.following
        self._lonely_ticks = self._lonely_ticks + 1 if following is not None and not following.streaming else 0
        if following is not None and following.streaming:
            self._lonely_ticks_max = LONELY_TICKS
        if self._lonely_ticks > self._lonely_ticks_max:
            self._lonely_ticks = 0
            if member.right.store is not None:  # each time it has the lease for a moment, and others want it, too
                self._lonely_ticks_max = min(self._lonely_ticks_max * 2, LONELY_TICKS_MAX)
            member.resume()
        fresh = member.leading is not None or (following is not None and following.is_fresh)
        if fresh and self._ticks % HEARTBEAT_TICKS == 0:
            member.followers.heartbeat()
        if self._ticks % REPORT_TICKS == 0:
            member.exchange.report()

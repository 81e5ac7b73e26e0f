"""The right of this node to lead: the operator's word alone, or a lease beside it.

Owns the lease while this node has it: its renewal, and until when, by this machine's monotonic clock, it can't have run
out. Promises that `may_answer` is false from before then on, be it that the process slept meanwhile; and that the lease
is given back when nobody leads here any more. Never decides who should lead.
"""

import logging
from collections.abc import Callable

from ...engine.commands import Command, Idempotency
from ...replicas.lease import Claim, LeaseStore, Lost, OutOfReach, Refused, Seen, Taken
from ...replicas.ports import Scheduler
from ..loop import Done

Submit = Callable[[Command, Idempotency | None, Done], None]

log = logging.getLogger("onsale.replication")

MARGIN = 0.1  # of the lease's time, for clocks of unequal pace
RENEWED_AFTER = 1 / 3  # of the lease's time
AGAIN_SECONDS = 0.3  # when the store could not be asked
LOOKED_AFTER = 0.05  # of the lease's time; a free lease is seen that much later
LOOKED_SECONDS = (0.2, 0.5)  # at least, at most
WITHOUT = "With --etcd nobody leads without its lease."
GIVEN_UP = "It was given up before etcd answered."

REACHED, UNREACHED = "reached", "unreached"

Obtained = Callable[[Taken | Refused | OutOfReach], None]


class RightToLead:
    def __init__(self, store: LeaseStore | None, scheduler: Scheduler, claim: Callable[[], Claim]) -> None:
        """`store` None: there is no lease, and nothing to wait for."""
        self.store = store
        self.seen: Seen | OutOfReach | None = None  # what the store said last
        self.on_seen: Callable[[], None] = lambda: None
        self.on_lost: Callable[[], None] = lambda: None
        self.is_confirmed: Callable[[], bool] = lambda: False  # those whom answers wait for can't ask the store either
        self._seconds = scheduler.time
        self._claim = claim
        self._holds = False
        self._until = 0.0
        self._asking = False
        self._obtaining = 0  # questions under way
        self._ask_again_at = 0.0
        self._revision = 0
        self._turn = 0  # so that an answer from before the last change of hands is not taken for one about now
        self._told_unreached = False

    @property
    def standing(self) -> str:
        """For reports: empty where there is no lease."""
        if self.store is None or self.seen is None:
            return ""
        return UNREACHED if isinstance(self.seen, OutOfReach) else REACHED

    @property
    def holds(self) -> bool:
        """It was granted to this node, and not given back or known to be lost; it may have run out."""
        return self._holds

    @property
    def refusal(self) -> str:
        """Why nobody needs to ask this node to lead now: it would be in vain. Empty: no reason is known."""
        return f"{self.seen.sentence} {WITHOUT}" if isinstance(self.seen, OutOfReach) else ""

    @property
    def valid_seconds(self) -> float:
        """How long the lease is this node's for certain; 0 without one."""
        return max(self._until - self._seconds(), 0.0) if self._holds else 0.0

    @property
    def silent_seconds(self) -> float:
        """Since when this node, if it leads, may not answer."""
        return 0.0 if self.may_answer() else max(self._seconds() - self._until, 0.0)

    def may_answer(self) -> bool:
        """Whether this node, if it leads, may say so.

        While nobody at all can ask the store no lease runs out there, and nobody can take over: those who would have to
        agree say that they can't ask either.
        """
        if self.store is None or (self._holds and self._seconds() < self._until):
            return True
        return self._holds and isinstance(self.seen, OutOfReach) and self.is_confirmed()

    def guarded(self, submit: Submit, refuse: Submit) -> Submit:
        """`submit`, while this node may answer: calls are read before anything else when a process goes on after a
        pause.
        """
        if self.store is None:
            return submit

        def guarded(command: Command, key: Idempotency | None, done: Done) -> None:
            (submit if self.may_answer() else refuse)(command, key, done)

        return guarded

    def obtain(self, done: Obtained, *, by_order: bool = False) -> None:
        """Have the right, now or later; `done` is told once: OutOfReach, too, if it was given up or asked for anew."""
        if self.store is None or (self._holds and not by_order and self._seconds() < self._until):
            done(Taken(self._revision))
            return
        self._turn += 1
        turn, asked_at = self._turn, self._seconds()
        self._obtaining += 1

        def answered(reply: Taken | Refused | OutOfReach) -> None:
            self._obtaining -= 1
            if turn != self._turn:
                done(OutOfReach(GIVEN_UP))
                return
            if isinstance(reply, Taken):
                self._holds, self._revision = True, reply.revision
                self._valid_from(asked_at)
            if not isinstance(reply, Refused):
                self._note(_seen(reply))
            done(reply)

        self.store.take(self._claim(), by_order=by_order, done=answered)

    def release(self) -> None:
        """Nobody leads here; what is asked for now is not wanted any more."""
        self._turn += 1
        if self.store is not None and (self._holds or self._obtaining):
            self._holds, self._until = False, 0.0
            self._ask_again_at = self._seconds() + AGAIN_SECONDS
            self.store.release()

    def tick(self) -> None:
        """Called again and again: renew it or look who has it, when that is due."""
        now = self._seconds()
        if self.store is None or self._asking or self._obtaining or now < self._ask_again_at:
            return
        self._asking = True
        turn = self._turn
        if self._holds:
            self.store.renew(lambda reply: self._renewed(turn, now, reply))
        else:
            self.store.look(lambda reply: self._looked(turn, reply))

    def _renewed(self, turn: int, asked_at: float, reply: Taken | Lost | OutOfReach) -> None:
        self._asking = False
        if turn != self._turn:
            return
        assert self.store is not None
        if isinstance(reply, Taken):
            self._note(_seen(reply))
            self._valid_from(asked_at)
        elif isinstance(reply, OutOfReach):
            self._note(_seen(reply))
            self._ask_again_at = self._seconds() + AGAIN_SECONDS
        else:
            log.error("this node's lease is gone: it answers nothing until it has one again")
            self._holds, self._until = False, 0.0
            self.on_lost()

    def _valid_from(self, asked_at: float) -> None:
        assert self.store is not None
        self._until = asked_at + self.store.ttl_seconds * (1 - MARGIN)
        self._ask_again_at = asked_at + self.store.ttl_seconds * RENEWED_AFTER

    def _looked(self, turn: int, reply: Seen | OutOfReach) -> None:
        self._asking = False
        assert self.store is not None
        soonest, latest = LOOKED_SECONDS
        again_seconds = min(max(self.store.ttl_seconds * LOOKED_AFTER, soonest), latest)
        self._ask_again_at = self._seconds() + (AGAIN_SECONDS if isinstance(reply, OutOfReach) else again_seconds)
        if turn == self._turn:
            self._note(reply)
            self.on_seen()

    def _note(self, reply: Seen | OutOfReach) -> None:
        self.seen = reply
        if isinstance(reply, OutOfReach):
            if not self._told_unreached:
                self._told_unreached = True
                log.error("the lease can't be asked for, so nobody new leads: %s", reply.sentence)
        elif self._told_unreached:
            self._told_unreached = False
            log.warning("the lease can be asked for again")


def _seen(reply: Taken | OutOfReach) -> Seen | OutOfReach:
    return reply if isinstance(reply, OutOfReach) else Seen(None, paused=reply.paused)

"""The lease's store in simulated time: what etcd is to the real nodes, with its faults.

Owns the truth: who has the right to lead, and until when. A question takes time, may not arrive, and its answer may be
lost, so that nobody knows; without a majority nothing is answered, and no lease runs out. It may stand still as a
whole, when they do run out, and it may lose what it knew, or know again only what was so some time ago.
"""

from collections.abc import Callable
from random import Random
from typing import NamedTuple, TypeVar

from onsale.replicas.lease import Claim, Holder, Lost, OutOfReach, Refused, Seen, Taken
from onsale.tests.simulation.scheduler import NodeScheduler, SimulatedTime

DELAYS_US = (300, 8_000)  # of a question or an answer
TIMEOUT_SECONDS = 0.5
ANSWERS_LOST = 0.01  # of all
NO_ANSWER = OutOfReach("no member of etcd can answer (simulated).")
LEARNED_US = 2_000_000  # until whoever leads knows that others can ask again, who said that they couldn't


T = TypeVar("T")


class Kept(NamedTuple):
    """What a store knows."""

    holder: Holder | None
    revision: int
    journal_id: bytes
    paused: bool


NOTHING = Kept(None, 1, b"", paused=False)


class SimulatedLeases:
    def __init__(self, time: SimulatedTime, random: Random, ttl_seconds: float) -> None:
        self.ttl_seconds = ttl_seconds
        self.has_majority = True
        self.delays_us = DELAYS_US
        self.answers_lost = ANSWERS_LOST
        self.timeout_seconds = TIMEOUT_SECONDS
        self.cut_off: set[str] = set()
        self.until_us: dict[str, int] = {}  # by node: when what it was granted runs out, whoever has the key since
        self.paused = False
        self.time = time
        self._random = random
        self._holder: Holder | None = None
        self._revision = 1
        self._journal_id = b""
        self._ends_us = 0  # of the holder's lease
        self._stands_still = False
        self._learned_us = 0  # by then all know that the store stood still and goes on

    def of(self, name: str, scheduler: NodeScheduler) -> "SimulatedLease":
        return SimulatedLease(self, name, scheduler)

    @property
    def holder(self) -> Holder | None:
        """Who has the right now."""
        held = self._holder
        if held is not None and self.has_majority and self.time.now_us >= self._ends_us:
            self._holder = held = None
        return held

    def may_answer(self, name: str) -> bool:
        """Whether what `name` was granted can't have run out."""
        return not self.has_majority or self.time.now_us < max(self.until_us.get(name, 0), self._learned_us)

    def lose_majority(self) -> None:
        if self.holder is not None:  # else it has run out by now
            self.has_majority = False

    def regain_majority(self) -> None:
        """A new leader of etcd counts every lease from its beginning again."""
        if not self.has_majority and not self._stands_still:
            self.has_majority = True
            if self._holder is not None:
                self._grant(self._holder.name)

    def stand_still(self) -> None:
        """Every member of etcd, at once: unlike without a majority, time goes on for the leases."""
        if self.has_majority:
            self.lose_majority()
            self._stands_still = not self.has_majority

    def go_on(self) -> None:
        if self._stands_still:
            self.has_majority, self._stands_still = True, False
            self._learned_us = self.time.now_us + LEARNED_US

    def kept(self) -> Kept:
        """A backup."""
        return Kept(self._holder, self._revision, self._journal_id, self.paused)

    def restore(self, kept: Kept = NOTHING) -> None:
        """The store of some time ago, or an empty one: revisions begin there again; leases run from now on."""
        self._holder, self._revision, self._journal_id, self.paused = kept
        self._ends_us = self.time.now_us + int(self.ttl_seconds * 1_000_000)

    def _grant(self, name: str) -> None:
        self.until_us[name] = self._ends_us = self.time.now_us + int(self.ttl_seconds * 1_000_000)

    def is_reached_by(self, name: str) -> bool:
        return self.has_majority and name not in self.cut_off

    def loses_an_answer(self) -> bool:
        return self._random.random() < self.answers_lost

    def delay_us(self) -> int:
        return self._random.randrange(*self.delays_us)

    # --- what is asked

    def look(self) -> Seen:
        return Seen(self.holder, self.paused)

    def take(self, claim: Claim, *, by_order: bool) -> Taken | Refused:
        holder = self.holder
        if self._journal_id not in (b"", claim.journal_id):
            return Refused("etcd knows of another journal.")
        if holder is not None and holder.node_id != claim.node_id and not by_order:
            return Refused(f"{holder.name} has the lease.", holder)
        self._journal_id = claim.journal_id
        self._revision += 1
        self._grant(claim.name)
        self._holder = Holder(claim.name, claim.node_id, claim.replication, self._revision)
        return Taken(self._revision, self.paused)

    def renew(self, name: str) -> Taken | Lost:
        holder = self.holder
        if holder is None or holder.name != name:
            return Lost()
        self._grant(name)
        return Taken(holder.revision, self.paused)

    def release(self, name: str) -> None:
        if self._holder is not None and self._holder.name == name:
            self._holder = None


class SimulatedLease:
    """One process's way to the store: a `LeaseStore`."""

    def __init__(self, leases: SimulatedLeases, name: str, scheduler: NodeScheduler) -> None:
        self.ttl_seconds = leases.ttl_seconds
        self.answer_seconds_max = leases.timeout_seconds
        self._leases = leases
        self._name = name
        self._scheduler = scheduler
        self._arrives_us = 0  # what changes the key goes one after the other

    def look(self, done: Callable[[Seen | OutOfReach], None]) -> None:
        self._ask(self._leases.look, done, waits=False)

    def take(self, claim: Claim, *, by_order: bool, done: Callable[[Taken | Refused | OutOfReach], None]) -> None:
        self._ask(lambda: self._leases.take(claim, by_order=by_order), done, trips=3)

    def renew(self, done: Callable[[Taken | Lost | OutOfReach], None]) -> None:
        self._ask(lambda: self._leases.renew(self._name), done, trips=2)

    def release(self) -> None:
        self._ask(lambda: self._leases.release(self._name), lambda _outcome: None)

    def set_paused(self, done: Callable[[OutOfReach | None], None], *, paused: bool) -> None:
        def change() -> None:
            self._leases.paused = paused

        self._ask(change, done, waits=False)

    def _ask(
        self, question: Callable[[], T], done: Callable[[T | OutOfReach], None], *, trips: int = 1, waits: bool = True
    ) -> None:
        """Done at the store if it arrives, told if the answer arrives; else, after a while, that nobody knows.

        `trips`: there and back, before that is so. `waits`: for what was asked before.
        """
        leases, time, told = self._leases, self._leases.time, False

        def tell(outcome: T | OutOfReach) -> None:
            nonlocal told
            if not told:
                told = True
                done(outcome)

        def arrive() -> None:
            if leases.is_reached_by(self._name):
                outcome = question()
                if not leases.loses_an_answer():
                    time.call_in(leases.delay_us(), self._scheduler.call_soon, tell, outcome)

        self._scheduler.call_later(leases.timeout_seconds, tell, NO_ANSWER)
        way_us = leases.delay_us() + sum(leases.delay_us() for _ in range(2 * (trips - 1)))
        arrives_us = (max(self._arrives_us, time.now_us) if waits else time.now_us) + way_us
        if waits:
            self._arrives_us = arrives_us
        time.call_at(arrives_us, arrive)

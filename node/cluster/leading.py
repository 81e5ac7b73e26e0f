"""A node that leads: the command loop, its replicated log, and when it may answer.

Owns the life of one leadership, from the journaled beginning of its epoch to its end. Promises that nothing is taken
while answers could not be given, and that who waits too long is told so.
"""

import logging
import time
from collections.abc import Callable

from ...engine.codes import Code
from ...engine.commands import BeginEpoch, RemoveMember, SaveMember, SaveTicketKey, SetSyncStandbys
from ...engine.replies import Refusal, Reply
from ...journal.batch import Position
from ...replicas.frames import Introduction
from ...replicas.leader import Leader
from ...replicas.ports import Scheduler
from ..loop import CommandLoop, Durable, Meter
from .followers import Followers
from .own_copy import OwnCopy

log = logging.getLogger("onsale.replication")

NOT_DURABLE_SECONDS = 2.0
"""How long an answer waits for standbys before it says that nobody knows."""
TOLD_SECONDS = 1.0


WITHOUT_LEASE = "This node's lease has run out, so another one may lead; nothing was done. Ask again in a moment."

GATHERING_SECONDS = 1.0
"""How long standbys may take to find a new leader before it refuses commands; until then they wait."""


class Leading:
    def __init__(
        self,
        copy: OwnCopy,
        followers: Followers,
        me: Introduction,
        *,
        epoch: int,
        sync_standbys: int | None,
        at_once: bool,
        ticket_key: Callable[[], bytes],
        scheduler: Scheduler,
        now_ms: Callable[[], int],
        hold_ms: int,
        meter: Meter,
        may_answer: Callable[[], bool] = lambda: True,
    ) -> None:
        """`sync_standbys`: what the operator wants from now on; None: as the journal says.

        `at_once`: fewer than before need not be agreed first. `may_answer`: whether the right to lead is this node's.
        """
        copy.adopt()
        state, position = copy.state, copy.position
        self.epoch = epoch
        self.first_seq = position.seq + 1
        self._copy = copy
        self._followers = followers
        self._seconds = scheduler.time
        self._may_answer = may_answer
        self._held_back: Position | None = None  # durable, and nobody may be told
        self._paused: tuple[Code, str] | None = None
        self._lowered: tuple[int, int] | None = None  # how many were needed, and the seq from which on fewer are
        self._short_since = 0.0  # 0: answers can be given
        self._told_short = False
        self._began_at = scheduler.time()
        copy.available.epoch = epoch
        self.leader = Leader(
            copy.writer,
            copy.available,
            followers.senders,
            epoch=epoch,
            node_name=me.name,
            members=state.members.rows,
            needed=lambda: self.standbys_needed,
            on_committed=self._committed,
            seconds=time.perf_counter,  # uvloop counts in whole milliseconds
            on_synced=meter.synced,
            on_replicated=meter.replicated,
        )
        self.loop = CommandLoop(
            state,
            self.leader,
            scheduler,
            now_ms,
            hold_ms=hold_ms,
            durable=Durable(position.seq, position.hash),
            meter=meter,
            seconds=scheduler.time,
        )
        self.on_committed: Callable[[Position], None] = lambda _position: None
        self._begin(me, sync_standbys, ticket_key, at_once=at_once)

    def _begin(
        self, me: Introduction, sync_standbys: int | None, ticket_key: Callable[[], bytes], *, at_once: bool
    ) -> None:
        """The first facts of the epoch; whatever anybody is told from now on rests on them."""
        loop, state = self.loop, self.loop.state
        loop.record(BeginEpoch(self.epoch, me.name))
        self.save_member(me)
        if sync_standbys is not None and sync_standbys != state.sync_standbys:
            if sync_standbys < state.sync_standbys:
                log.warning(
                    "answers waited for %d standbys, and from now on wait for %d, as --sync-standbys says",
                    state.sync_standbys,
                    sync_standbys,
                )
            self.set_sync_standbys(sync_standbys, at_once=at_once)
        if not state.ticket_key:
            loop.record(SaveTicketKey(ticket_key()))

    def start(self) -> None:
        self.loop.start()
        self.watch()

    def save_member(self, who: Introduction) -> None:
        """Who follows, or this node itself; what it was called before is no member any more."""
        for known in list(self.loop.state.members.rows.values()):
            if known.node_id == who.node_id and known.name != who.name:
                self.loop.record(RemoveMember(known.name))
        saved = self.loop.record(SaveMember(who.name, who.node_id, who.voting, who.replication, who.http))
        if isinstance(saved, Refusal):
            log.error("%s follows, but no answer can wait for it: %s", who.name, saved.detail)

    def _committed(self, position: Position) -> None:
        self.on_committed(position)
        if self._may_answer():
            self._held_back = None
            self.loop.became_durable(position.seq, position.hash)
        else:
            self._held_back = position

    @property
    def standbys_needed(self) -> int:
        """That fewer are needed than before must be known to as many as before: else one of the others could lead
        without what was answered since.
        """
        if self._lowered is not None:
            needed, seq = self._lowered
            if self._copy.available.committed_seq < seq:
                return needed
            self._lowered = None
        return self.loop.state.sync_standbys

    def set_sync_standbys(self, count: int, *, at_once: bool) -> Reply:
        """From the next fact on; fewer than before once that is agreed, or `at_once`."""
        before = self.standbys_needed
        reply = self.loop.record(SetSyncStandbys(count))
        if self.loop.state.sync_standbys < before:
            self._lowered = None if at_once else (before, self.loop.state.seq)
        self.watch()
        return reply

    def watch(self) -> None:
        """Look whether answers can be given; called again whenever a follower comes or goes, and now and then."""
        loop = self.loop
        if self._held_back is not None and self._may_answer():
            self._committed(self._held_back)
        needed, there = self.standbys_needed, self.leader.standbys_in_step
        since = loop.unsafe_since
        late = since is not None and self._seconds() - since > NOT_DURABLE_SECONDS
        if self._paused is not None:
            loop.refuse(*self._paused)
        elif not self._may_answer():
            loop.refuse(Code.NO_PRIMARY, WITHOUT_LEASE)
        elif there < needed and self._seconds() - self._began_at > GATHERING_SECONDS:
            detail = (
                f"An answer waits for {needed} standby{'s' * (needed != 1)}, and {there} "
                f"{'is' if there == 1 else 'are'} there. Nothing was decided; try again."
            )
            loop.refuse(Code.NOT_DURABLE, detail)
        else:
            loop.accept()
        self._tell(short=there < needed, needed=needed, there=there)
        self.leader.reconsider()
        if late:
            detail = (
                "It is not on enough standbys yet, and nobody knows whether it will be. Ask again with the same "
                "Idempotency-Key to learn what became of it."
            )
            loop.give_up_waiting(Code.NOT_DURABLE, detail)

    def _tell(self, *, short: bool, needed: int, there: int) -> None:
        """In the log, once it lasts: at every change of roles standbys are missing for a moment."""
        now = self._seconds()
        if not short:
            if self._told_short:
                log.warning("there are %d standbys again: writes are answered", there)
            self._short_since, self._told_short = 0.0, False
        elif not self._short_since:
            self._short_since = now
        elif now - self._short_since > TOLD_SECONDS and not self._told_short:
            self._told_short = True
            log.error(
                "answers wait for %d standbys, and %d are there: writes are answered not_durable until more come, or "
                "until `onsale sync-standbys %d` says that fewer will do",
                needed,
                there,
                there,
            )

    # --- handing over

    def pause(self, detail: str) -> None:
        """Take no more commands, so that what was taken can be handed over whole."""
        self._paused = (Code.NO_PRIMARY, detail)
        self.watch()

    def resume(self) -> None:
        self._paused = None
        self.watch()

    def end(self, detail: str) -> None:
        """Take and answer nothing any more. Of what was taken nobody knows here whether it will last."""
        self.loop.refuse(Code.NO_PRIMARY, f"{detail}; nothing was done. Ask again in a moment.")
        self.loop.stop()
        self.leader.end()
        unknown = f"{detail}. What was asked may yet have happened: ask again with the same Idempotency-Key."
        self.loop.give_up_waiting(Code.NOT_DURABLE, unknown)

"""What an operator asks of the cluster, carried out by the node that was asked.

Owns the order of the steps: look at everyone, decide (replicas/failover.py), have it done, say what became of it. Safe
against a second operator who does the same, and against a node that ends in the middle: nothing is decided here that
the nodes themselves don't check again.
"""

import asyncio
from collections.abc import Callable

from ..engine.commands import RemoveMember
from ..engine.replies import Refusal as EngineRefusal
from ..engine.replies import Reply as EngineReply
from ..http.gateway import ClusterChange
from ..replicas.failover import (
    Observed,
    Plan,
    Refusal,
    observe,
    plan_failover,
    plan_removal,
    plan_switchover,
    plan_sync_standbys,
)
from ..replicas.frames import AskLead, AskStatus, NodeStatus, Outcome, Reply, Status
from ..replicas.lease import OutOfReach
from .cluster.leading import Leading
from .cluster.member import ClusterMember
from .cluster.report import status_of

STATUS_SECONDS = 0.3
LEAD_SECONDS = 4.0
TRIES = 3

Told = tuple[bool, list[str], int]


class Administration:
    def __init__(self, member: ClusterMember) -> None:
        self._member = member

    async def failover(
        self, to: str | None, *, accept_data_loss: bool, sync_standbys: int | None, dry_run: bool
    ) -> ClusterChange:
        """Have another node lead: the primary is gone."""
        sentences: list[str] = []
        for left in reversed(range(TRIES)):
            observed = await self._observe()
            plan = plan_failover(observed, to, accept_data_loss=accept_data_loss, sync_standbys=sync_standbys)
            if isinstance(plan, Refusal):
                return self._not_done(observed, [*sentences, *plan.sentences])
            sentences += plan.sentences
            if dry_run:
                return ClusterChange(done=True, sentences=sentences, epoch=plan.epoch, primary=plan.to)
            done, told, epoch = await self._lead(plan, accept_data_loss=accept_data_loss, sync_standbys=sync_standbys)
            sentences += [sentence for sentence in told if sentence not in sentences]
            if done:
                return ClusterChange(done=True, sentences=sentences, epoch=epoch, primary=plan.to)
            if not left or to is not None:
                break
        return self._not_done(await self._observe(), sentences, fenced=True)

    async def switchover(self, to: str | None, *, dry_run: bool) -> ClusterChange:
        """Hand over to another node, or go on: this node leads."""
        observed = await self._observe()
        plan = plan_switchover(observed, to)
        if isinstance(plan, Refusal):
            return self._not_done(observed, list(plan.sentences))
        if dry_run:
            return ClusterChange(done=True, sentences=list(plan.sentences), epoch=plan.epoch, primary=plan.to)
        asked: asyncio.Future[Told] = asyncio.get_running_loop().create_future()
        self._member.hand_over(plan.to, _teller(asked))
        done, told, epoch = await asked
        primary = plan.to if done else self._member.name
        return ClusterChange(done=done, sentences=[*plan.sentences, *told], epoch=epoch, primary=primary)

    async def set_sync_standbys(self, count: int, *, accept_data_loss: bool) -> ClusterChange:
        """Let answers wait for so many standbys: this node leads."""
        observed = await self._observe()
        change = plan_sync_standbys(observed, count, accept_data_loss=accept_data_loss)
        if isinstance(change, Refusal):
            return self._not_done(observed, list(change.sentences))
        return self._record(
            lambda leading: leading.set_sync_standbys(count, at_once=accept_data_loss), list(change.sentences)
        )

    async def pause_takeover(self, *, paused: bool) -> ClusterChange:
        """Tell all nodes, through the lease's store, that none is to take over by itself; or that they may again."""
        store = self._member.right.store
        if store is None:
            sentence = f"{self._member.name} was started without --etcd: only an operator lets another node lead here."
            return self._not_done(await self._observe(), [sentence])
        told: asyncio.Future[OutOfReach | None] = asyncio.get_running_loop().create_future()
        store.set_paused(lambda fault: None if told.done() else told.set_result(fault), paused=paused)
        fault = await told
        observed = await self._observe()
        if fault is not None:
            return self._not_done(observed, [f"Nothing was changed: {fault.sentence}"])
        off = "No standby takes over by itself from now on. The primary goes on; `onsale failover` lets a standby lead."
        sentence = off if paused else "A standby takes over by itself again when the primary is gone."
        primary = observed.primary
        return ClusterChange(
            done=True,
            sentences=[sentence],
            epoch=observed.highest_epoch,
            primary=primary.name if primary is not None else "",
        )

    async def remove_member(self, name: str) -> ClusterChange:
        """Forget a member that is gone for good: this node leads."""
        observed = await self._observe()
        change = plan_removal(observed, name)
        if isinstance(change, Refusal):
            return self._not_done(observed, list(change.sentences))
        self._member.followers.drop(name, "it was removed")
        self._member.reports.forget(name)
        if name not in self._member.copy.state.members.rows:
            return self._done(list(change.sentences))
        return self._record(lambda leading: leading.loop.record(RemoveMember(name)), list(change.sentences))

    # --- steps

    async def _observe(self) -> Observed:
        """Everyone who votes, asked at once; the rest is what the one furthest ahead knows."""
        member = self._member
        loop = asyncio.get_running_loop()
        asked: list[asyncio.Future[Reply | None]] = []
        for voter in member.addresses.voters():
            if voter.name != member.name:
                answer: asyncio.Future[Reply | None] = loop.create_future()
                member.peers.ask(voter.replication, AskStatus(), STATUS_SECONDS, _setter(answer))
                asked.append(answer)
        answers = await asyncio.gather(*asked)
        statuses: list[NodeStatus] = [status_of(member)]
        statuses += [answer.status for answer in answers if isinstance(answer, Status)]
        return observe(statuses)

    async def _lead(self, plan: Plan, *, accept_data_loss: bool, sync_standbys: int | None) -> Told:
        member, loop = self._member, asyncio.get_running_loop()
        if plan.to == member.name and member.right.refusal:
            return False, [member.right.refusal], plan.epoch
        if plan.to == member.name:
            told: asyncio.Future[Told] = loop.create_future()
            member.take_over(
                plan.epoch,
                accept_data_loss=accept_data_loss,
                handed_over=False,
                sync_standbys=sync_standbys,
                told=_teller(told),
            )
            return await told
        answer: asyncio.Future[Reply | None] = loop.create_future()
        question = AskLead(
            0, plan.epoch, accept_data_loss=accept_data_loss, handed_over=False, sync_standbys=sync_standbys
        )
        member.peers.ask(plan.address, question, LEAD_SECONDS, _setter(answer))
        reply = await answer
        if isinstance(reply, Outcome):
            return reply.done, list(reply.sentences), reply.epoch
        return False, [f"{plan.to} did not say what became of it: look at `onsale status`, then try again."], plan.epoch

    def _record(self, decide: Callable[[Leading], EngineReply], sentences: list[str]) -> ClusterChange:
        leading = self._member.leading
        if leading is None or not self._member.leads:
            return ClusterChange(
                done=False, sentences=["This node does not lead any more; ask again."], epoch=0, primary=""
            )
        reply = decide(leading)
        leading.watch()
        if isinstance(reply, EngineRefusal):
            return ClusterChange(done=False, sentences=[reply.detail], epoch=leading.epoch, primary=self._member.name)
        return self._done(sentences)

    def _done(self, sentences: list[str]) -> ClusterChange:
        epoch = self._member.leading.epoch if self._member.leading is not None else 0
        return ClusterChange(done=True, sentences=sentences, epoch=epoch, primary=self._member.name)

    def _not_done(self, observed: Observed, sentences: list[str], *, fenced: bool = False) -> ClusterChange:
        """`fenced`: it was tried; if somebody leads now, then because it was faster."""
        primary = observed.primary
        return ClusterChange(
            done=False,
            sentences=sentences,
            epoch=observed.highest_epoch,
            primary=primary.name if primary is not None else "",
            fenced=fenced and primary is not None,
        )


def _setter(future: "asyncio.Future[Reply | None]") -> Callable[[Reply | None], None]:
    return lambda reply: None if future.done() else future.set_result(reply)


def _teller(future: "asyncio.Future[Told]") -> Callable[[bool, list[str], int], None]:
    return lambda done, sentences, epoch: None if future.done() else future.set_result((done, sentences, epoch))

"""People who run the cluster: they look, they decide by the product's own plan, they ask a node to lead.

Owns failovers, hand-overs and the patience behind them. An operator works from a machine of its own, over the same
network, with the same questions as a node does.
"""

from collections.abc import Callable

from onsale.node.cluster.member import ClusterMember
from onsale.replicas.failover import Plan as FailoverPlan
from onsale.replicas.failover import Refusal, observe, plan_failover, plan_switchover, plan_sync_standbys
from onsale.replicas.frames import PROTOCOL, AskLead, AskStatus, Introduction, NodeStatus, Outcome, Reply, Status
from onsale.replicas.link import Link, OnClosed, OnFrame, OnLink
from onsale.replicas.peers import Peers
from onsale.replicas.refusals import RefusalLog
from onsale.tests.simulation.cluster import Cluster
from onsale.tests.simulation.machine import SECRET, Machine
from onsale.tests.simulation.plan import Plan
from onsale.tests.simulation.scheduler import NodeScheduler

LOOK_SECONDS = 0.4
LEAD_SECONDS = 3.0
RESTORE_US = 1_000_000

Seen = Callable[[list[NodeStatus]], None]


class Operator:
    """One person at one machine."""

    def __init__(self, name: str, number: int, plan: Plan, cluster: Cluster) -> None:
        self.name = name
        self._plan = plan
        self._cluster = cluster
        self._random = plan.random(number)
        self._node_id = self._random.randbytes(16)
        self._scheduler = NodeScheduler(cluster.time)
        self._refusals = RefusalLog(self._scheduler.time)
        self._peers = Peers(self._scheduler, cluster.network.of(name, self._scheduler), self._link)

    def _link(self, on_open: OnLink, on_frame: OnFrame, on_drained: OnLink, on_closed: OnClosed) -> Link:
        return Link(
            self._scheduler,
            SECRET,
            lambda: Introduction(PROTOCOL, self._node_id, b"", self.name, False, "", ""),
            dialed=True,
            nonce=lambda: self._random.randbytes(32),
            refusals=self._refusals,
            on_open=on_open,
            on_frame=on_frame,
            on_drained=on_drained,
            on_closed=on_closed,
        )

    def note(self, what: str) -> None:
        self._cluster.note(self.name, what)

    def look(self, seen: Seen) -> None:
        """Ask every node where it stands; `seen` gets those who answered in time."""
        machines = list(self._cluster.machines.values())
        statuses: list[NodeStatus] = []
        left = len(machines)

        def answered(reply: Reply | None) -> None:
            nonlocal left
            left -= 1
            if isinstance(reply, Status):
                statuses.append(reply.status)
            if not left:
                seen(sorted(statuses, key=lambda status: status.name))

        for machine in machines:
            self._peers.ask(machine.address, AskStatus(), LOOK_SECONDS, answered)

    def fail_over(self, *, to_anybody: bool = False) -> None:
        """Let somebody else lead, if the plan allows it."""
        if self._cluster.being_rebuilt and not to_anybody:
            return  # a node that is being made anew is left alone until it is whole
        loses = self._plan.loses and self._random.random() < 0.5
        to = None if to_anybody else self._random.choice((None, None, None, *self._plan.voters))

        def seen(statuses: list[NodeStatus]) -> None:
            if not self._cluster.being_rebuilt or len(statuses) == len(self._cluster.machines):
                self._do(plan_failover(observe(statuses), to, accept_data_loss=loses), loses=loses)

        self.look(seen)

    def _do(self, plan: FailoverPlan | Refusal, *, loses: bool) -> None:
        if isinstance(plan, Refusal):
            self.note(f"is refused: {plan.sentences[-1]}")
            return
        self.note(f"asks {plan.to} to lead in epoch {plan.epoch}")
        question = AskLead(0, plan.epoch, accept_data_loss=loses, handed_over=False)
        self._peers.ask(plan.address, question, LEAD_SECONDS, self._told)

    def hand_over(self) -> None:
        """Let the leader hand over to somebody, if the plan allows it."""
        if self._cluster.being_rebuilt:
            return
        to = self._random.choice((None, *self._plan.voters))

        def seen(statuses: list[NodeStatus]) -> None:
            observed = observe(statuses)
            plan = plan_switchover(observed, to)
            primary = observed.primary
            if isinstance(plan, Refusal) or primary is None:
                self.note(f"is refused: {plan.sentences[-1]}")
                return
            self.note(f"asks {primary.name} to hand over to {plan.to} in epoch {plan.epoch}")
            self._ask_to_hand_over(self._cluster.machines[primary.name], plan)

        self.look(seen)

    def change_sync_standbys(self) -> None:
        """Let answers wait for more standbys, or fewer."""
        if self._cluster.being_rebuilt or self._cluster.waits_for_leader:
            return
        count = self._random.randrange(len(self._plan.voters))

        def seen(statuses: list[NodeStatus]) -> None:
            observed = observe(statuses)
            change, primary = plan_sync_standbys(observed, count), observed.primary
            if isinstance(change, Refusal) or primary is None:
                self.note(f"does not let answers wait for {count} standbys")
                return
            machine = self._cluster.machines[primary.name]
            if machine.scheduler is not None and machine.member is not None:
                self.note(f"asks {primary.name} to wait for {count} standbys")
                machine.scheduler.call_soon(self._change_sync_standbys, machine.member, count)

        self.look(seen)

    @staticmethod
    def _change_sync_standbys(member: ClusterMember, count: int) -> None:
        if member.leading is not None:
            member.leading.set_sync_standbys(count, at_once=False)

    def _ask_to_hand_over(self, machine: Machine, plan: FailoverPlan) -> None:
        """An operator's call on the leader's HTTP interface, which is not simulated."""
        if machine.scheduler is not None:
            machine.scheduler.call_soon(self._hand_over, machine.member, plan.to)

    def _hand_over(self, member: ClusterMember, to: str) -> None:
        member.hand_over(to, lambda done, sentences, epoch: self._heard(sentences, epoch, done=done))

    def _told(self, reply: Reply | None) -> None:
        if isinstance(reply, Outcome):
            self._heard(reply.sentences, reply.epoch, done=reply.done)
        else:
            self.note("hears nothing")

    def _heard(self, sentences: list[str], epoch: int, *, done: bool) -> None:
        self.note(f"hears of epoch {epoch}: {'done' if done else 'not done'}: {' '.join(sentences)}")


class Operators:
    def __init__(self, plan: Plan, cluster: Cluster) -> None:
        self._cluster = cluster
        self.first = Operator("op1", 42, plan, cluster)
        self.second = Operator("op2", 43, plan, cluster)
        self.names = (self.first.name, self.second.name)

    def restore(self) -> None:
        """From now on, whenever nobody leads, let somebody."""
        self._cluster.time.call_in(RESTORE_US, self._look_after)

    def _look_after(self) -> None:
        self.first.fail_over(to_anybody=True)
        self._cluster.time.call_in(RESTORE_US, self._look_after)

"""Replication and takeover in miniature: all that failover.py's argument rests on, and nothing else.

A log is a tuple of (epoch, leader) entries, one for each fact. Nodes promise epochs, take a leader's log, acknowledge;
an entry counts as answered the moment it is on its leader's disk and on K others under that leader. `may_lead` alone
decides who leads. `step` raises `LostAnswerError` when a node leads without an entry that was answered.
"""

from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any, NamedTuple

from onsale.replicas.failover import may_lead
from onsale.replicas.frames import NodeStatus, Voter

Entry = tuple[int, int]  # the epoch, and who led in it
Log = tuple[Entry, ...]
Rule = Callable[..., Any]

EPOCHS_MAX = 3


class LostAnswerError(Exception):
    pass


class Node(NamedTuple):
    promised: tuple[int, int]  # epoch, to whom
    log: Log
    leads: int  # the epoch in which it leads; 0: it follows
    acked: tuple[tuple[int, int], ...]  # as a leader: by node, how long its log was when it acknowledged


class Cluster(NamedTuple):
    nodes: tuple[Node, ...]
    answered: Log


def first(size: int) -> Cluster:
    """Node 0 leads in epoch 1, everyone has its first entry."""
    log = ((1, 0),)
    acked = tuple((number, 1) for number in range(1, size))
    return Cluster(tuple(Node((1, 0), log, int(not number), () if number else acked) for number in range(size)), log)


class Model:
    def __init__(self, size: int, sync_standbys: int, entries_max: int, rule: Rule = may_lead) -> None:
        self.size = size
        self.sync_standbys = sync_standbys
        self.entries_max = entries_max
        self.rule = rule
        self.voters = [Voter(str(number), "") for number in range(size)]

    # --- what can happen

    def steps(self, cluster: Cluster) -> Iterator[Cluster]:
        for number, node in enumerate(cluster.nodes):
            if node.leads:
                yield from self.leader_steps(cluster, number)
            yield from self.campaigns(cluster, number)

    def leader_steps(self, cluster: Cluster, leader: int) -> Iterator[Cluster]:
        node = cluster.nodes[leader]
        own_entries = sum(entry[0] == node.leads for entry in node.log)
        if own_entries < self.entries_max and node.promised == (node.leads, leader):
            log = (*node.log, (node.leads, leader))
            yield self.counted(_with(cluster, leader, node._replace(log=log)), leader)
        for other in range(self.size):
            if other != leader:
                sent = self.send(cluster, leader, other)
                if sent is not None:
                    yield sent

    def send(self, cluster: Cluster, leader: int, other: int) -> Cluster | None:
        """The leader's whole log reaches another node, which cuts what differs and acknowledges."""
        node, taker = cluster.nodes[leader], cluster.nodes[other]
        right = (node.leads, leader)
        if taker.promised[0] > node.leads or (taker.promised[0] == node.leads and taker.promised != right):
            return None
        acked = tuple(sorted({**dict(node.acked), other: len(node.log)}.items()))
        if taker == (right, node.log, 0, ()) and acked == node.acked:
            return None
        cluster = _with(cluster, other, Node(right, node.log, 0, ()))
        return self.counted(_with(cluster, leader, node._replace(acked=acked)), leader)

    def counted(self, cluster: Cluster, leader: int) -> Cluster:
        """What is on enough disks is answered. A leader answers for its own epoch's entries, and all before them."""
        node = cluster.nodes[leader]
        highest = sorted((length for _, length in node.acked), reverse=True)[: self.sync_standbys]
        if len(highest) < self.sync_standbys:
            return cluster
        length = min([len(node.log), *highest])
        if not length or node.log[length - 1] != (node.leads, leader):
            return cluster
        answered = node.log[:length]
        shorter = min(len(answered), len(cluster.answered))
        if answered[:shorter] != cluster.answered[:shorter]:
            raise LostAnswerError(cluster)
        return cluster if len(answered) <= len(cluster.answered) else cluster._replace(answered=answered)

    # --- taking over

    def campaigns(self, cluster: Cluster, candidate: int) -> Iterator[Cluster]:
        """Every epoch that can be asked for, and every set of nodes that the question reaches."""
        others = [number for number in range(self.size) if number != candidate]
        for epoch in range(cluster.nodes[candidate].promised[0] + 1, EPOCHS_MAX + 1):
            for count in range(len(others) + 1):
                for reached in combinations(others, count):
                    yield self.campaign(cluster, candidate, epoch, reached)
        yield from self.hand_overs(cluster, candidate)

    def campaign(self, cluster: Cluster, candidate: int, epoch: int, reached: tuple[int, ...]) -> Cluster:
        granted = [number for number in reached if cluster.nodes[number].promised[0] < epoch]
        own = self.status(cluster, candidate)
        promised = [self.status(cluster, number) for number in granted]
        verdict = self.rule(own, promised, epoch=epoch)
        return self.promise(cluster, candidate, epoch, granted, leads=verdict.leads)

    def hand_overs(self, cluster: Cluster, target: int) -> Iterator[Cluster]:
        """The primary that the target follows stops with a log that the target has, and asks it to lead."""
        epoch, leader = cluster.nodes[target].promised
        primary = cluster.nodes[leader] if leader != target else None
        if primary is None or primary.leads != epoch or epoch >= EPOCHS_MAX:
            return
        if primary.promised != (epoch, leader) or primary.log != cluster.nodes[target].log:
            return
        others = [number for number in range(self.size) if number != target]
        for count in range(len(others) + 1):
            for reached in combinations(others, count):
                granted = [number for number in reached if cluster.nodes[number].promised[0] <= epoch]
                promised = [self.status(cluster, number) for number in granted]
                verdict = self.rule(self.status(cluster, target), promised, epoch=epoch + 1, handed_over_by=str(leader))
                yield self.promise(cluster, target, epoch + 1, granted, leads=verdict.leads)

    def promise(self, cluster: Cluster, candidate: int, epoch: int, granted: list[int], *, leads: bool) -> Cluster:
        """What was promised stays promised, whatever comes of it; a leader that promised leads no more."""
        for number in (candidate, *granted):
            node = cluster.nodes[number]
            cluster = _with(cluster, number, Node((epoch, candidate), node.log, 0, ()))
        if not leads:
            return cluster
        own = cluster.nodes[candidate]
        if own.log[: len(cluster.answered)] != cluster.answered:
            raise LostAnswerError(cluster)
        led = own._replace(log=(*own.log, (epoch, candidate)), leads=epoch)
        return self.counted(_with(cluster, candidate, led), candidate)

    def status(self, cluster: Cluster, number: int) -> NodeStatus:
        node = cluster.nodes[number]
        return NodeStatus(
            name=str(number), node_id=b"", voting=True, role="primary" if node.leads else "standby", journal_id=b"j",
            epoch=node.log[-1][0], promised_epoch=node.promised[0], promised_to=str(node.promised[1]),
            received_seq=len(node.log), received_hash=b"", committed_seq=0, applied_seq=0,
            leader=str(node.promised[1]), leader_epoch=node.promised[0], sync_standbys=self.sync_standbys,
            voters=self.voters,
        )  # fmt: skip


def _with(cluster: Cluster, number: int, node: Node) -> Cluster:
    nodes = list(cluster.nodes)
    nodes[number] = node
    return cluster._replace(nodes=tuple(nodes))


def explore(model: Model, states_max: int) -> int:
    """Everything that can happen, breadth first; how many different states there are."""
    start = first(model.size)
    known = {start}
    layer = [start]
    while layer:
        following = []
        for cluster in layer:
            for after in model.steps(cluster):
                if after not in known:
                    known.add(after)
                    following.append(after)
        if len(known) > states_max:
            raise AssertionError(f"more than {states_max} states")
        layer = following
    return len(known)

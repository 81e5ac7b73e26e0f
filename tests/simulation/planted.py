"""Faults put into the product on purpose, to show that the simulation finds such: each from outside, by a patch.

Owns the faults. None of them can be switched on in the product.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from onsale.engine import facts as f
from onsale.engine.apply import apply
from onsale.engine.state import State
from onsale.journal.batch import Position, Sealed
from onsale.node.cluster import own_copy
from onsale.node.cluster.following import Following
from onsale.node.cluster.member import ClusterMember
from onsale.node.cluster.right import RightToLead
from onsale.node.cluster.stream_host import StreamHost
from onsale.tests.simulation.plan import make_plan
from onsale.tests.simulation.simulation import Outcome, Simulation
from onsale.tests.simulation.writer import SimulatedWriter

SKIPPED_EVERY = 40


class HastyWriter(SimulatedWriter):
    """Says that what another node sent is on the disk as soon as it is handed over."""

    def append_received(self, sealed: Sealed) -> None:
        super().append_received(sealed)
        super().tell(sealed.position)

    def tell(self, position: Position) -> None:
        if not self.wrote_received:
            super().tell(position)


def ack_before_sync(seed: int) -> Outcome:
    """A standby acknowledges what its disk does not have yet."""
    return Simulation(make_plan(seed), HastyWriter).run()


def apply_skips_a_fact(seed: int) -> Outcome:
    """A follower passes over a fact now and then: it counts, and does nothing."""
    with skipping_facts():
        return Simulation(make_plan(seed)).run()


@contextmanager
def skipping_facts() -> Iterator[None]:
    def apply_most(state: State, at_ms: int, fact: f.Fact) -> None:
        if (state.seq + 1) % SKIPPED_EVERY:
            apply(state, at_ms, fact)
        else:
            state.seq += 1
            state.at_ms = at_ms

    with mock.patch.object(own_copy, "apply", apply_most):
        yield


def lower_epoch_accepted(seed: int) -> Outcome:
    """A standby follows a leader of an epoch below its promise."""
    with accepting_lower_epochs():
        return Simulation(make_plan(seed)).run()


@contextmanager
def accepting_lower_epochs() -> Iterator[None]:
    strict = ClusterMember.accepted_by

    def lenient(self: ClusterMember, epoch: int, node_id: bytes, name: str) -> bool:
        return epoch < self.promise.epoch or strict(self, epoch, node_id, name)

    with (
        mock.patch.object(ClusterMember, "accepted_by", lenient),
        mock.patch.object(StreamHost, "promised", return_value=(0, b"")),  # the leader would look at it, too
        mock.patch.object(Following, "let_go"),
    ):
        yield


def lease_forgotten(seed: int) -> Outcome:
    """Whoever leads goes on answering, however long ago it was granted the right."""
    with mock.patch.object(RightToLead, "may_answer", return_value=True):
        return Simulation(make_plan(seed, "lease")).run()

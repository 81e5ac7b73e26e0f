"""Copies of nodes over small journals, to test with."""

from collections.abc import Callable, Sequence

import pytest

from onsale.engine import facts as f
from onsale.engine.state import State
from onsale.journal.batch import Position, seal
from onsale.journal.recovery import create_journal, recover
from onsale.journal.writer import JournalAppender
from onsale.node.cluster.own_copy import OwnCopy
from onsale.node.recovery import apply_committed
from onsale.tests.simulation.disk import SimulatedDisk
from onsale.tests.simulation.scheduler import NodeScheduler, SimulatedTime
from onsale.tests.simulation.writer import SimulatedWriter

Epoch = int


def member(name: str, *, voting: bool = True, node_id: bytes = b"", http: str = "") -> f.MemberSaved:
    return f.MemberSaved(name, node_id or name.encode(), voting, f"{name}:7400", http)


def user(name: str) -> f.UserSaved:
    return f.UserSaved(name, None, None, None)


def copy_of(
    *batches: tuple[Epoch, Sequence[f.Fact]],
    time: SimulatedTime | None = None,
    on_durable: Callable[[Position], None] = lambda _position: None,
) -> OwnCopy:
    """A node that was started on a journal of these batches; a sync takes 100 µs."""
    disk = SimulatedDisk(1)
    appender = JournalAppender(disk, create_journal(disk, b"j" * 16), segment_bytes_max=500)
    for number, (epoch, facts) in enumerate(batches):
        payload = f.encode(list(facts))
        appender.append(seal(appender.position, epoch=epoch, at_ms=number + 1, count=len(facts), payload=payload))
    appender.close()
    recovered, state = recover(disk), State()
    unapplied = apply_committed(state, disk, recovered)
    scheduler = NodeScheduler(time or SimulatedTime())
    return OwnCopy(
        state,
        recovered,
        unapplied,
        disk,
        lambda found, on_durable, on_failure: SimulatedWriter(
            scheduler, disk, found, on_durable=on_durable, on_failure=on_failure, sync_us=lambda: 100,
            segment_bytes_max=500,
        ),
        lambda _work, _done: pytest.fail("nobody reads"),
        on_durable,
        pytest.fail,
    )  # fmt: skip

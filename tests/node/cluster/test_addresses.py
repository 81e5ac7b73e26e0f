"""Members that are started again somewhere else: each is found by whom it talks to, before the journal knows."""

import pytest

from onsale.engine import facts as f
from onsale.journal.batch import seal, unseal
from onsale.node.cluster.addresses import Addresses
from onsale.node.cluster.links import Links
from onsale.node.cluster.own_copy import OwnCopy
from onsale.replicas.frames import PROTOCOL, Introduction, Voter
from onsale.replicas.refusals import RefusalLog
from onsale.tests.node.cluster.copies import copy_of, member
from onsale.tests.node.cluster.members import PORT, Group, Machine
from onsale.tests.simulation.scheduler import NodeScheduler, SimulatedTime

MOVED = PORT + 1000


def start_again_elsewhere(a: Machine, b: Machine) -> None:
    """All at once. Only "b" is told where to find the other, as a standby is that `--primary` was said to."""
    a.kill()
    b.kill()
    a.move(MOVED)
    b.move(MOVED + 1, f"a:{MOVED}")
    a.start()
    b.start()


def test_who_led_leads_again_though_everybody_has_moved() -> None:
    group = Group()
    a, b = group.leader_with_standbys(1)
    assert a.answered("ada")
    start_again_elsewhere(a, b)
    group.until(lambda: a.member.leading is not None and b.followed == "a")
    assert a.answered("bob")
    assert {each.name: each.replication for each in b.member.copy.state.voters} == {"a": a.address, "b": b.address}


def test_a_standby_that_took_over_leads_again_though_everybody_has_moved() -> None:
    group = Group()
    a, b = group.leader_with_standbys(1)
    a.kill()
    b.member.take_over(5, accept_data_loss=False, handed_over=False, sync_standbys=None, told=lambda *_: None)
    group.until(lambda: b.member.leading is not None)
    a.start()
    group.until(lambda: a.followed == "b")
    assert b.answered("ada")
    start_again_elsewhere(a, b)
    group.until(lambda: b.member.leading is not None and a.followed == "b")
    assert b.answered("bob")
    assert {"ada", "bob"} <= a.users


def test_who_is_alone_at_its_new_address_leads_nobody() -> None:
    """The other one may have been told to lead meanwhile."""
    group = Group()
    a, b = group.leader_with_standbys(1)
    a.kill()
    b.kill()
    a.move(MOVED)
    a.start()
    group.run(5_000)
    assert a.member.leading is None


# --- what is remembered


class Told:
    """A journal of "a" and "b", and who is heard of."""

    def __init__(self) -> None:
        scheduler = NodeScheduler(SimulatedTime())
        self.copy: OwnCopy = copy_of((1, [f.EpochBegun(1, "a"), member("a"), member("b")]), (1, [f.SyncStandbysSet(1)]))
        introduction = Introduction(PROTOCOL, b"a", b"j" * 16, "a", True, "a:7400", "")
        self.links = Links(scheduler, b"", lambda: introduction, bytes, RefusalLog(scheduler.time))
        self.addresses = Addresses(self.copy, self.links)

    def hear(self, name: str, address: str, *, node_id: bytes | None = None) -> None:
        self.links.on_heard(Introduction(PROTOCOL, node_id or name.encode(), b"j" * 16, name, True, address, ""))

    def write(self, *facts: f.Fact) -> None:
        """The leader's next batch, applied."""
        end = self.copy.position
        sealed = seal(end, epoch=1, at_ms=end.at_ms + 1, count=len(facts), payload=f.encode(list(facts)))
        self.copy.apply(unseal(sealed.data)[1])

    @property
    def b(self) -> str:
        ((_, address),) = [(each.name, each.replication) for each in self.addresses.voters() if each.name == "b"]
        return address


@pytest.fixture
def told() -> Told:
    return Told()


def test_without_news_it_is_as_the_journal_says(told: Told) -> None:
    assert told.addresses.voters() == [Voter("a", "a:7400"), Voter("b", "b:7400")]


def test_what_a_node_says_of_itself_goes_before_what_the_journal_says(told: Told) -> None:
    told.hear("b", "b:8400")
    assert told.addresses.voters() == [Voter("a", "a:7400"), Voter("b", "b:8400")]
    assert told.addresses.of(b"b", "b:7400") == "b:8400"
    told.hear("b", "b:7400")
    assert told.b == "b:7400", "it is back"


def test_what_the_journal_says_since_goes_before_what_was_heard() -> None:
    told = Told()
    while told.copy.unapplied:
        told.copy.apply(told.copy.unapplied.popleft())
    told.hear("b", "b:8400")
    told.write(f.MemberSaved("b", b"b", True, "b:9400", ""))
    assert told.b == "b:9400"


@pytest.mark.parametrize(
    ("name", "address", "node_id"),
    [("b", "evil:1", b"another node of this name"), ("z", "z:8400", b"z"), ("b", "", b"b")],
    ids=["another of its name", "no member", "takes no connections"],
)
def test_what_is_not_remembered(told: Told, name: str, address: str, node_id: bytes) -> None:
    told.hear(name, address, node_id=node_id)
    assert told.addresses.voters() == [Voter("a", "a:7400"), Voter("b", "b:7400")]

"""Takeover without a person: who leads when the one who led can't, on simulated time and a simulated etcd."""

from collections.abc import Callable
from typing import Any

import pytest

from onsale.engine.replies import Refusal
from onsale.node.cluster.takeover import NewEpoch
from onsale.replicas.lease import Holder
from onsale.tests.node.cluster.members import Group, Machine

LEASE_SECONDS = 3.0
LATE_MS = (LEASE_SECONDS * 2 + 8) * 1_000  # by then somebody answers, if anybody can


@pytest.fixture
def group() -> Group:
    made = Group(lease_seconds=LEASE_SECONDS)
    leases_of(made).answers_lost = 0.0
    return made


def leases_of(group: Group) -> Any:
    assert group.leases is not None
    return group.leases


def until_one_answers(group: Group, among: list[Machine], within_ms: float = LATE_MS) -> Machine:
    """Asks again and again, as clients do."""
    began_us = group.time.now_us
    while True:
        for machine in among:
            if machine.again:
                machine.live_again()
            if machine.member.leading is not None and machine.answered("somebody"):
                return machine
        group.run(100)
        standing = [(each.name, each.told[-3:], each.member.right.seen) for each in among]
        assert group.time.now_us - began_us < within_ms * 1_000, f"nobody answers: {standing}"


def apart(group: Group, one: Machine, others: list[Machine], *, back: bool = True) -> None:
    for other in others:
        group.network.block(one.name, other.name)
        if back:
            group.network.block(other.name, one.name)


def test_a_standby_leads_when_the_lease_has_run_out(group: Group) -> None:
    a, b, c = group.leader_with_standbys(2)
    assert a.answered("ada")
    a.kill()
    group.run(LEASE_SECONDS * 500)
    assert b.member.leading is c.member.leading is None
    led = until_one_answers(group, [b, c])
    assert "ada" in led.users


def test_of_two_that_see_it_free_at_once_one_leads(group: Group) -> None:
    for _ in range(5):
        a, b, c = (group := Group(lease_seconds=LEASE_SECONDS)).leader_with_standbys(2)
        a.kill()
        until_one_answers(group, [b, c])
        assert (b.member.leading is None) != (c.member.leading is None)


def test_a_pause_that_is_set_while_nobody_leads(group: Group) -> None:
    a, b, c = group.leader_with_standbys(2)
    a.kill()
    group.run(1_000)
    leases_of(group).paused = True
    group.run(LATE_MS)
    assert b.member.leading is c.member.leading is None
    leases_of(group).paused = False
    until_one_answers(group, [b, c], 2_500)


@pytest.mark.parametrize("restored", [False, True])
def test_a_store_that_has_lost_what_it_knew_ends_no_leadership(group: Group, restored: bool) -> None:
    a, b, c = group.leader_with_standbys(2)
    leases = leases_of(group)
    if restored:
        kept = leases.kept()
        leases.restore(kept._replace(holder=Holder("b", b.settings.node_id, b.address, 1)))
    else:
        leases.restore()
    group.run(1_500)
    led = until_one_answers(group, [a, b, c])
    assert restored or led is a
    epoch = led.member.promise.epoch
    group.run(LATE_MS)
    assert until_one_answers(group, [a, b, c]) is led
    assert led.member.leading is not None
    assert max(each.member.promise.epoch for each in (a, b, c)) == epoch, "and it stays that way"


# --- who has the lease and can do nothing with it


def test_a_leader_without_its_standbys_lets_those_lead_that_can(group: Group) -> None:
    """It reaches etcd, and could have the lease for ever."""
    a, b, c = group.leader_with_standbys(2)
    apart(group, a, [b, c])
    led = until_one_answers(group, [b, c])
    group.run(LATE_MS)
    assert led.answered()
    assert not a.member.right.may_answer()
    group.network.unblock_all()
    group.run(5_000)
    if a.again:
        a.live_again()
    group.run(5_000)
    assert a.followed == led.name


def test_a_leader_that_is_alone_leads_again_once_a_standby_is_back(group: Group) -> None:
    a, b, c = group.leader_with_standbys(2)
    b.kill()
    c.kill()
    group.run(LATE_MS)
    assert not a.answered()
    c.start()
    until_one_answers(group, [a, c], 3_000)


def test_a_leader_whose_standbys_could_not_answer_either_keeps_the_lease(group: Group) -> None:
    """Of two, each is needed: taking turns would help nobody."""
    a, b = group.leader_with_standbys(1)
    apart(group, a, [b])
    group.run(LATE_MS * 2)
    assert a.member.leading is not None
    assert a.member.leading.epoch == 2 or a.member.right.may_answer()
    assert b.member.leading is None
    group.network.unblock_all()
    until_one_answers(group, [a], 3_000)


def test_a_leader_that_lacks_standbys_while_takeover_is_paused_keeps_the_lease(group: Group) -> None:
    a, b, c = group.leader_with_standbys(2)
    leases_of(group).paused = True
    group.run(LEASE_SECONDS * 500)
    b.kill()
    c.kill()
    group.run(LATE_MS)
    assert a.member.right.may_answer()


def test_one_that_is_ahead_and_can_not_ask_for_the_lease_is_not_waited_for_for_ever(group: Group) -> None:
    """What it alone has was never answered."""
    a, b, c = group.leader_with_standbys(2)
    apart(group, a, [b, c])
    a.ask("never told")
    group.run(50)
    a.kill()
    group.network.unblock_all()
    leases_of(group).cut_off.add("a")
    a.start()
    group.run(100)
    assert a.member.copy.position.seq > b.member.copy.position.seq, "this is the case that is meant"
    led = until_one_answers(group, [b, c])
    assert "never told" not in led.users
    group.run(3_000)
    if a.again:
        a.live_again()
    group.run(3_000)
    assert a.followed == led.name


def test_one_that_is_ahead_and_answers_first_is_not_counted(group: Group) -> None:
    """With its promise alone nobody could lead, and the others' comes later."""
    a, b, c = group.leader_with_standbys(2)
    apart(group, a, [b, c])
    a.ask("never told")
    group.run(50)
    a.kill()
    group.network.unblock_all()
    group.network.slow_us["b", "c"] = group.network.slow_us["c", "b"] = 15_000
    leases_of(group).cut_off.add("a")
    a.start()
    assert "never told" not in until_one_answers(group, [b, c], LATE_MS * 2).users


def test_one_that_gave_its_lease_up_does_not_ask_for_it_before_others_did(
    group: Group, caplog: pytest.LogCaptureFixture
) -> None:
    a, b, c = group.leader_with_standbys(2)
    apart(group, a, [b, c])
    leases_of(group).cut_off.add("b")  # so that the other one waits its turn
    assert until_one_answers(group, [b, c]) is c
    assert caplog.text.count("gives its lease up") == 1


def test_one_that_wins_no_promises_gives_others_their_turn(group: Group) -> None:
    """The first in order hears the others' standing, but no promise reaches it."""
    a, b, c = group.leader_with_standbys(2)
    a.kill()
    b.member.peers.ask = without_promises(b)  # type: ignore[method-assign]
    led = until_one_answers(group, [b, c])
    assert led is c


def without_promises(machine: Machine) -> Callable[..., None]:
    from onsale.replicas.frames import AskPromise

    ask = machine.member.peers.ask

    def asked(address: str, question: Any, timeout_seconds: float, done: Callable[[Any], None]) -> None:
        if isinstance(question, AskPromise):
            machine.scheduler.call_later(timeout_seconds, done, None)
        else:
            ask(address, question, timeout_seconds, done)

    return asked


def test_one_that_led_last_is_back_and_cut_off_from_the_voters_alone(group: Group) -> None:
    """It asks for the lease again and again, and leads never."""
    a, b, c = group.leader_with_standbys(2)
    a.kill()
    apart(group, a, [b, c])
    a.start()
    until_one_answers(group, [b, c])


# --- while the answers of etcd are slow


def test_a_leader_regains_its_lease_however_slow_the_store_is(group: Group) -> None:
    """Looking who has it must not stand in the way."""
    (a,) = group.leader_with_standbys(0, sync_standbys=0)
    leases = leases_of(group)
    leases.delays_us, leases.timeout_seconds = (180_000, 240_000), 3.0
    leases.restore()
    group.until(lambda: not a.member.right.may_answer(), LATE_MS)
    until_one_answers(group, [a], 5_000)


def test_an_order_in_the_middle_does_not_stop_the_watch_for_ever(group: Group) -> None:
    a, b, c = group.leader_with_standbys(2)
    a.kill()
    leases = leases_of(group)
    leases.delays_us, leases.timeout_seconds = (180_000, 240_000), 3.0
    asked: list[Machine] = []
    for machine in (b, c):
        machine.member.right.obtain = noted(machine, asked)  # type: ignore[method-assign]
    group.until(lambda: bool(asked), LATE_MS)
    (first,) = asked
    (other,) = {b, c} - {first}
    apart(group, first, [other])
    told: list[Any] = []
    first.member.take_over(
        first.member.promise.epoch + 1, accept_data_loss=False, handed_over=False, sync_standbys=None,
        told=lambda *outcome: told.append(outcome),
    )  # fmt: skip
    group.until(lambda: bool(told))
    assert not told[0][0], "it reaches nobody"
    group.network.unblock_all()
    leases.cut_off.add(other.name)
    leases.delays_us = (300, 8_000)
    assert until_one_answers(group, [b, c], 20_000) is first


def noted(machine: Machine, asked: list[Machine]) -> Callable[..., None]:
    obtain = machine.member.right.obtain

    def obtains(done: Callable[[Any], None], *, by_order: bool = False) -> None:
        asked.append(machine)
        obtain(done, by_order=by_order)

    return obtains


# --- who is not to be disturbed


def test_who_leads_without_a_lease_is_not_pushed_aside_by_those_with_one(group: Group) -> None:
    """Such as while the flag is given to one node after the other."""
    a, b, c = group.leader_with_standbys(2)
    for machine in (a, b, c):
        machine.asks_for_lease = False
    a.kill()
    a.start()
    group.until(lambda: a.member.leading is not None and b.followed == c.followed == "a")
    b.kill()
    b.asks_for_lease = True
    b.start()
    group.run(LATE_MS)
    assert a.answered()
    assert a.member.leads
    a.kill()
    until_one_answers(group, [b, c])


def test_the_store_does_not_end_a_hand_over_that_is_under_way(group: Group) -> None:
    a, b, c = group.leader_with_standbys(2)
    leases = leases_of(group)
    told: list[Any] = []
    a.member.hand_over("b", lambda *outcome: told.append(outcome))
    leases.restore(leases.kept()._replace(holder=Holder("b", b.settings.node_id, b.address, 9)))
    group.until(lambda: bool(told))
    assert told[0][0], told
    assert until_one_answers(group, [a, b, c]) is b


@pytest.mark.parametrize("holder", ["c", "d"])
def test_a_hand_over_that_can_not_be_while_the_lease_is_not_its_own(group: Group, holder: str) -> None:
    """The one that it is for is too slow. By its lease another one leads meanwhile, or one that is not there could."""
    a, b, c = group.leader_with_standbys(2)
    b.sync_us = 4_000_000
    a.ask("x")
    told: list[Any] = []
    a.member.hand_over("b", lambda *outcome: told.append(outcome))
    leases = leases_of(group)
    leases.restore(leases.kept()._replace(holder=Holder(holder, holder.encode() * 8, f"{holder}:7400", 9)))
    group.until(lambda: bool(told))
    done, sentences, _epoch = told[0]
    assert not done
    if holder == "c":
        assert "a leads no more" in sentences[-1]
    else:
        assert "a goes on leading; nothing was lost" in sentences[-1]
        assert a.member.leading is not None
    until_one_answers(group, [a, b, c])


# --- who goes on while nobody can ask


def test_whoever_sleeps_while_the_store_is_out_of_reach_wakes_up_silent(group: Group) -> None:
    a, b, c = group.leader_with_standbys(2)
    leases = leases_of(group)
    leases.lose_majority()
    group.run(LATE_MS)
    assert a.answered("while nobody can ask")
    a.scheduler.pause()
    leases.regain_majority()
    led = until_one_answers(group, [b, c])
    assert led.answered("bob")
    silent: list[bool] = []
    a.scheduler.call_soon(lambda: silent.append(not a.member.right.may_answer()))
    a.scheduler.resume()
    group.run(1)
    assert silent == [True]


def test_without_the_store_a_hand_over_goes_back_and_nobody_new_leads(group: Group) -> None:
    a, b, _c = group.leader_with_standbys(2)
    leases = leases_of(group)
    leases.lose_majority()
    group.run(LATE_MS)
    told: list[Any] = []
    a.member.hand_over("b", lambda *outcome: told.append(outcome))
    group.until(lambda: bool(told))
    assert not told[0][0]
    group.run(500)
    assert a.answered()
    assert b.member.leading is None


# --- who must not lead, and what must not be answered


def test_a_try_that_lost_its_lease_meanwhile_does_not_take_it_from_the_next(group: Group) -> None:
    """Only an order does: this one still has to sync what it received."""
    a, b, c = group.leader_with_standbys(2)
    b.sync_us = 2_500_000
    a.ask("x")
    group.run(50)
    a.kill()
    apart(group, b, [c])
    b.member.right.obtain(lambda _reply: None, by_order=True)
    group.until(lambda: b.member.right.holds)
    assert b.member.copy.writer.pending_batches
    told: list[Any] = []
    b.member.take_over(
        b.member.promise.epoch + 1, accept_data_loss=False, handed_over=False, sync_standbys=None,
        told=lambda *outcome: told.append(outcome),
    )  # fmt: skip
    c.member.right.obtain(lambda _reply: None, by_order=True)
    group.until(lambda: bool(told))
    assert not told[0][0]
    assert "c has the lease" in told[0][1][0]


def test_a_later_epoch_is_no_way_to_the_lease_of_another(group: Group) -> None:
    """One that leads, and is to go on in a later epoch, gives way where another one has the lease by now."""
    a, _b, c = group.leader_with_standbys(2)
    a.member.right.release()
    c.member.right.obtain(lambda _reply: None)
    group.until(lambda: c.member.right.holds)
    NewEpoch(a.member, "a voter can't follow it").begin()
    group.run(200)
    assert leases_of(group).holder.name == "c"
    assert a.member.leading is None


def test_one_that_lacks_what_was_answered_does_not_lead(group: Group) -> None:
    """Answers wait for one of two: the other one may be far behind."""
    a, b, c = group.leader_with_standbys(2)
    apart(group, c, [a, b])
    for number in range(20):
        assert a.answered(f"user {number}")
    a.kill()
    leases_of(group).cut_off.add("b")  # it alone has all of it
    group.network.unblock_all()
    group.run(LATE_MS * 2)
    assert b.member.leading is c.member.leading is None
    assert c.member.copy.position.seq < b.member.copy.position.seq, "this is the case that is meant"
    leases_of(group).cut_off.clear()
    assert "user 19" in until_one_answers(group, [b, c]).users


def test_all_are_back_after_a_power_cut_and_the_store_comes_later(group: Group) -> None:
    machines = group.leader_with_standbys(2)
    assert machines[0].answered("ada")
    for machine in machines:
        machine.kill()
    leases_of(group).lose_majority()
    for machine in machines:
        machine.start()
    group.run(LATE_MS)
    assert not [each.name for each in machines if each.member.leading is not None]
    leases_of(group).regain_majority()
    assert "ada" in until_one_answers(group, machines).users


@pytest.mark.parametrize("order_after_ms", [0, 2, 5, 9, 14, 25, 60])
def test_an_order_while_another_one_tries_by_itself(group: Group, order_after_ms: int) -> None:
    a, b, c = group.leader_with_standbys(2)
    assert a.answered("ada")
    a.kill()
    asked: list[Machine] = []
    for machine in (b, c):
        machine.member.right.obtain = noted(machine, asked)  # type: ignore[method-assign]
    group.until(lambda: bool(asked), LATE_MS)
    group.run(order_after_ms)
    (ordered,) = {b, c} - {asked[0]}
    epoch = ordered.member.promise.epoch + 1
    ordered.member.take_over(
        epoch, accept_data_loss=False, handed_over=False, sync_standbys=None, told=lambda *_: None
    )  # fmt: skip
    assert "ada" in until_one_answers(group, [b, c]).users
    group.run(LATE_MS)
    assert (b.member.leading is None) != (c.member.leading is None)
    assert b.answered("bob") != c.answered("bob")


@pytest.mark.parametrize("steps", range(0, 24, 2))
def test_whoever_stands_still_on_the_way_to_an_answer_says_nothing_that_is_not_so(group: Group, steps: int) -> None:
    """Between any two steps: what it still answers after it has gone on was agreed before, so the next one has it."""
    a, b, c = group.leader_with_standbys(2)
    answers = a.ask("ada")
    for _ in range(steps):
        group.time.step(group.time.now_us + 1_000_000)
    a.scheduler.pause()
    led = until_one_answers(group, [b, c])
    a.scheduler.resume()
    late = a.ask("cyd")
    group.run(3_000)
    assert "ada" in led.users or not [each for each in answers if not isinstance(each, Refusal)]
    assert all(isinstance(each, Refusal) for each in late)

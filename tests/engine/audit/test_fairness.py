"""The order of arrival against the order of service: every exception has its rule, and what no rule allows is told."""

from hashlib import sha256

import pytest

from onsale.engine import commands as c
from onsale.engine import facts as f
from onsale.engine.apply import apply
from onsale.engine.audit.auditor import Auditor
from onsale.engine.audit.fairness import FairnessWatch
from onsale.engine.audit.fairness_report import RULES, Fairness
from onsale.tests.engine.histories import DAY_MS, HOLD_MS, START_MS, Batch, History, busy_history
from onsale.tests.engine.onsale_histories import event_called

SEED = bytes(range(32))


def fairness(batches: list[Batch], event_id: int = 1) -> Fairness:
    watch = FairnessWatch(event_id)
    auditor = Auditor(watch=watch.see)
    for batch in batches:
        auditor.audit(*batch)
    assert watch.found
    return watch.finish()


def told(report: Fairness) -> list[tuple[str, str]]:
    return [(each.rule, each.user_id) for each in report.deviations]


def changed(history: History, kind: type, *new: f.Fact) -> list[Batch]:
    """The history with other facts in place of the first of that kind."""
    batches, done = [], False
    for first_seq, at_ms, facts in history.batches:
        here = next((index for index, fact in enumerate(facts) if type(fact) is kind and not done), None)
        done = done or here is not None
        batches.append((first_seq, at_ms, facts if here is None else [*facts[:here], *new, *facts[here + 1 :]]))
    return batches


# --- lines


def test_a_line_in_order_has_no_exception() -> None:
    history = History()
    history.event(("Standing", "10.00", 2))
    for user_id in ("ada", "ben", "cleo", "dan"):
        history.book(user_id)
    history.give_up(1)
    history.give_up(2)
    report = fairness(history.batches)
    assert report.is_fair
    assert not report.deviations
    (line,) = report.lines.values()
    assert (line.name, line.joined, line.served, line.waiting) == ("Standing", 2, 2, 0)
    assert (report.name, report.waitlist, report.at_once, report.most_tickets) == ("Long Shadows", "strict", 2, 1)


def test_who_leaves_a_line_and_who_still_waits() -> None:
    history = History()
    history.event(("Standing", "10.00", 1))
    for user_id in ("ada", "ben", "cleo"):
        history.book(user_id)
    history.give_up(2)
    assert told(fairness(history.batches)) == [("given_up", "ben"), ("still_waiting", "cleo")]


def test_a_group_that_is_too_large_is_passed_under_first_fit() -> None:
    history = History()
    history.event(("Standing", "10.00", 3), waitlist=2)
    history.book("ada", quantity=2)
    history.book("ben", quantity=3)  # waits
    history.book("cleo")  # takes the one that is free
    history.book("dan")  # waits
    history.give_up(3)
    report = fairness(history.batches)
    assert report.is_fair
    assert told(report) == [("group_too_large", "ben"), ("still_waiting", "ben")]
    assert report.deviations[0].detail == "2 times; 1 were free at first"


def test_any_of_several_types_leaves_the_other_lines() -> None:
    history = History()
    history.event(("One", "10.00", 1), ("Two", "12.00", 1))
    history.book("ada", ticket_type="One")
    history.book("ben", ticket_type="Two")
    history.do(c.Book("cleo", 1, HOLD_MS, ticket_types=("One", "Two")))
    history.give_up(2)
    report = fairness(history.batches)
    assert report.is_fair
    assert [(each.rule, each.user_id, each.place) for each in report.deviations] == [("any_of", "cleo", "One")]


def test_ends_of_a_line() -> None:
    history = History()
    history.event(("Standing", "10.00", 2), starts_ms=START_MS + DAY_MS)
    history.confirm(1 if history.book("ada", quantity=2) else 0)
    history.book("ben", quantity=2)
    history.event(("Standing", "10.00", 1))
    history.book("ada", 2)
    history.book("ben", 2)
    history.do(c.CancelEvent(2))
    history.chores()
    history.pass_time(DAY_MS)
    assert told(fairness(history.batches)) == [("sale_over", "ben")]
    assert told(fairness(history.batches, 2)) == [("event_cancelled", "ben")]


# --- the waiting room


def rush(*, shuffle: bool = True, people: int = 6) -> History:
    history = History()
    room = c.RoomSpec(600, max_inside=2, opens_ms=START_MS + 5_000, shuffle=shuffle, turn_ms=60_000)
    history.event(("Standing", "10.00", 20), room=room, seed=SEED if shuffle else b"", max_per_user=2)
    for number in range(people):
        history.do(c.JoinQueue(f"user-{number}", 1))
    return history


def test_a_waiting_room_without_a_lot() -> None:
    history = rush(shuffle=False)
    history.do(c.LeaveQueue(1, 2))
    for _ in range(4):
        history.pass_time(30_000)
    report = fairness(history.batches)
    assert report.is_fair
    assert report.room is not None
    assert report.draw is None
    assert report.room.joined == 6
    assert ("left", "user-1") in told(report)
    assert [user for rule, user in told(report) if rule == "turn_lapsed"][:2] == ["user-0", "user-2"]
    assert report.room.served + report.room.waiting == 5


def test_a_lot_is_proven() -> None:
    history = rush()
    history.pass_time(5_000)
    report = fairness(history.batches)
    assert report.draw is not None
    assert report.draw.proven
    assert (report.draw.commitment, report.draw.seed) == (sha256(SEED).hexdigest(), SEED.hex())
    assert sorted(report.draw.arrivals) == list(range(1, 7))
    assert report.by_rule["lot"] == 6


def test_another_seed_than_was_committed_to_is_not_fair() -> None:
    history = rush()
    history.pass_time(5_000)
    report = fairness(changed(history, f.RoomOpened, f.RoomOpened(1, b"x" * 32)))
    assert not report.is_fair
    assert report.draw is not None
    assert not report.draw.proven
    assert "lot_broken" in report.by_rule


def test_who_joins_again_stands_at_the_end() -> None:
    history = rush(shuffle=False, people=3)
    history.pass_time(5_000)
    history.pass_time(60_000)
    history.do(c.JoinQueue("user-0", 1))
    report = fairness(history.batches)
    assert ("joined_again", "user-0") in told(report)
    assert report.is_fair


@pytest.mark.parametrize("kind", [f.QueueJoined, f.QueueAdmitted])
def test_a_booking_without_a_turn_is_not_fair(kind: type) -> None:
    history = rush(shuffle=False, people=1)
    history.pass_time(5_000)
    place = next(iter(history.state.places.rows.values()))
    history.do(c.Book("user-0", 1, HOLD_MS, place_id=place.id))
    assert fairness(history.batches).is_fair
    report = fairness(changed(history, kind, f.SaleClosed(1)))
    assert not report.is_fair
    assert ("no_turn", "user-0") in told(report)


# --- what no rule allows


def test_who_was_passed_is_told() -> None:
    history = History()
    history.event(("Standing", "10.00", 1))
    for user_id in ("ada", "ben", "cleo"):
        history.book(user_id)
    history.give_up(1)
    batches = changed(history, f.Promoted, f.Promoted(3, history.now_ms + HOLD_MS))
    report = fairness(batches)
    assert not report.is_fair
    assert ("passed", "ben") in told(report)


def test_a_newcomer_who_passes_and_one_over_the_limit_are_told() -> None:
    history = History()
    history.event(("Standing", "10.00", 4), max_per_user=2)
    history.book("ada", quantity=2)
    history.book("ben", quantity=2)
    history.book("cleo")
    held = f.Held(3, "ada", 1, 1, 1, 1000, history.now_ms + HOLD_MS)
    at_once = fairness(changed(history, f.Waited, f.Waited(3, "cleo", 1, 1, 1, 1000), f.Held(4, *held_fields(held))))
    assert {"passed", "limit_exceeded"} <= at_once.by_rule.keys()
    assert not at_once.is_fair


def held_fields(held: f.Held) -> tuple[str, int, int, int, int, int]:
    return held.user_id, held.event_id, held.ticket_type_id, held.quantity, held.amount_minor, held.expires_ms


# --- crowds


@pytest.mark.parametrize("seed", range(4))
def test_what_the_engine_wrote_is_fair(seed: int) -> None:
    history = busy_history(seed, 400)
    for event_id in (1, 2, event_called(history.state, "Rush"), event_called(history.state, "Pair")):
        report = fairness(history.batches, event_id)
        assert report.is_fair, [each for each in report.deviations if not RULES[each.rule][1]][:3]
        for line in report.lines.values():
            assert line.joined >= line.served + line.waiting


def test_from_the_middle_of_history() -> None:
    """Where the journal's beginning is gone, the report begins with those who are there."""
    history = busy_history(2, 300)
    middle = len(history.batches) // 2
    before = History()
    for _, at_ms, facts in history.batches[:middle]:
        for fact in facts:
            apply(before.state, at_ms, fact)
    watch = FairnessWatch(1)
    auditor = Auditor.opened_at(before.state, watch=watch.see)
    for batch in history.batches[middle:]:
        auditor.audit(*batch)
    report = watch.finish()
    assert report.is_fair
    assert report.since_seq == before.state.seq

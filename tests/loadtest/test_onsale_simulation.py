"""An onsale in small, from end to end; and every check of it finds what it is there to find."""

import json
from functools import partial

import msgspec
import pytest
from click.testing import CliRunner

from onsale.engine.changes import room as room_changes
from onsale.engine.commands import CreateEvent
from onsale.engine.queue import Queue
from onsale.engine.restore import restore
from onsale.engine.rules import room as room_rules
from onsale.engine.status import WAITLIST_FIRST_FIT, WAITLIST_STRICT
from onsale.loadtest import onsale_node, onsale_run
from onsale.loadtest.onsale_figures import Outcome
from onsale.loadtest.onsale_node import Node
from onsale.loadtest.onsale_people import people_of
from onsale.loadtest.onsale_run import Plan
from onsale.loadtest.onsale_simulation import main, simulate

PEOPLE, TICKETS = 3_000, 300
SMALL = Plan(seed=5, tickets=40, admit_per_minute=60)


@pytest.mark.parametrize(("seed", "waitlist"), [(1, WAITLIST_STRICT), (2, WAITLIST_FIRST_FIT), (3, WAITLIST_STRICT)])
def test_every_promise_is_kept_in_either_room(seed: int, waitlist: int) -> None:
    plan = partial(Plan, seed, TICKETS, PEOPLE // 50, waitlist=waitlist)
    aware, blind = (simulate(PEOPLE, plan(by_stock=by_stock)) for by_stock in (True, False))
    for outcome in (aware, blind):
        assert outcome.faults == []
        assert outcome.sold == TICKETS or outcome.unsold_because
        assert [each.split()[0] for each in outcome.interruptions] == ["restart", "restart", "failover", "restart"]
        assert {"left", "turn_lapsed", "turn_given_up", "lot"} <= outcome.rules.keys()
        assert outcome.tricks["joined twice: the same place"] > 0
        for reason in ("waiting", "missing", "foreign"):
            assert outcome.tricks[f"booked with a place that is {reason}: refused"] > 0
    assert blind.tricks["booked too many: refused"] > 0
    assert aware.in_vain * 10 < blind.in_vain
    assert aware.until_over.people > blind.until_over.people / 10, "somebody was disappointed in either"


def test_people_come_as_numbers_where_nothing_is_drawn() -> None:
    outcome = simulate(1_000, Plan(7, 100, 60, shuffle=False, max_inside=30))
    assert outcome.faults == []
    assert "lot" not in outcome.rules
    assert outcome.inside_most <= 30


def test_the_same_seed_is_the_same_onsale() -> None:
    one, other = (msgspec.structs.replace(simulate(500, SMALL), run_seconds=0) for _ in range(2))
    assert one == other
    assert people_of(1, 50) == people_of(1, 50) != people_of(2, 50)


@pytest.mark.parametrize("form", ["table", "markdown", "json"])
def test_the_command_line_compares_the_rooms(form: str) -> None:
    arguments = ["--people", "300", "--tickets", "30", "--format", form, "--admit-per-minute", "60"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    if form == "json":
        assert [each["room"] for each in json.loads(result.stdout)] == ["stock-aware", "stock-blind"]
    else:
        assert "admitted in vain" in result.stdout


# --- every check can fail


def broken(plan: Plan = SMALL) -> Outcome:
    outcome = simulate(500, plan)
    assert outcome.faults, "the fault was not found"
    return outcome


def test_finds_a_booking_without_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room_rules, "may_book", lambda *_: None)
    faults = broken().faults
    assert any("was taken without a turn" in each for each in faults)
    assert any("booked with a place that is" in each for each in faults)


def test_finds_somebody_who_is_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    through = Queue.people_through

    def without_some(self, places, last):
        return [each for each in through(self, places, last) if not each.user_id.endswith("7")]

    monkeypatch.setattr(Queue, "people_through", without_some)
    assert any("should be admitted" in each for each in broken().faults)


def test_finds_a_lot_that_is_not_the_one_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room_changes, "lot_of", lambda seed, _digest: seed)
    assert any("should be" in each for each in broken().faults)


def test_finds_more_tickets_than_one_may_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        onsale_run, "CreateEvent", lambda *parts, **named: CreateEvent(*parts, **{**named, "max_per_user": 5})
    )
    faults = broken(Plan(seed=5, tickets=400, admit_per_minute=600)).faults
    assert any("has 5 tickets, and may have 4" in each for each in faults)


def test_finds_a_place_that_a_restart_loses(monkeypatch: pytest.MonkeyPatch) -> None:
    def loses_one(counters, *, expected_hash, places, **rows):
        assert expected_hash
        return restore(counters, expected_hash=None, places=places[:-1], **rows)

    monkeypatch.setattr(onsale_node, "restore", loses_one)
    assert any("has lost the place" in each for each in broken().faults)


def test_finds_a_standby_that_missed_something(monkeypatch: pytest.MonkeyPatch) -> None:
    fail_over = Node.fail_over

    def misses_one(self):
        self.journal.pop()
        fail_over(self)

    monkeypatch.setattr(Node, "fail_over", misses_one)
    assert any("it came to a stop: DivergedError" in each for each in broken().faults)


def test_finds_counts_that_went_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    fail_over = Node.fail_over

    def miscounts(self):
        fail_over(self)
        self.state.rooms.rows[1].inside += 1

    monkeypatch.setattr(Node, "fail_over", miscounts)
    assert any("counts (waiting, inside, holding)" in each for each in broken().faults)


def test_finds_tickets_that_are_kept_from_people_who_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (room_rules, room_changes):
        monkeypatch.setattr(module, "allowed", lambda _stock, room, _most: max(15 - room.served_through, 0))
    faults = broken().faults
    assert any("people wait for a turn" in each for each in faults)


def test_finds_people_let_in_too_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """The auditor keeps a clock of its own."""
    monkeypatch.setattr(room_rules, "paced", lambda _room, now_us: (100, now_us))
    assert any(each.startswith("audit, seq") for each in broken().faults)


def test_finds_that_some_are_told_otherwise_than_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Queue, "number_at", lambda self, position: min(self.base + position + 3, self.room.arrivals))
    assert any("is told" in each for each in broken().faults)

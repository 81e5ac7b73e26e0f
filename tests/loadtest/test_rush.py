"""A rush in small, on real nodes; and every check of it finds what it is there to find."""

import json
from array import array
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from onsale.loadtest import rush
from onsale.loadtest.latency import Latencies
from onsale.loadtest.rush_books import Booked, Books, differences, unsold_because
from onsale.loadtest.rush_generator import Told
from onsale.loadtest.rush_nodes import NodeEnded, other_cpus
from onsale.loadtest.rush_people import CALL_OF, Call, People, Step, ToldBooking
from onsale.loadtest.rush_plan import Character, Plan
from onsale.loadtest.rush_report import Outcome, outcome_of

SHARES = {
    Character.PAYS: 180,
    Character.PAYS_WITH_SECOND_CARD: 16,
    Character.GIVES_UP: 30,
    Character.LETS_HOLD_LAPSE: 30,
}
SMALL = Plan(
    people=3_000, tickets=200, admit_per_minute=60_000, arrive_seconds=1, hold_seconds=1, turn_seconds=10,
    thinks_seconds=0.1, looks_again_seconds=0.3, shares=SHARES, connections=32, generators=2, seconds_max=60,
)  # fmt: skip


def rushed(folder: Path, plan: Plan, *, failover: bool = False) -> Outcome:
    return rush.run(plan, folder, failover=failover, show=lambda _: None)


def test_everybody_comes_to_an_end_and_all_is_as_they_were_told(tmp_path: Path) -> None:
    outcome = rushed(tmp_path, SMALL)
    assert outcome.faults == []
    assert outcome.tickets_sold == SMALL.tickets
    assert sum(outcome.ends.values()) == SMALL.people == outcome.journal["joined"]
    assert {
        "paid",
        "let a hold lapse",
        "gave a hold up",
        "waited, and were told that it is over",
    } <= outcome.ends.keys()
    assert outcome.statuses.keys() <= {"200", "201", "402", "409"}
    assert outcome.journal["fair"] is True
    calls = {each.call: each for each in outcome.calls}
    assert calls["join the queue"].answered == SMALL.people
    assert calls["poll one's place"].answered > SMALL.people
    assert outcome.memory_bytes["most"] >= outcome.memory_bytes["before"] > 0
    json.dumps(outcome.as_dict())

    journal = next((tmp_path / "primary" / "journal").glob("*.segment"))  # a flipped bit is found as well
    content = bytearray(journal.read_bytes())
    content[len(content) // 2] ^= 1
    journal.write_bytes(content)
    faults: list[str] = []
    node = rush.RushNode(tmp_path, "primary", "serve", cpus=set())
    rush._verified(node, 1, faults)
    assert len(faults) == 2
    assert "ended with 6" in faults[0]


def test_people_go_on_at_another_node(tmp_path: Path) -> None:
    plan = msgspec.structs.replace(SMALL, people=1_000, tickets=200)
    outcome = rushed(tmp_path, plan, failover=True)
    assert outcome.faults == []
    assert outcome.tickets_sold == plan.tickets
    assert sum(outcome.ends.values()) == plan.people
    assert outcome.failover is not None
    assert 0 < outcome.failover["withoutWritesSeconds"] < 30
    assert outcome.failover["askedAgain"] > 0
    assert outcome.journal["nodesVerified"] == 2


def test_a_node_that_ends_by_itself_ends_the_run(tmp_path: Path) -> None:
    node = rush.RushNode(tmp_path, "primary", "serve", "--no-such-flag", cpus=other_cpus())
    with pytest.raises(NodeEnded, match=r"exit code 2:\n(.|\n)*no-such-flag"):
        node.start()


# --- what the checks find

PLAN = Plan(people=4, tickets=5, generators=2)


def told_of() -> list[Told]:
    """Persons 0 and 1 have paid, 2 has let a hold lapse, 3 has waited to the end; each generator has two of them."""

    def told(generator: int, steps: tuple[Step, Step], numbers: tuple[int, int], admitted: int) -> Told:
        return Told(
            generator, bytes(steps), array("I", numbers), {}, admitted, [], {call: Latencies() for call in Call},
            Latencies(), Latencies(), {}, {}, [], 0,
        )  # fmt: skip

    even, odd = told(0, (Step.PAID, Step.HOLD_LAPSED), (1, 3), 3), told(1, (Step.PAID, Step.TOLD_OVER), (2, 4), 2)
    even.bookings = {0: ToldBooking(1, 3, "paid", ("a", "b", "c")), 1: ToldBooking(3, 1, "lapsed")}
    odd.bookings = {0: ToldBooking(2, 2, "paid", ("d", "e"))}
    return [even, odd]


def books_of() -> Books:
    bookings = {1: Booked("person-0", 3, "paid"), 2: Booked("person-1", 2, "paid"), 3: Booked("person-2", 1, "lapsed")}
    return Books([f"person-{number}" for number in range(4)], 3, bookings)


def swap(books: Books, one: int, other: int) -> None:
    books.joined[one], books.joined[other] = books.joined[other], books.joined[one]


def pass_by(told: list[Told], _: Books) -> None:
    told[0].steps, told[1].steps = bytes((Step.TOLD_OVER, Step.HOLD_LAPSED)), bytes((Step.PAID, Step.PAID))


DOCTORED: dict[str, Callable[[list[Told], Books], object]] = {
    "numbers are not what the journal says": lambda _, books: swap(books, 0, 3),
    "joined by the journal": lambda _, books: books.joined.append("person-4"),
    "somebody has two places": lambda _, books: books.joined.append("person-0"),
    "and number 3 was let in": pass_by,
    "the journal admits 2": lambda _, books: setattr(books, "admitted_through", 2),
    "bookings are not what people were told": lambda told, _: setattr(told[0].bookings[1], "status", "held"),
    "the journal has Booked(user_id='person-0', quantity=4": lambda _, b: setattr(b.bookings[1], "quantity", 4),
    "the journal has None": lambda _, books: books.bookings.pop(3),
    "bookings nobody was told of": lambda told, _: told[0].bookings.pop(1),
    "tickets were sold, of 5": lambda _, books: setattr(books.bookings[3], "status", "paid"),
    "ticket codes were given out twice": lambda told, _: setattr(told[1].bookings[0], "codes", ("a", "e")),
    "people were given 4 tickets": lambda told, _: setattr(told[1].bookings[0], "codes", ("d",)),
    "tickets are still held": lambda _, books: setattr(books.bookings[3], "status", "held"),
    "people still waited for them": lambda _, books: setattr(books.bookings[2], "status", "lapsed"),
    "people did not come to an end": lambda told, _: setattr(told[1], "steps", bytes((Step.PAID, Step.WAITS))),
    "was told 500": lambda told, _: told[1].faults.append("person-1 was told 500"),
}


def test_nothing_is_found_where_all_agrees() -> None:
    assert differences(PLAN, told_of(), books_of()) == []
    assert unsold_because(PLAN, books_of()) == ""


@pytest.mark.parametrize("what", DOCTORED)
def test_doctored_books_are_found(what: str) -> None:
    told, books = told_of(), books_of()
    DOCTORED[what](told, books)
    assert what in "\n".join(differences(PLAN, told, books))


def test_tickets_nobody_wanted_are_no_fault() -> None:
    told, books = told_of(), books_of()
    plan = msgspec.structs.replace(PLAN, tickets=9)
    told[1].steps, told[1].admitted_number_max = bytes((Step.PAID, Step.TURN_PASSED)), 4
    books.admitted_through = 4
    assert differences(plan, told, books) == []
    assert unsold_because(plan, books) == "4 tickets are left: everybody had a turn, and nobody wanted more"


# --- people


class Alone:
    """One person, without a server."""

    def __init__(self) -> None:
        self.due: list[float] = []
        self.people = People(
            Plan(people=1, shares={Character.PAYS: 256}), 0, 7, lambda _, seconds: self.due.append(seconds)
        )
        self.tell(201, number=5, status="waiting", token="t-5")

    def tell(self, http_status: int, head: bytes = b"", **said: object) -> bool:
        return self.people.answered(0, http_status, head, json.dumps(said).encode())

    @property
    def step(self) -> Step:
        return Step(self.people.steps[0])


def test_what_is_asked_again_is_the_very_same() -> None:
    alone = Alone()
    alone.tell(200, number=5, status="admitted", state="open")
    asked = alone.people.request_of(0)
    assert b"Idempotency-Key: book-person-0-0\r\n" in asked
    assert b'"queueToken":"t-5"' in asked
    assert not alone.tell(503, head=b"http/1.1 503 no\r\nretry-after: 3\r\n", code="no_primary")
    assert 3 <= alone.due[-1] < 4, "as Retry-After says"
    assert alone.people.request_of(0) == asked
    alone.tell(409, code="sold_out", available=0)
    assert (alone.step, CALL_OF[alone.step]) == (Step.LOOKS, Call.PLACE)
    alone.tell(200, number=5, status="admitted", state="open")
    assert b"Idempotency-Key: book-person-0-2\r\n" in alone.people.request_of(0), "another wish has another key"
    assert alone.people.faults == []


def test_being_told_to_wait_and_not_how_long_is_a_fault() -> None:
    alone = Alone()
    alone.tell(429, head=b"http/1.1 429 no\r\n")
    assert "and not when" in alone.people.faults[0]


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (500, {"code": "internal"}),
        (404, {"code": "not_found"}),
        (200, {"number": 6, "status": "waiting", "state": "open"}),  # the number has changed
        (200, {"number": 5, "status": "served", "state": "open"}),  # nothing was booked
        (200, {"status": "waiting"}),
    ],
)
def test_an_answer_nobody_should_get_is_a_fault(status: int, said: dict[str, object]) -> None:
    alone = Alone()
    alone.tell(status, **said)
    assert alone.step == Step.FAULTY
    assert len(alone.people.faults) == 1


def test_who_waits_asks_as_often_as_told_and_before_their_turn() -> None:
    alone = Alone()
    alone.tell(200, number=5, status="waiting", state="open", refreshIntervalSeconds=50)
    assert 44 < alone.due[-1] < 56
    alone.tell(200, number=5, status="waiting", state="open", refreshIntervalSeconds=50, estimatedWaitSeconds=6)
    assert 5 < alone.due[-1] < 7
    alone.tell(200, number=5, status="waiting", state="sold_out", refreshIntervalSeconds=50)
    assert (alone.step, alone.people.ended) == (Step.TOLD_OVER, 1)


@pytest.mark.parametrize(("faults", "code"), [([], 0), (["2 tickets were sold twice"], 1)])
def test_a_violation_ends_the_command_with_1(monkeypatch: pytest.MonkeyPatch, faults: list[str], code: int) -> None:
    def run(plan: Plan, _folder: Path, **_options: object) -> Outcome:
        return outcome_of(
            plan, told_of(), books_of(), [], None, seconds=1, memory=(1, 2, 3), reports=[{}], faults=faults
        )

    monkeypatch.setattr(rush, "run", run)
    told = CliRunner().invoke(rush.main, ["--people", "4", "--tickets", "5", "--json"])
    assert (told.exit_code, json.loads(told.stdout)["faults"]) == (code, faults)
    told = CliRunner().invoke(rush.main, ["--people", "4", "--tickets", "5"])
    assert told.exit_code == code
    assert ("2 tickets were sold twice" in told.stderr) == bool(faults)
    assert ("every promise was kept" in told.stdout) != bool(faults)

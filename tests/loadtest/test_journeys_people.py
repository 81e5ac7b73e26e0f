"""What a client does when connections break and it is told to wait; and that people notice what is not as promised."""

import base64
import hashlib
import json
import random
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from onsale.loadtest.journeys import answers as a
from onsale.loadtest.journeys.bots import cheat
from onsale.loadtest.journeys.client import (
    LOST_CONNECTIONS_MAX,
    BrokenPromiseError,
    Client,
    Judge,
    OutOfContractError,
)
from onsale.loadtest.journeys.ledger import Record, ToldBooking, Unanswered
from onsale.loadtest.journeys.people import come_back, dawdle, refresh
from onsale.loadtest.journeys.person import Person
from onsale.loadtest.journeys.plan import Plan
from onsale.loadtest.journeys.proof import encoded, solution

BROKEN = a.Heard(0, {}, b"connection reset")
Asked = tuple[str, str, dict[str, Any]]


def says(status: int, seq: int = 1, /, headers: dict[str, str] | None = None, **body: object) -> a.Heard:
    kind = "application/problem+json" if status >= 400 else "application/json"
    return a.Heard(
        status,
        {"Onsale-Seq": str(seq), "Content-Type": kind} | (headers or {}),
        json.dumps({"seq": seq} | body).encode(),
    )


def refuses(status: int, code: str, seq: int = 1, /, **more: object) -> a.Heard:
    after = {"Retry-After": str(more["retryAfterSeconds"])} if "retryAfterSeconds" in more else {}
    problem = {"type": "about:blank", "title": "No", "status": status, "detail": "…", "code": code}
    return says(status, seq, after, **problem | more)


class Scripted:
    """A node that answers by rote, or by a function of what was asked."""

    def __init__(self, *answers: a.Heard, by: Callable[[str, str, Any], a.Heard] | None = None) -> None:
        self.answers, self.by = list(answers), by
        self.asked: list[tuple[str, str, dict[str, str], bytes | None]] = []
        self.rested: list[float] = []
        self.failures: list[str] = []
        self.hung_up = 0

    def send(
        self, name: str, method: str, path: str, headers: Mapping[str, str], body: bytes | None, judge: Judge
    ) -> a.Heard:
        self.asked.append((method, path, dict(headers), body))
        heard = self.by(method, path, json.loads(body or b"null")) if self.by else self.answers.pop(0)
        if fault := judge(heard):
            self.failures.append(fault)
        return heard

    def hang_up(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> None:
        self.hung_up += 1

    def rest(self, seconds: float) -> None:
        self.rested.append(seconds)


class Never(random.Random):
    """Takes no chance, and the least of each range."""

    def random(self) -> float:
        return 0.999


class Always(random.Random):
    def random(self) -> float:
        return 0.0


def client(line: Scripted, chance: type[random.Random] = Never) -> tuple[Client, Record]:
    record = Record("Buyer", "u-1")
    return Client(line, record, {"X": "y"}, chance()), record


LEAVE = ("leave", "DELETE", "/events/1/queue/t", None, {200: a.Left, 409: {"wrong_status"}})


def test_a_write_whose_connection_broke_is_sent_again_with_its_key() -> None:
    line = Scripted(BROKEN, BROKEN, says(200, 7))
    who, record = client(line)
    told = who.write(*LEAVE, may_be=Unanswered("give_up", "u-1", 1))
    assert (told.status, who.seq, line.failures) == (200, 7, [])
    assert len({request[2]["Idempotency-Key"] for request in line.asked}) == 1
    assert len(line.asked) == 3
    assert line.rested[1] > line.rested[0] > 0
    assert record.counts == {"lost connections": 2}
    assert record.unanswered == []
    line.answers = [says(200, 8)]
    who.write(*LEAVE)
    assert line.asked[3][2]["Idempotency-Key"] != line.asked[2][2]["Idempotency-Key"]


def test_a_node_that_never_answers_is_a_fault_and_the_write_stays_in_doubt() -> None:
    line = Scripted(*[BROKEN] * (LOST_CONNECTIONS_MAX + 1))
    who, record = client(line)
    with pytest.raises(OutOfContractError, match="no answer came"):
        who.write(*LEAVE, may_be=Unanswered("pay", "u-1", 1, 5))
    assert record.unanswered == [Unanswered("pay", "u-1", 1, 5)]
    assert record.counts["faults"] == len(line.failures) == 1


def test_retry_after_is_waited_for() -> None:
    line = Scripted(
        refuses(429, "rate_limited", retryAfterSeconds=3),
        refuses(503, "overloaded", retryAfterSeconds=1),
        says(200),
    )
    who, record = client(line)
    assert who.write(*LEAVE).status == 200
    assert [3 <= line.rested[0] < 4, 1 <= line.rested[1] < 2] == [True, True]
    assert record.counts == {"told to come back later": 2}
    assert not line.failures


def test_who_has_no_patience_takes_429_for_an_answer() -> None:
    line = Scripted(refuses(429, "rate_limited", retryAfterSeconds=3))
    assert client(line)[0].write(*LEAVE, patient=False).code == "rate_limited"
    assert not line.rested


def test_a_429_says_nothing_of_the_try_whose_connection_broke() -> None:
    line = Scripted(
        BROKEN, refuses(429, "rate_limited", retryAfterSeconds=3), refuses(429, "rate_limited", retryAfterSeconds=3)
    )
    who, record = client(line, Always)
    in_doubt = Unanswered("book", "u-1", 1)
    assert who.write(*LEAVE, may_be=in_doubt, patient=False).code == "rate_limited"
    assert record.unanswered == [in_doubt]
    assert who.write(*LEAVE, may_be=Unanswered("book", "u-1", 2), patient=False).code == "rate_limited"
    assert record.unanswered == [in_doubt]
    assert line.hung_up == 0


def test_a_write_is_hung_up_on_and_asked_again_and_must_give_the_same() -> None:
    replayed = says(200, 4, {"Idempotency-Replayed": "true"})
    line = Scripted(says(200, 4), replayed)
    who, record = client(line, Always)
    assert who.write(*LEAVE).status == 200
    assert line.hung_up == 1
    assert line.asked[0] == line.asked[1]
    assert record.counts == {"hung up, and asked again": 1, "answers asked for again": 1}
    for other in (says(200, 5, {"Idempotency-Replayed": "true"}), says(200, 4)):
        line.answers = [says(200, 4), other]
        with pytest.raises(OutOfContractError, match=r"again"):
            who.write(*LEAVE)
    assert len(line.failures) == 2


@pytest.mark.parametrize(
    ("heard", "fault"),
    [
        (says(500), "500 is no answer"),
        (refuses(409, "sold_out"), "409 sold_out is no answer"),
        (refuses(404, "no_such_event"), "404 is no answer"),
        (says(201), "201 is no answer"),
        (refuses(409, "wrong_status", status=410), "the body says 410"),
        (refuses(409, "wrong_status", code=None), "cannot be read"),
        (refuses(429, "rate_limited"), "Retry-After is None|cannot be read|retryAfterSeconds None"),
        (a.Heard(200, {"Content-Type": "application/json"}, b"{}"), "Onsale-Seq is ''"),
        (says(200, headers={"Content-Type": "text/html"}), "the Content-Type of a 200"),
        (says(200, seq="1"), "cannot be read"),
        (says(200, headers={"Onsale-Seq": "9"}), "answered with seq 1, and Onsale-Seq 9"),
    ],
)
def test_an_answer_that_is_not_of_the_contract_is_a_failure(heard: a.Heard, fault: str) -> None:
    if heard.status == 429 and "Retry-After" not in heard.headers:
        heard = refuses(429, "rate_limited", retryAfterSeconds=3)._replace(
            headers={"Onsale-Seq": "1", "Content-Type": "application/problem+json"}
        )
    line = Scripted(heard)
    who, record = client(line)
    with pytest.raises(OutOfContractError, match=fault):
        who.write(*LEAVE)
    assert len(line.failures) == record.counts["faults"] == 1


def test_who_has_written_must_see_it() -> None:
    line = Scripted(says(200, 7), says(200, 6))
    who, _ = client(line)
    who.write(*LEAVE)
    with pytest.raises(OutOfContractError, match="Onsale-Seq is 6, and this user was told 7"):
        who.read("booking", "/booking/1", {200: a.Left}, own=True)
    assert line.asked[1][2]["Onsale-Min-Seq"] == "7"


# --- people and a node that lies

PLAN = Plan(
    host="http://x", folder=".", run_id="r", seconds=60, users=1, shape="onsale", room=1, seated=2, halls=(3,),
    small=(4,), thinks_seconds=0.0,
)  # fmt: skip


def event(event_id: int = 3, **more: object) -> dict[str, Any]:
    counts = {"capacity": 50, "available": 50, "held": 0, "sold": 0, "waiting": 0}
    return {
        "id": event_id, "name": "E", "startsAt": "2098-06-01T20:00:00Z", "venue": "", "city": "", "country": "",
        "category": "", "status": "on_sale", "currency": "EUR", "priceFrom": "39.50", "available": 50,
        "maxPerUser": 4, "waitlist": "strict", "challenge": "none", "waitingRoom": None,
        "ticketTypes": [{"id": 1, "name": "Floor", "price": "39.50"} | counts],
    } | more  # fmt: skip


def held(booking_id: int, user_id: str, event_id: int, quantity: int, /, **more: object) -> dict[str, Any]:
    return {
        "bookingId": booking_id, "status": "held", "userId": user_id, "eventId": event_id, "ticketType": "Floor",
        "quantity": quantity, "amount": f"{39.5 * quantity:.2f}", "currency": "EUR", "seats": [],
        "expiresAt": "2026-11-22T10:00:00.000Z", "expiresInSeconds": 10,
    } | more  # fmt: skip


def person(line: Scripted, chance: type[random.Random] = Never) -> Person:
    seconds = iter(range(10_000))
    who = Person(PLAN, "Buyer", 1, line, lambda: float(next(seconds)), {})
    who.chance = chance(1)
    who.client = Client(line, who.record, {}, Never())
    return who


@pytest.mark.parametrize(
    ("lie", "fault"),
    [
        ({"quantity": 3}, "asked for"),
        ({"amount": "1.00"}, "asked for"),
        ({"userId": "other"}, "asked for"),
        ({"expiresAt": None}, "does not say until when"),
        ({"status": "confirmed"}, "neither held nor waiting"),
    ],
)
def test_a_hold_of_something_else_is_a_failure(lie: dict[str, Any], fault: str) -> None:
    line = Scripted(says(200, **event()), says(201, **held(9, "r-1", 3, 2, **lie)))
    who = person(line)
    with pytest.raises(OutOfContractError, match=fault):
        who.book(who.look_at_event(3), 2)
    assert len(line.failures) == 1


def test_tickets_that_are_too_few_or_twice_the_same_are_a_failure() -> None:
    paid = {"paymentId": 1, "status": "succeeded", "bookingId": 9, "bookingStatus": "confirmed", "amount": "79.00"}
    for codes, fault in ((["a"], "was given 1"), (["a", "a"], "has tickets")):
        line = Scripted(says(200, **paid, currency="EUR", tickets=[{"code": code} for code in codes]))
        with pytest.raises(OutOfContractError, match=fault):
            person(line).pay(ToldBooking(9, "r-1", 3, 2, "79.00", "held"))


def shown(booked: dict[str, Any], **more: object) -> dict[str, Any]:
    return booked | {"position": None, "tickets": []} | more


def test_a_hold_that_never_lapses_is_a_failure() -> None:
    booked: dict[str, Any] = {}

    def answer(method: str, path: str, body: Any) -> a.Heard:
        if path == "/booking":
            booked.update(held(9, body["userId"], body["eventId"], body["quantity"]))
            return says(201, **booked)
        return says(200, **(event(int(path[8:])) if path.startswith("/events") else shown(booked)))

    line = Scripted(by=answer)
    with pytest.raises(BrokenPromiseError, match="is held though its time is over"):
        dawdle(person(line))


def test_to_fall_back_in_line_is_a_failure() -> None:
    positions, booked = iter((4, 3, 5)), dict[str, Any]()

    def answer(method: str, path: str, body: Any) -> a.Heard:
        if path == "/booking":
            waits = {"status": "waiting", "position": 4, "expiresAt": None, "expiresInSeconds": None}
            booked.update(held(9, "r-1", 4, body["quantity"], **waits))
            return says(202, **booked)
        if path.startswith("/events"):
            return says(200, **event(4))
        return says(200, **shown(booked, position=next(positions)))

    with pytest.raises(BrokenPromiseError, match="was number 3 in line for booking 9, and is 5"):
        come_back(person(Scripted(by=answer)))


def test_a_queue_that_goes_back_is_a_failure() -> None:
    serving = iter((5, 4))

    def answer(method: str, path: str, body: Any) -> a.Heard:
        if path.endswith("/queue"):
            room = {"state": "open", "lastNumber": 9, "admitPerMinute": 600, "available": 5}
            return says(200, **room, nowServing=next(serving), refreshIntervalSeconds=2)
        counts = {"id": 1, "available": 5, "held": 0, "sold": 0, "waiting": 0}
        return says(200, eventId=1, status="on_sale", available=5, ticketTypes=[counts])

    with pytest.raises(BrokenPromiseError, match="the queue went back from 5 to 4"):
        refresh(person(Scripted(by=answer)))


# --- bots


def challenge(number: int = 7) -> dict[str, Any]:
    found = hashlib.sha256(f"salt{number}".encode()).hexdigest()
    return {"algorithm": "SHA-256", "challenge": found, "maxnumber": 50, "salt": "salt", "signature": "s"}


def test_a_challenge_is_solved_as_its_rule_says() -> None:
    rested: list[None] = []
    assert json.loads(base64.b64decode(solution(challenge(), lambda: rested.append(None))))["number"] == 7
    assert len(rested) == 1
    with pytest.raises(ValueError, match="no number up to 50"):
        solution(challenge(51))
    assert json.loads(base64.b64decode(encoded(challenge(), 51)))["number"] == 51


class Gullible:
    """A node that refuses every trick but one."""

    def __init__(self, falls_for: str = "") -> None:
        self.falls_for = falls_for
        self.used: set[str] = set()
        self.holds: dict[int, tuple[str, int]] = {}
        self.tokens: dict[str, str] = {}
        self.seq = 0

    def __call__(self, method: str, path: str, body: Any) -> a.Heard:
        self.seq += 1
        if path.startswith("/challenge"):
            return a.Heard(200, says(200, self.seq).headers, json.dumps(challenge()).encode())
        if path.endswith("/queue"):
            return self.join(body)
        if path == "/booking":
            return self.book(body)
        if path == "/pay":
            return self.pay(body)
        if method == "DELETE" and path.startswith("/booking/"):
            user_id, quantity = self.holds.pop(int(path.rpartition("/")[2]))
            gone = held(int(path.rpartition("/")[2]), user_id, 3, quantity, status="cancelled")
            return says(200, self.seq, **gone)
        event_id = int(path.split("/")[2])
        return says(200, self.seq, **event(event_id))

    def refused(self, code: str, reason: str, status: int = 403) -> a.Heard | None:
        trick = f"{code} {reason}".strip()
        return None if trick == self.falls_for else refuses(status, code, self.seq, reason=reason or None)

    def join(self, body: Any) -> a.Heard:
        sent = body.get("challenge")
        number = -1 if sent is None else json.loads(base64.b64decode(sent))["number"]
        reason = "missing" if sent is None else "invalid" if number != 7 else "used" if sent in self.used else ""
        if reason and (answer := self.refused("challenge_required", reason)):
            return answer
        self.used.add(sent or "")
        token = f"t-{self.seq}"
        self.tokens[token] = body["userId"]
        joined = {"number": self.seq, "token": token, "nowServing": 0, "estimatedWaitSeconds": 1, "servable": True}
        return says(201, self.seq, **joined, status="waiting")

    def book(self, body: Any) -> a.Heard:
        user_id, quantity = body["userId"], body["quantity"]
        if body["eventId"] == 1:
            token = body.get("queueToken", "")
            if answer := self.refused("queue_required", "foreign" if token in self.tokens else "missing"):
                return answer
        has = sum(quantity for owner, quantity in self.holds.values() if owner == user_id)
        if has + quantity > 4 and (answer := self.refused("limit_per_user", "", 422)):
            return answer
        self.holds[self.seq] = (user_id, quantity)
        return says(201, self.seq, **held(self.seq, user_id, body["eventId"], quantity))

    def pay(self, body: Any) -> a.Heard:
        user_id, _ = self.holds[body["bookingId"]]
        too_little = body["amount"] == "0.01"
        code, status = ("amount_mismatch", 422) if too_little else ("forbidden", 403)
        if (too_little or body["userId"] != user_id) and (answer := self.refused(code, "", status)):
            return answer
        paid = {"paymentId": 1, "status": "succeeded", "bookingId": body["bookingId"], "bookingStatus": "confirmed"}
        return says(200, self.seq, **paid, amount="39.50", currency="EUR", tickets=[{"code": "a"}])


def test_a_bot_that_is_refused_everywhere_is_content() -> None:
    line = Scripted(by=Gullible())
    who = person(line)
    cheat(who)
    assert not line.failures
    assert "faults" not in who.record.counts
    assert len(line.asked) > 20


@pytest.mark.parametrize(
    "trick",
    [
        "challenge_required missing", "challenge_required invalid", "challenge_required used",
        "queue_required missing", "queue_required foreign", "limit_per_user", "amount_mismatch", "forbidden",
    ],
)  # fmt: skip
def test_what_a_bot_gets_by_a_trick_is_a_failure(trick: str) -> None:
    who = person(Scripted(by=Gullible(trick)))
    with pytest.raises(OutOfContractError):
        cheat(who)
    assert who.record.counts["faults"] == 1


def test_a_bot_that_is_refused_for_the_wrong_reason_is_a_failure() -> None:
    class Confused(Gullible):
        def refused(self, code: str, reason: str, status: int = 403) -> a.Heard | None:
            return (
                refuses(403, code, self.seq, reason="expired")
                if reason == "used"
                else super().refused(code, reason, status)
            )

    with pytest.raises(BrokenPromiseError, match="challenge_required used is right"):
        cheat(person(Scripted(by=Confused())))

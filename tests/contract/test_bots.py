"""What bots try, against a real node, and the code each try is refused with. Honest users beside them are served.

`-s` prints what the tries cost; `loadtest/bench_bots.py` measures it properly.
"""

import os
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from onsale.tests.contract.asking import Answer, Caller
from onsale.tests.http.access.solving import encoded, number_of, solution_of
from onsale.tests.processes.nodes import Node

TYPES = [{"name": "Standing", "price": "10.00", "capacity": 1_000}]
NUMBER_MAX = 2_000
BROWSER = "Mozilla/5.0 (X11; Linux x86_64)"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """Tests come from loopback, so that must not be exempt; each says through the trusted proxy who it is."""
    flags = (
        "--limit-per-user", "10/25", "--limit-per-address", "5/200", "--limit-exempt", "198.51.100.0/24",
        "--trusted-proxies", "127.0.0.0/8", "--challenge-number-max", str(NUMBER_MAX),
    )  # fmt: skip
    with Node(tmp_path_factory.mktemp("bots") / "data", *flags) as node:
        yield node
        assert node.stop() == 0, node.lines


class Client:
    """Somebody at an address of their own."""

    def __init__(self, node: Node, address: str, agent: str = BROWSER) -> None:
        self.call, self.address, self.agent = Caller(node.url), address, agent
        self.name = f"user-{uuid.uuid4()}"

    def __call__(self, method: str, path: str, body: Any = None, *, key: str | None = None) -> Answer:
        return self.call(method, path, body, key=key, X_Forwarded_For=self.address, User_Agent=self.agent)

    def event(self, **fields: Any) -> int:
        body = {"name": "Rush", "startsAt": "2099-01-01T20:00:00Z", "ticketTypes": TYPES} | fields
        answer = self("POST", "/events", body)
        assert answer.status == 201, answer
        return int(answer.json["id"])

    def challenge(self, event_id: int | None = None) -> dict[str, Any]:
        answer = self("GET", "/challenge" if event_id is None else f"/challenge?event_id={event_id}")
        assert answer.status == 200, answer
        found: dict[str, Any] = answer.json
        return found

    def book(
        self, event_id: int, user: str, challenge: str | None = None, key: str | None = None, **more: Any
    ) -> Answer:
        body = {"userId": user, "eventId": event_id} | more
        return self("POST", "/booking", body if challenge is None else body | {"challenge": challenge}, key=key)

    def solved(self, event_id: int | None = None) -> str:
        return solution_of(self.challenge(event_id))


@pytest.fixture
def shop(node: Node) -> Client:
    """An exempt desk."""
    return Client(node, "198.51.100.7")


@pytest.fixture
def bot(node: Node) -> Client:
    return Client(node, address(), agent="python-requests/2.32")


def address() -> str:
    """One that nobody else has."""
    number = uuid.uuid4().int
    return f"10.{number % 256}.{number // 256 % 256}.{number // 65_536 % 256}"


def why(answer: Answer) -> str:
    assert (answer.status, answer.code) == (403, "challenge_required"), answer
    assert answer.json["challenge"] == "proof_of_work"
    return str(answer.json["reason"])


def test_an_honest_user(shop: Client, node: Node) -> None:
    event_id = shop.event(challenge="proof_of_work")
    honest = Client(node, address())
    assert shop("GET", f"/events/{event_id}").json["challenge"] == "proof_of_work"
    assert honest.book(event_id, "ann", honest.solved(event_id)).status == 201
    assert honest.book(event_id, "bob", honest.solved()).status == 201


def test_skipping_the_challenge(shop: Client, bot: Client) -> None:
    event_id = shop.event(challenge="proof_of_work")
    assert why(bot.book(event_id, bot.name)) == "missing"
    assert why(bot.book(event_id, bot.name, "")) == "invalid"


def test_replaying_one(shop: Client, bot: Client) -> None:
    event_id = shop.event(challenge="proof_of_work", maxHoldsPerUser=10)
    solution = bot.solved(event_id)
    first = bot.book(event_id, bot.name, solution, key="once")
    assert first.status == 201
    assert why(bot.book(event_id, bot.name, solution)) == "used"
    assert why(bot.book(event_id, "other", solution)) == "used"
    assert why(bot.book(event_id, bot.name, solution, key="twice")) == "used"
    again = bot.book(event_id, bot.name, solution, key="once")  # the same request once more is no replay
    assert again.replayed
    assert again.body == first.body


def test_racing_with_one(shop: Client, bot: Client) -> None:
    event_id = shop.event(challenge="proof_of_work")
    solution = bot.solved(event_id)
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda number: bot.book(event_id, f"racer-{number}", solution), range(12)))
    assert sorted(answer.status for answer in answers) == [201] + [403] * 11


def test_forging_one(shop: Client, bot: Client) -> None:
    event_id, other_id = shop.event(challenge="proof_of_work"), shop.event(challenge="proof_of_work")
    ours = bot.challenge()
    number = number_of(ours)
    forged = [
        "forged",
        encoded({"algorithm": "SHA-256"}),
        solution_of(ours, number=number + 1),
        solution_of(ours, number=number, signature="0" * 64),
        solution_of(ours, number=number, salt=ours["salt"].replace("expires=", "expires=9")),
        solution_of(ours, number=number, algorithm="SHA-1"),
    ]
    assert [why(bot.book(event_id, bot.name, each)) for each in forged] == ["invalid"] * len(forged)
    assert why(bot.book(event_id, bot.name, bot.solved(other_id))) == "other_event"
    assert bot.book(event_id, bot.name, solution_of(ours, number=number)).status == 201


def test_a_refused_try_costs_a_challenge_as_well(shop: Client, bot: Client) -> None:
    event_id = shop.event(challenge="proof_of_work", maxPerUser=2)
    solution = bot.solved(event_id)
    assert bot.book(event_id, bot.name, solution, quantity=3).code == "limit_per_user"
    assert why(bot.book(event_id, bot.name, solution, quantity=2)) == "used"


@pytest.mark.parametrize(
    ("quantity", "code"), [(0, "invalid_field"), (-1, "invalid_field"), (11, "limit_per_user"), ("2", "invalid_field"),
    (10**9, "invalid_field")],
)  # fmt: skip
def test_editing_quantities(shop: Client, bot: Client, quantity: Any, code: str) -> None:
    assert bot.book(shop.event(), bot.name, quantity=quantity).code == code


def test_several_bookings_do_not_pass_the_limit(shop: Client, bot: Client) -> None:
    event_id = shop.event(maxPerUser=4)
    assert [bot.book(event_id, bot.name, quantity=2).status for _ in range(3)] == [201, 201, 422]


def test_one_hold_at_a_time_where_people_prove_that_they_are(shop: Client, bot: Client) -> None:
    event_id = shop.event(challenge="proof_of_work")
    assert bot.book(event_id, bot.name, bot.solved()).status == 201
    assert bot.book(event_id, bot.name, bot.solved()).code == "limit_per_user"


# --- the waiting room


@pytest.fixture
def room(shop: Client) -> int:
    """An event with a waiting room that lets everybody in at once, and a challenge at its door."""
    return shop.event(challenge="proof_of_work", waitingRoom={"admitPerMinute": 60_000}, maxPerUser=4)


def joined(client: Client, event_id: int, user: str) -> Answer:
    return client("POST", f"/events/{event_id}/queue", {"userId": user, "challenge": client.solved(event_id)})


def admitted(client: Client, event_id: int, user: str) -> str:
    """The token of somebody whose turn it is."""
    answer = joined(client, event_id, user)
    assert answer.status == 201, answer
    token = str(answer.json["token"])
    until = time.monotonic() + 10
    while not client("GET", f"/events/{event_id}/queue/{token}").json["admitted"]:
        assert time.monotonic() < until
        time.sleep(0.02)
    return token


def queue_code(answer: Answer) -> str:
    assert (answer.status, answer.code) == (403, "queue_required"), answer
    return str(answer.json["reason"])


def test_skipping_the_waiting_room(room: int, bot: Client) -> None:
    assert queue_code(bot.book(room, bot.name)) == "missing"
    assert queue_code(bot.book(room, bot.name, bot.solved(room))) == "missing"  # a challenge is no place


def test_joining_without_a_challenge_or_with_a_used_one(room: int, bot: Client) -> None:
    path = f"/events/{room}/queue"
    assert why(bot("POST", path, {"userId": bot.name})) == "missing"
    assert why(bot("POST", path, {"userId": bot.name, "challenge": "forged"})) == "invalid"
    solution = bot.solved(room)
    assert bot("POST", path, {"userId": bot.name, "challenge": solution}).status == 201
    assert why(bot("POST", path, {"userId": bot.name + "-2", "challenge": solution})) == "used"


def test_one_place_per_user_however_often_they_join(room: int, bot: Client) -> None:
    first = joined(bot, room, bot.name)
    again = [joined(bot, room, bot.name) for _ in range(3)]
    again.append(bot("POST", f"/events/{room}/queue", {"userId": bot.name}))  # who has a place needs to prove nothing
    assert {answer.status for answer in again} == {200}
    assert {answer.json["number"] for answer in again} == {first.json["number"]}


def test_sharing_forging_and_reusing_a_place(room: int, shop: Client, bot: Client) -> None:
    token = admitted(bot, room, "owner")
    assert queue_code(bot.book(room, "friend", queueToken=token)) == "foreign"
    assert queue_code(bot.book(room, "owner", queueToken=token[:-1] + ("A" if token[-1] != "A" else "B"))) == "missing"
    assert queue_code(bot.book(room, "owner", queueToken="")) == "missing"
    other_id = shop.event(waitingRoom={"admitPerMinute": 60_000})
    assert queue_code(bot.book(other_id, "owner", queueToken=token)) in {"missing", "foreign"}
    assert bot.book(room, "owner", queueToken=token).status == 201
    assert bot.book(room, "owner", queueToken=token).code == "limit_per_user"  # one hold at a time
    suspected = [fact for fact in facts(shop, room) if fact["type"] == "suspected"]
    assert [fact["userId"] for fact in suspected] == ["owner"]
    assert "friend" not in str([fact for fact in facts(shop, room) if fact["type"] == "held"])


# --- more than is good


def test_one_user_from_many_addresses(shop: Client, node: Node) -> None:
    event_id, user = shop.event(maxPerUser=1), f"rotating-{uuid.uuid4()}"
    codes = [Client(node, address()).book(event_id, user).code for _ in range(40)]
    limited = codes.index("rate_limited")
    assert limited >= 25
    assert set(codes[1:limited]) == {"limit_per_user"}


def test_many_users_from_one_address(shop: Client, bot: Client) -> None:
    event_id = shop.event()
    answers = [bot.book(event_id, f"rotating-{number}") for number in range(260)]
    assert "rate_limited" in [answer.code for answer in answers]
    refusal = next(answer for answer in answers if answer.code == "rate_limited")
    assert (refusal.status, refusal.json["limit"]) == (429, "address")
    assert shop("GET", f"/events/{event_id}").status == 200
    suspected = [fact for fact in facts(shop, event_id) if fact["type"] == "suspected"]
    assert suspected
    assert all(fact["score"] >= 25 for fact in suspected)


def test_many_addresses_of_one_network(shop: Client, node: Node) -> None:
    """IPv6: whoever has a /64 has one bucket."""
    network = f"2001:db8:{uuid.uuid4().int % 65_536:x}:1"
    with ThreadPoolExecutor(8) as pool:
        ask = lambda number: Client(node, f"{network}::{number:x}")("GET", "/events?limit=1")  # noqa: E731
        codes = list(pool.map(ask, range(1, 320)))
    assert 429 in {answer.status for answer in codes}


def test_hammering_refresh(shop: Client, bot: Client, node: Node) -> None:
    event_id = shop.event()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: bot("GET", f"/events/{event_id}/availability"), range(400)))
    refused = [answer for answer in answers if answer.status == 429]
    assert refused
    assert {answer.code for answer in refused} == {"rate_limited"}
    assert Client(node, address())("GET", f"/events/{event_id}/availability").status == 200
    assert bot("GET", "/healthz").status == 200


def test_lying_about_the_address(shop: Client, node: Node) -> None:
    """What a client writes before the proxy does is not believed."""
    own = address()
    codes = {Client(node, f"203.0.113.{number % 250}, {own}")("GET", "/events?limit=1").status for number in range(300)}
    assert 429 in codes


def test_what_it_costs(shop: Client, node: Node) -> None:
    event_id = shop.event(challenge="proof_of_work")
    client = Client(node, "198.51.100.8")
    began = time.perf_counter()
    challenges = [client.challenge(event_id) for _ in range(20)]
    asked_seconds = (time.perf_counter() - began) / 20
    began = time.perf_counter()
    solutions = [solution_of(challenge) for challenge in challenges]
    solved_seconds = (time.perf_counter() - began) / 20
    began, cpu = time.perf_counter(), cpu_seconds(node)
    for _ in range(200):
        client.book(event_id, f"costly-{uuid.uuid4()}", "forged")
    cpu_us = (cpu_seconds(node) - cpu) / 200 * 1e6
    print(
        f"\nbot: {asked_seconds * 1e3:.1f} ms per challenge, {solved_seconds * 1e3:.1f} ms to solve one of {NUMBER_MAX}"
        f"; node: about {cpu_us:.0f} µs of CPU per forged try with a connection of its own"
    )
    assert client.book(event_id, "honest", solutions[0]).status == 201
    metrics = client.call.raw(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").decode()
    assert 'onsale_gate_refusals_total{reason="challenge_invalid"}' in metrics
    assert "onsale_challenge_number_max" in metrics


def cpu_seconds(node: Node) -> float:
    assert node.process is not None
    fields = Path(f"/proc/{node.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def facts(client: Client, event_id: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    path: str | None = "/journal?limit=100"
    while path:
        page = client("GET", path)
        found += [fact for fact in page.json if fact.get("eventId") == event_id]
        path = page.next
    return found

"""What may pass to the command loop, on an engine in memory: limits, challenges, verdicts, evidence."""

import json
import logging
from typing import Any

import pytest

from onsale.engine import commands as c
from onsale.engine.commands import Evidence, Proof, SaveTicketKey
from onsale.engine.status import (
    SIGNAL_CROWDED_ADDRESS,
    SIGNAL_FOREIGN_TOKEN,
    SIGNAL_LIMITED_BEFORE,
    SIGNAL_NO_BROWSER,
    SIGNAL_USED_CHALLENGE,
)
from onsale.http.access.addresses import parse_networks
from onsale.http.access.auth import LOCAL_OPERATOR, Authenticator, Principal
from onsale.http.access.buckets import Limit
from onsale.http.access.gate import FORWARDED_ADDRESS, Checked, Gate, GateSettings
from onsale.http.access.verdict import RejectedTokenError
from onsale.http.call import Answer, Call
from onsale.http.gateway import UnavailableError
from onsale.http.idempotency import key_of
from onsale.http.problems import RefusedError
from onsale.tests.http.access.solving import solution_of
from onsale.tests.http.api_calls import KEY, as_call, token_of
from onsale.tests.http.engine_gateway import START_MS, EngineGateway

SECOND_NS = 1_000_000_000
OUTSIDE_ADDRESS = "192.0.2.1"
ANN = Principal("ann", "user")


class Door:
    """A gate, its gateway and its clock."""

    def __init__(self, *, secured: bool = True, **settings: Any) -> None:
        self.gateway = EngineGateway()
        self.gateway.decide(SaveTicketKey(b"k" * 32))
        self.now_ns = SECOND_NS
        authenticator = Authenticator.with_key(KEY) if secured else Authenticator.open()
        self.gate = Gate(
            GateSettings(**({"challenge_number_max": 50} | settings)),
            lambda: self.gateway,
            authenticator,
            clock_ns=lambda: self.now_ns,
        )

    def event(self, **fields: Any) -> int:
        types = (c.TypeSpec("seat", "10.00", 10),)
        reply = self.gateway.decide(c.CreateEvent(name="Gig", starts_ms=START_MS + 10**9, types=types, **fields))
        return int(reply.event_id)  # type: ignore[union-attr]

    def check(self, event_id: int, user: str = "ann", challenge: str | None = None, **more: Any) -> Checked:
        call = more.pop("call", None) or a_call()
        principal = more.pop("principal", Principal(user, "user"))
        checked = self.gate.check(call, principal, event_id, user, challenge, **more)
        assert isinstance(checked, tuple)
        return checked

    def solution(self, event_id: int = 0) -> str:
        return solution_of(json.loads(self.gate.new_challenge(event_id)))


def a_call(remote: str | None = OUTSIDE_ADDRESS, body: Any = None, **headers: str) -> Call:
    call = as_call("POST", "/booking", body, **headers)
    call.remote = remote
    return call


def said(refusal: RefusedError | Answer) -> dict[str, Any]:
    answer = refusal.answer if isinstance(refusal, RefusedError) else refusal
    body: dict[str, Any] = json.loads(answer.body)
    assert body["seq"] == int(dict(answer.headers)["Onsale-Seq"])
    return body


def why(door: Door, event_id: int, challenge: str | None = None, **more: Any) -> str:
    with pytest.raises(RefusedError) as caught:
        door.check(event_id, challenge=challenge, **more)
    body = said(caught.value)
    assert body["code"] == "challenge_required"
    assert body["challenge"] == "proof_of_work"
    return str(body["reason"])


# --- limits


def test_a_user_who_asks_too_often_is_told_when_to_come_back() -> None:
    door = Door(per_user=Limit(2, 3))
    event_id = door.event()
    for _ in range(3):
        assert door.check(event_id) == (None, None)
    with pytest.raises(RefusedError) as caught:
        door.check(event_id)
    body = said(caught.value)
    assert (body["status"], body["code"], body["retryAfterSeconds"], body["limit"]) == (429, "rate_limited", 1, "user")
    assert dict(caught.value.answer.headers)["Retry-After"] == "1"
    assert door.check(event_id, "bob") == (None, None)
    door.now_ns += SECOND_NS // 2
    proof, evidence = door.check(event_id)
    assert proof is None
    assert evidence == Evidence(40, SIGNAL_LIMITED_BEFORE | SIGNAL_NO_BROWSER)
    assert door.gate.refusals == {"limit_per_user": 1}


@pytest.mark.parametrize("role", ["service", "organiser", "operator"])
def test_who_acts_for_many_is_not_counted(role: Any) -> None:
    door = Door(per_user=Limit(1, 1), per_address=Limit(1, 1))
    event_id = door.event()
    call = a_call(Authorization=f"Bearer {token_of(role, 'shop')}")
    for _ in range(30):
        assert door.gate.limited(call) is None
        assert door.check(event_id, "ann", principal=Principal("shop", role), call=call) == (None, None)


def test_where_nobody_is_known_everybody_is_counted() -> None:
    door = Door(secured=False, per_user=Limit(1, 1), per_address=Limit(1, 1))
    event_id = door.event()
    assert door.check(event_id, principal=LOCAL_OPERATOR) == (None, None)
    with pytest.raises(RefusedError):
        door.check(event_id, principal=LOCAL_OPERATOR)
    assert door.gate.limited(a_call()) is None
    assert door.gate.limited(a_call()) is not None


def test_an_address_that_asks_too_often() -> None:
    door = Door(per_address=Limit(1, 2))
    for _ in range(2):
        assert door.gate.limited(a_call("2001:db8::1")) is None
    answer = door.gate.limited(a_call("2001:db8::2"))  # of the same /64
    assert answer is not None
    assert said(answer)["code"] == "rate_limited"
    assert said(answer)["limit"] == "address"
    assert door.gate.limited(a_call("2001:db8:0:1::1")) is None
    assert door.gate.limited(a_call("2001:db8::1", Authorization=f"Bearer {token_of('user', 'ann')}")) is not None


def test_exempt_addresses_are_not_counted() -> None:
    door = Door(per_address=Limit(1, 1), exempt=parse_networks("198.51.100.0/24"))
    for remote in ("198.51.100.7", None):
        assert [door.gate.limited(a_call(remote)) for _ in range(9)] == [None] * 9
    assert door.gate.limited(a_call("127.0.0.1")) is None
    assert door.gate.limited(a_call("127.0.0.1")) is not None


def test_nothing_is_limited_unless_that_is_asked_for() -> None:
    door = Door()
    event_id = door.event()
    for _ in range(3_000):
        assert door.gate.limited(a_call()) is None
        assert door.check(event_id) == (None, None)


def test_a_forwarded_call_is_its_clients_and_nobody_else_can_say_so() -> None:
    standby, primary = Door(), Door(per_address=Limit(1, 1))
    forwarded = standby.gate.passed_on(a_call("192.0.2.7"))
    for remote, expected in (("10.0.0.1", None), ("10.0.0.2", 429)):
        forwarded.remote = remote
        answer = primary.gate.limited(forwarded)
        assert (answer and answer.status) == expected
    assert primary.gate.limited(a_call("10.0.0.1")) is None  # the standby's own address was not counted
    for claimed in ("198.51.100.1", "198.51.100.1 ", "198.51.100.1 ü", f"198.51.100.1 {'0' * 32}"):
        answer = primary.gate.limited(a_call("10.0.0.1", **{FORWARDED_ADDRESS.replace("-", "_"): claimed}))
        assert answer is not None
    lied = standby.gate.passed_on(a_call("192.0.2.8", **{FORWARDED_ADDRESS.replace("-", "_"): "198.51.100.1 x"}))
    assert lied.headers[FORWARDED_ADDRESS].startswith("192.0.2.8 ")


# --- challenges


def test_an_event_that_asks_for_none_takes_none() -> None:
    door = Door()
    event_id = door.event()
    assert door.check(event_id, challenge="whatever") == (None, None)
    assert door.check(99) == (None, None)


def test_each_way_in_which_a_challenge_does_not_count() -> None:
    door = Door()
    event_id, other_id = door.event(challenge=1), door.event(challenge=1)
    assert why(door, event_id) == "missing"
    assert why(door, event_id, "forged") == "invalid"
    assert why(door, event_id, door.solution(other_id)) == "other_event"
    solution = door.solution(event_id)
    door.gateway.clock_ms += 300_000
    assert why(door, event_id, solution) == "expired"
    assert door.gate.refusals == {
        "challenge_missing": 1, "challenge_invalid": 1, "challenge_other_event": 1, "challenge_expired": 1,
    }  # fmt: skip


def test_a_solved_one_is_a_proof_and_counts_once() -> None:
    door = Door()
    event_id = door.event(challenge=1)
    solution = door.solution()
    proof, evidence = door.check(event_id, challenge=solution)
    assert isinstance(proof, Proof)
    assert evidence is None
    door.gateway.decide(booking(event_id, proof))
    assert why(door, event_id, solution, user="bob") == "used"
    proof, evidence = door.check(event_id, "bob", door.solution(event_id))
    assert proof is not None
    assert evidence is not None
    assert evidence.signals == SIGNAL_USED_CHALLENGE | SIGNAL_NO_BROWSER


def test_an_answer_to_a_key_is_left_to_the_engine() -> None:
    door = Door()
    event_id = door.event(challenge=1)
    solution = door.solution()
    call = a_call(body={"challenge": solution}, Idempotency_Key="k-1")
    proof, _ = door.check(event_id, challenge=solution, call=call)
    assert proof is not None
    door.gateway.submit(booking(event_id, proof), key_of(call, ANN), lambda _reply, _replayed: None)
    assert door.check(event_id, challenge=solution, call=call)[0] == proof
    assert why(door, event_id, solution, call=a_call(body={"challenge": solution}, Idempotency_Key="k-2")) == "used"
    assert why(door, event_id, call=a_call(Idempotency_Key="k-2")) == "missing"


@pytest.mark.parametrize("event", [{"on_sale_ms": START_MS + 5_000}])
def test_who_will_be_refused_anyway_need_not_solve_any(event: dict[str, Any]) -> None:
    door = Door()
    assert door.check(door.event(challenge=1, **event)) == (None, None)


def test_a_program_between_browsers_is_told_by_what_it_does() -> None:
    door = Door()
    event_id = door.event()
    browser = a_call(User_Agent="Mozilla/5.0 (X11)")
    door.gate.saw(browser, "ann", SIGNAL_FOREIGN_TOKEN)
    assert door.check(event_id, "ann", call=browser)[1] == Evidence(40, SIGNAL_FOREIGN_TOKEN)
    for number in range(10):
        door.check(event_id, f"user-{number}", call=a_call("192.0.2.9"))
    evidence = door.check(event_id, "user-10", call=a_call("192.0.2.9"))[1]
    assert evidence == Evidence(40, SIGNAL_CROWDED_ADDRESS | SIGNAL_NO_BROWSER)
    for number in range(30):
        assert door.check(event_id, f"user-{number}", call=a_call("127.0.0.1"))[1] in (None, evidence)


def test_without_a_key_nothing_is_let_through_and_nothing_breaks() -> None:
    door = Door()
    event_id, solution = door.event(challenge=1), door.solution()
    door.gateway.state.secrets.rows.clear()
    for ask in (lambda: door.gate.new_challenge(0), lambda: door.check(event_id, challenge=solution)):
        with pytest.raises(RefusedError) as caught:
            ask()
        assert said(caught.value)["code"] == "overloaded"


def booking(event_id: int, proof: Proof | None) -> Any:
    return c.Book("ann", event_id, 300_000, proof=proof)


# --- somebody else's verdict


class Judge:
    """Stands for the service."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.fault: Exception | None = None

    async def ask(self, token: str, address: str) -> None:
        self.asked.append((token, address))
        if self.fault is not None:
            raise self.fault


@pytest.fixture
def judged() -> tuple[Door, Judge, int]:
    door, judge = Door(verdict_url="http://127.0.0.1:9/", verdict_secret="s"), Judge()
    door.gate._verdicts = judge  # type: ignore[assignment]
    return door, judge, door.event(challenge=2)


async def test_a_token_that_is_vouched_for_is_a_proof(judged: tuple[Door, Judge, int]) -> None:
    door, judge, event_id = judged
    assert door.gate.takes_verdicts
    proof, evidence = await awaited(door, event_id, "a-token")
    assert judge.asked == [("a-token", OUTSIDE_ADDRESS)]
    assert proof is not None
    assert proof.expires_ms == START_MS + 300_000
    assert evidence is None
    assert (await awaited(door, event_id, "b-token"))[0] != proof


async def test_one_that_was_used_is_not_asked_about(judged: tuple[Door, Judge, int]) -> None:
    door, judge, event_id = judged
    proof, _ = await awaited(door, event_id, "a-token")
    door.gateway.decide(booking(event_id, proof))
    with pytest.raises(RefusedError) as caught:
        await awaited(door, event_id, "a-token")
    assert said(caught.value)["reason"] == "used"
    assert len(judge.asked) == 1


@pytest.mark.parametrize(
    ("fault", "code"),
    [(RejectedTokenError("No."), "challenge_required"), (UnavailableError("Not now."), "overloaded")],
)
async def test_nobody_is_let_in_on_trust(judged: tuple[Door, Judge, int], fault: Exception, code: str) -> None:
    door, judge, event_id = judged
    judge.fault = fault
    with pytest.raises(RefusedError) as caught:
        await awaited(door, event_id, "a-token")
    assert said(caught.value)["code"] == code


async def test_a_node_that_has_nobody_to_ask_says_so() -> None:
    door = Door()
    assert not door.gate.takes_verdicts
    with pytest.raises(RefusedError) as caught:
        await awaited(door, door.event(challenge=2), "a-token")
    assert said(caught.value)["code"] == "overloaded"


async def awaited(door: Door, event_id: int, token: str) -> Checked:
    checked = door.gate.check(a_call(), ANN, event_id, "ann", token)
    assert not isinstance(checked, tuple)
    return await checked


def test_secrets_are_not_in_logs(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("x").debug("%s", GateSettings(verdict_secret="very-secret"))
    assert "very-secret" not in caplog.text

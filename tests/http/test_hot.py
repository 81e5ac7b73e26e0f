"""Which calls are hot, and that they are answered as on the plain path."""

from typing import Any

import pytest

from onsale.tests.http.api_calls import Calls, as_call

BOOKING = {"userId": "ada", "eventId": 1}


@pytest.fixture
async def calls() -> Calls:
    calls = Calls()
    await calls.event()
    return calls


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/booking"), ("PUT", "/booking"), ("POST", "/booking/"), ("POST", "/booking/1/refund"),
        ("GET", "/pay"), ("POST", "/events"), ("GET", "/events/1"), ("POST", "/events/1/availability"),
        ("HEAD", "/events/1/availability"), ("GET", "/events/x/availability"), ("GET", "/events/1/x/availability"),
        ("GET", "/events/-1/availability"), ("GET", "/events//availability"), ("GET", "/events/availability"),
        ("GET", "/availability"), ("OPTIONS", "/booking"), ("BREW", "/pay"),
    ],
)  # fmt: skip
def test_other_calls_are_left_alone(calls: Calls, method: str, target: str) -> None:
    def reply(answer: Any) -> None:
        raise AssertionError(f"answered, though not taken: {answer}")

    assert calls.hot(as_call(method, target, BOOKING), reply) is False


@pytest.mark.parametrize(
    ("method", "target", "body"),
    [
        ("POST", "/booking", BOOKING | {"eventId": 2}),
        ("POST", "/booking", b"{"),
        ("POST", "/booking", b""),
        ("POST", "/booking?x=1", BOOKING | {"quantity": 99}),
        ("POST", "/pay", BOOKING),
        ("POST", "/pay", BOOKING | {"amount": "49.90"}),
        ("GET", "/events/1/availability", None),
        ("GET", "/events/1/availability?_=17", None),
        ("GET", "/events/2/availability", None),
        ("GET", "/events/0/availability", None),
        ("GET", f"/events/{'9' * 30}/availability", None),
        ("GET", "/events/٣/availability", None),
    ],
)
async def test_both_paths_give_one_answer(calls: Calls, method: str, target: str, body: Any) -> None:
    assert calls.at_once(method, target, body) == await calls(method, target, body)


def test_an_accident_is_answered_and_logged(calls: Calls, caplog: pytest.LogCaptureFixture) -> None:
    calls.gateway.state.sales[1].types = None  # type: ignore[assignment]
    for got in (calls.at_once("GET", "/events/1/availability"), calls.at_once("POST", "/booking", BOOKING)):
        assert (got.status, got.code) == (500, "internal")
    assert caplog.text.count("Traceback") == 2

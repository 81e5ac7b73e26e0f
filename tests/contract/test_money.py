"""Money and messages as operators and organisers see them: the outbox, a cancelled event's progress, Stripe's news."""

import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from onsale.tests.contract.asking import Answer, Caller
from onsale.tests.processes.nodes import Node, free_port

SECRET = "whsec_of_the_contract_tests"


@pytest.fixture(scope="module")
def stripes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    """A node that takes Stripe's news, and asks for tokens otherwise."""
    environment = {
        "STRIPE_API_KEY": "sk_test_of_the_contract_tests",
        "STRIPE_API_BASE": f"http://127.0.0.1:{free_port()}",  # nobody is there: only Stripe's own news are of interest
        "STRIPE_WEBHOOK_SECRET": SECRET,
        "ONSALE_JWT_KEY": "a-key-of-tests-that-is-long-enough-to-be-one",
    }
    with Node(tmp_path_factory.mktemp("stripes") / "data", environment=environment) as node:
        yield Caller(node.url)
        assert node.stop() == 0, node.lines


def signature(body: bytes, secret: str = SECRET, at: float | None = None) -> str:
    """As Stripe documents it."""
    at_s = int(time.time() if at is None else at)
    digest = hmac.new(secret.encode(), f"{at_s}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at_s},v1={digest}"


def news(**changes: Any) -> bytes:
    event = {
        "id": "evt_contract",
        "object": "event",
        "api_version": "2025-01-01",
        "created": int(time.time()),
        "type": "payment_intent.succeeded",
        "data": {"object": {"id": "pi_x", "object": "payment_intent", "status": "succeeded", "metadata": {}}},
    }
    return json.dumps(event | changes).encode()


def test_an_event_that_is_cancelled_shows_its_progress(ask: Caller) -> None:
    event_id = ask.event(ticketTypes=[{"name": "A", "price": "10.00", "capacity": 10}])
    for user_id in ("pat", "quinn"):
        ask.paid(event_id, user_id)
    before = ask("GET", f"/events/{event_id}/progress").json
    assert (before["eventId"], before["status"], before["bookingsLeft"]) == (event_id, "on_sale", 0)
    assert ask("POST", f"/events/{event_id}/cancel").status == 200
    until = time.monotonic() + 10
    while True:
        progress = ask("GET", f"/events/{event_id}/progress").json
        assert progress["status"] == "cancelled"
        if not (progress["bookingsLeft"] or progress["refundsOwed"] or progress["messagesOwed"]):
            break
        assert time.monotonic() < until, progress
    assert (progress["refundsFailed"], progress["messagesDead"], progress["tellingOfChange"]) == (0, 0, False)
    told = ask("GET", "/users/pat/notifications").json
    assert [each["kind"] for each in told][:2] == ["refunded", "event_cancelled"]
    assert (told[0]["amount"], told[0]["currency"]) == ("10.00", "EUR")
    assert ask("GET", "/events/999999/progress").code == "no_such_event"


def test_the_outbox_of_a_node_that_owes_nothing(ask: Caller) -> None:
    shown = ask("GET", "/outbox").json
    assert shown["leads"] is True
    of_messages = {"mail", "mail_urgent", "webhooks", "webhooks_urgent"}
    assert {lane["name"] for lane in shown["lanes"]} == {"payments", "looks", "refunds", "bulk_refunds"} | of_messages
    assert (shown["refundsFailed"], shown["concerns"]) == ([], [])
    nothing = ask("POST", "/outbox/retry", {"all": True})
    assert (nothing.status, nothing.json["refundsRetried"], nothing.json["messagesRetried"]) == (200, 0, 0)
    unknown = ask("POST", "/outbox/retry", {"refundIds": [999], "deliveryIds": ["999"]}).json
    assert [each["code"] for each in unknown["notRetried"]] == ["not_found", "not_found"]
    closed = ask("POST", "/outbox/concerns/close", {"id": "dispute:none"}, key="close")
    assert (closed.status, closed.code) == (404, "not_found")


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/outbox/retry", {}, "refundIds"),
        ("/outbox/retry", {"refundIds": ["x"]}, "refundIds[0]"),
        ("/outbox/retry", {"all": True, "deliveryIds": [1]}, "all"),
        ("/outbox/concerns/close", {}, "id"),
        ("/outbox/concerns/close", {"id": 7}, "id"),
        ("/reconcile", {"since": "yesterday"}, "since"),
        ("/reconcile", {"since": 7}, "since"),
    ],
)
def test_orders_that_are_not_understood(ask: Caller, path: str, body: Any, field: str) -> None:
    answer = ask("POST", path, body)
    assert (answer.status, answer.code, answer.json["field"]) == (400, "invalid_field", field)


def test_the_books_agree(ask: Caller) -> None:
    answer = ask("POST", "/reconcile", {"since": "2026-01-01"})
    assert (answer.status, answer.json["provider"]) == (200, "test"), answer
    assert [each for each in answer.json["findings"] if not each["mended"]] == []


def test_webhooks_of_people_and_events_have_a_secret(ask: Caller) -> None:
    url = "https://example.org/hook"
    saved = ask("PUT", "/users/hooked", {"webhookUrl": url}).json
    assert saved["webhookSecret"].startswith("whsec_")
    assert ask("GET", "/users/hooked").json["webhookSecret"] == saved["webhookSecret"]
    assert ask("PUT", "/users/other", {"webhookUrl": url}).json["webhookSecret"] != saved["webhookSecret"]
    assert ask("PUT", "/users/hooked", {}).json["webhookSecret"] is None
    event_id = ask.event()
    changed = ask("PATCH", f"/events/{event_id}", {"webhookUrl": url}).json
    assert (changed["webhookUrl"], changed["webhookSecret"][:6]) == (url, "whsec_")
    assert b"whsec" not in ask("GET", f"/events/{event_id}").body
    assert "webhookUrl" not in ask("GET", f"/events/{event_id}").json


def test_news_without_a_secret_to_check_them_with(ask: Caller) -> None:
    for body in (b"", b"{}", news(), b"\xff"):
        answer = ask("POST", "/webhooks/stripe", body, Stripe_Signature=signature(body))
        assert (answer.status, answer.code) == (403, "forbidden")
        assert "STRIPE_WEBHOOK_SECRET" in answer.json["detail"]


def test_news_that_are_signed_need_no_token(stripes: Caller) -> None:
    answers: list[Answer] = []
    for _ in range(3):
        body = news()
        answers.append(stripes("POST", "/webhooks/stripe", body, Stripe_Signature=signature(body), Origin="https://x"))
    assert [(answer.status, answer.json["received"]) for answer in answers] == [(200, True)] * 3
    assert answers[1].seq == answers[2].seq, "taken once"
    assert stripes("GET", "/outbox").status == 401


@pytest.mark.parametrize(
    "sent",
    [
        "",
        "nonsense",
        "t=,v1=",
        "t=x,v1=00",
        f"t={10**30},v1=00",
        "v1=00",
        lambda body: signature(body, "another secret"),
        lambda body: signature(body + b" "),
        lambda body: signature(body, at=time.time() - 3_600),
    ],
)
def test_news_that_are_not_signed_are_refused(stripes: Caller, sent: Any) -> None:
    body = news(id="evt_forged")
    answer = stripes("POST", "/webhooks/stripe", body, Stripe_Signature=sent(body) if callable(sent) else sent)
    assert (answer.status, answer.code) == (400, "invalid_signature")


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b"null", b"not json", b"\xff\xfe", b'{"id":7,"type":[]}', b"[" * 60_000]
)
def test_signed_nonsense_is_no_fault_of_ours(stripes: Caller, body: bytes) -> None:
    answer = stripes("POST", "/webhooks/stripe", body, Stripe_Signature=signature(body))
    assert answer.status in (200, 400), answer

"""The OpenAPI document: whole, valid, and true of the calls as they are.

test_schemathesis.py finds out about made-up requests; here each answer the document promises is brought about.
"""

import json
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
import schemathesis

from onsale.engine.codes import Code
from onsale.engine.commands import RaiseConcern, SaveTicketKey, SettleDelivery, SettleRefund
from onsale.engine.facts import Held, Lapsed
from onsale.http.documents.openapi import OPERATIONS, describe, openapi_document
from onsale.http.documents.openapi_parts import CONNECTION_ERRORS, Kind
from onsale.http.documents.openapi_schemas import REQUESTS
from onsale.http.gateway import ClusterChange, Finding, LaneView
from onsale.http.problems import STATUS
from onsale.http.routes import ROUTES
from onsale.http.wire.bookings import book_command, pay_command, refund_command, save_user_command
from onsale.http.wire.events import change_event_command, create_event_command
from onsale.http.wire.outbox import close_concern_body, reconcile_body, retry_body
from onsale.http.wire.tickets import check_in_body
from onsale.node.journal_view import view
from onsale.tests.http.api_calls import OPERATOR, SEAT_MAP, Calls, Got, token_of
from onsale.tests.http.engine_gateway import RIGHT_SIGNATURE

DOCUMENT = describe("1.2.3")
OF_NO_CALL = {Code.METHOD_NOT_ALLOWED, Code.INTERNAL}  # of paths that have no such call, and of faults of ours


# these need the connection itself: their own tests hold them against the contract
STREAMS = ("/users/{userId}/stream", "/events/{eventId}/seats/stream")


def resolved(node: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in node:
        return node
    found: Any = DOCUMENT
    for part in node["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return dict(found)


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            yield method.upper(), path, operation


def operation_of(method: str, target: str) -> dict[str, Any]:
    parts = target.partition("?")[0].split("/")
    for candidate, path, operation in operations():
        pattern = path.split("/")
        fits = len(pattern) == len(parts) and all(
            wanted.startswith("{") or wanted == part for wanted, part in zip(pattern, parts, strict=True)
        )
        if candidate == method and fits:  # one without a variable comes before one with
            return operation
    raise AssertionError(f"{method} {target} is not documented")


def validator(schema: dict[str, Any]) -> Any:
    """In the strictest reading: an answer's field that is not mentioned is a fault."""
    schemas = json.loads(json.dumps(DOCUMENT["components"]["schemas"]))
    for name, each in schemas.items():
        if name not in (*REQUESTS, "Problem", "Fact", "StripeEvent"):
            each["additionalProperties"] = False
    return jsonschema_rs.validator_for(
        {"$schema": "https://json-schema.org/draft/2020-12/schema", "components": {"schemas": schemas}, **schema},
        validate_formats=True,
    )


def check_answer(method: str, target: str, got: Got) -> None:
    """It is an answer that the document has for this call, to the last header and field."""
    response = resolved(operation_of(method, target)["responses"][str(got.status)])
    documented = {name.lower() for name in (*response.get("headers", {}), "Cache-Control", "Vary", "Onsale-Seq")}
    assert {name.lower() for name in got.headers} <= documented
    if got.status == 304:
        return
    ((content_type, content),) = response["content"].items()
    assert got.content_type.partition(";")[0] == content_type
    if content_type.endswith("json"):
        validator(content["schema"]).validate(got.json())


class Checked(Calls):
    """Calls whose every answer is held against the document."""

    def __init__(self, *, secured: bool = False) -> None:
        super().__init__(secured=secured)
        self.api.openapi = lambda: openapi_document("1.2.3")
        self.seen: set[tuple[str, int]] = set()

    async def __call__(
        self, method: str, target: str, body: Any = None, token: str | None = None, **headers: str
    ) -> Got:
        got = await super().__call__(method, target, body, token, **headers)
        check_answer(method, target, got)
        self.seen.add((operation_of(method, target)["operationId"], got.status))
        return got

    async def expect(self, status: int, method: str, target: str, body: Any = None, **headers: str) -> Any:
        got = await self(method, target, body, **headers)
        assert got.status == status, got.body
        return got.json() if got.content_type.endswith("json") and got.body else None


@pytest.fixture
def calls() -> Checked:
    return Checked()


def test_it_is_valid_openapi() -> None:
    schemathesis.openapi.from_dict(describe("1.2.3")).validate()
    assert DOCUMENT["openapi"] == "3.1.0"
    assert DOCUMENT["info"]["version"] == "1.2.3"


def test_it_is_served_as_json_and_always_the_same() -> None:
    assert json.loads(openapi_document("1.2.3")) == DOCUMENT
    assert openapi_document("1.2.3") is openapi_document("1.2.3")


def test_it_has_every_route_and_no_other() -> None:
    documented = {(method, path) for method, path, _ in operations()}
    assert documented == {(each.method, each.path) for each in ROUTES} | {("GET", path) for path in STREAMS}


def test_calls_have_names_of_their_own() -> None:
    names = [operation["operationId"] for _, _, operation in operations()]
    assert len(set(names)) == len(names) == len(OPERATIONS)


def test_every_code_is_documented_under_its_status() -> None:
    found: set[str] = set()
    for _, _, operation in operations():
        for status, response in operation["responses"].items():
            for content_type, content in resolved(response).get("content", {}).items():
                if content_type != "application/problem+json":
                    continue
                codes = content["schema"]["allOf"][1]["properties"]["code"]["enum"]
                found.update(codes)
                for code in codes:
                    of_connection = CONNECTION_ERRORS.get(int(status), ("",))[0] == code
                    assert of_connection or STATUS[Code(code)][0] == int(status), (status, code)
    missing = {code for code in Code if code.value not in found}
    assert missing == OF_NO_CALL


def test_every_reference_leads_somewhere_and_every_part_is_used() -> None:
    text = json.dumps(DOCUMENT)
    for kind, parts in DOCUMENT["components"].items():
        for name in parts if kind != "securitySchemes" else ():
            assert f'"#/components/{kind}/{name}"' in text, f"{kind}/{name} is not used"
    for method, path, operation in operations():
        for parameter in operation.get("parameters", ()):
            assert resolved(parameter)["in"], (method, path)


def test_examples_fit_their_schemas() -> None:
    count = 0
    for _, path, operation in operations():
        bodies = [operation["requestBody"]] if "requestBody" in operation else []
        for holder in (*bodies, *map(resolved, operation["responses"].values())):
            for content in holder.get("content", {}).values():
                if "example" in content:
                    validator(content["schema"]).validate(content["example"])
                    count += 1
        for parameter in map(resolved, operation.get("parameters", ())):
            if "example" in parameter:
                validator(parameter["schema"]).validate(parameter["example"])
            assert parameter["in"] != "path" or "example" in parameter, path
    assert count > 25


def test_examples_of_bodies_are_taken() -> None:
    def example(method: str, path: str) -> bytes:
        content = DOCUMENT["paths"][path][method]["requestBody"]["content"]["application/json"]
        return json.dumps(content["example"]).encode()

    assert create_event_command(example("post", "/events"), bytes(32)).types
    assert change_event_command(example("patch", "/events/{eventId}"), 1, 300_000, bytes(32)).types
    assert book_command(example("post", "/booking"), 1).quantity == 2
    assert pay_command(example("post", "/pay")).amount == "136.00"
    assert refund_command(example("post", "/booking/{bookingId}/refund"), 1, 1).amount == "136.00"
    assert save_user_command(example("put", "/users/{userId}"), "u-1").email
    assert check_in_body(example("post", "/tickets/{code}/check-in")).place == "Gate 3"
    assert retry_body(example("post", "/outbox/retry")).refund_ids == [4]
    assert close_concern_body(example("post", "/outbox/concerns/close"))
    assert reconcile_body(example("post", "/reconcile"))


async def test_every_promised_answer_is_met_and_fits(calls: Checked) -> None:
    event = {
        "name": "N",
        "startsAt": "2027-01-01T00:00:00Z",
        "ticketTypes": [{"name": "A", "price": "9.50", "capacity": 4}],
    }
    event_id = (await calls.expect(201, "POST", "/events", event))["id"]
    await calls.expect(
        201, "POST", "/events", event | {"endsAt": "2027-01-02T00:00:00Z", "onSaleAt": "2026-12-01T00:00:00Z"}
    )
    await calls.expect(200, "PATCH", f"/events/{event_id}", {"city": "Ghent", "maxHoldsPerUser": 5})
    await calls.expect(200, "GET", "/events?limit=1")
    await calls.expect(200, "GET", "/events?limit=1&cursor=1")
    await calls.expect(200, "GET", f"/events/{event_id}")
    await calls.expect(200, "GET", f"/events/{event_id}/availability")
    book = {"userId": "ada", "eventId": event_id}
    first = (await calls.expect(201, "POST", "/booking", book | {"quantity": 2}))["bookingId"]
    second = (await calls.expect(201, "POST", "/booking", book | {"quantity": 2}))["bookingId"]
    waiting = (await calls.expect(202, "POST", "/booking", book))["bookingId"]
    await calls.expect(409, "POST", "/booking", book | {"waitlist": False})
    for booking_id in (first, waiting):
        await calls.expect(200, "GET", f"/booking/{booking_id}")
    for path in (f"/booking/{first}/receipt", "/journal/head", "/journal/head?since=1"):
        await calls.expect(200, "GET", path)
    await calls.expect(200, "GET", "/receipt_check.py")
    await calls.expect(200, "DELETE", f"/booking/{waiting}")
    pay = book | {"amount": "19.00"}
    await calls.expect(409, "POST", "/pay", pay)  # which one?
    await calls.expect(402, "POST", "/pay", pay | {"bookingId": first, "paymentMethod": "pm_card_chargeDeclined"})
    step = pay | {"bookingId": first, "paymentMethod": "pm_card_authenticationRequired"}
    await calls.expect(202, "POST", "/pay", step)
    await calls.expect(200, "GET", f"/booking/{first}")
    await calls.expect(200, "POST", "/pay", pay | {"bookingId": second, "paymentMethod": "pm_card_visa"})
    await calls.expect(409, "POST", "/pay", pay | {"bookingId": second})
    await calls.expect(422, "POST", "/booking/2/refund", {"amount": "19.01"})
    await calls.expect(200, "POST", "/booking/2/refund", {"amount": "1.00"})
    third = await calls.paid(await calls.event(), "bob")
    admitted = f"/tickets/CODE-3-{third}-1/check-in"
    await calls.expect(200, "POST", admitted, {"place": "Gate 3"})
    assert (await calls.expect(409, "POST", admitted, {"place": "Gate 4"}))["place"] == "Gate 3"
    await calls.expect(200, "GET", f"/tickets/CODE-3-{third}-1")
    await _choose_seats(calls)
    calls.gateway.provider_is_slow = True
    await calls.expect(202, "POST", "/booking/2/refund")
    await calls.expect(200, "GET", f"/booking/{second}")
    for path in ("", "/qr.svg", "/qr.png"):
        await calls.expect(200, "GET", f"/tickets/CODE-1-2-1{path}")
    await calls.expect(200, "GET", "/tickets/key")
    await calls.expect(409, "POST", "/tickets/CODE-1-2-1/check-in")  # it is being refunded
    calls.gateway.news = {}
    await calls.expect(200, "POST", "/webhooks/stripe", {}, Stripe_Signature=RIGHT_SIGNATURE)
    await calls.expect(200, "PUT", "/users/ada", {"name": "Ada"})
    for path in ("", "/bookings?limit=1", "/bookings", "/notifications"):
        await calls.expect(200, "GET", f"/users/ada{path}")
    await _visit_a_waiting_room(calls)
    calls.gateway.decide(SaveTicketKey(b"k" * 32))
    await calls.expect(200, "GET", f"/challenge?event_id={event_id}")
    await calls.expect(200, "POST", f"/events/{event_id}/cancel")
    await calls.expect(200, "GET", f"/events/{event_id}/progress")
    await fill_outbox(calls)
    shown = await calls.expect(200, "GET", "/outbox?limit=1")
    assert [len(shown[name]) for name in ("lanes", "refundsFailed", "messagesDead", "concerns")] == [1, 1, 1, 1]
    assert (await calls.expect(200, "POST", "/outbox/retry", {"refundIds": [99]}))["notRetried"]
    await calls.expect(200, "POST", "/outbox/retry", {"all": True})
    await calls.expect(200, "POST", "/outbox/concerns/close", {"id": "dispute:dp_1"})
    await calls.expect(404, "POST", "/outbox/concerns/close", {"id": "dispute:dp_9"})
    await calls.expect(200, "POST", "/reconcile", {"since": "2026-01-01"})
    for path in ("/cluster/failover", "/cluster/switchover"):
        await calls.expect(200, "POST", path)
    await calls.expect(200, "POST", "/cluster/sync-standbys", {"syncStandbys": 1})
    await calls.expect(200, "POST", "/cluster/pause")
    await calls.expect(200, "POST", "/cluster/resume")
    await calls.expect(200, "DELETE", "/cluster/members/two")
    for status in (200, 202):
        calls.gateway.reading_takes_long = status == 202
        for path in (f"/booking/{first}/story", "/journal/1/story", f"/events/{event_id}/fairness"):
            await calls.expect(status, "GET", path)
    for path in ("/healthz", "/readyz", "/primary", "/replica?max_lag=5", "/cluster", "/metrics", "/openapi.json"):
        await calls.expect(200, "GET", path)
    for path in ("/docs", "/docs/errors"):
        await calls.expect(200, "GET", path)
    promised = {
        (operation["operationId"], int(status))
        for _, path, operation in operations()
        for status in operation["responses"]
        if status.startswith("2") and path not in ("/journal", *STREAMS)  # the facts come from the node
    }
    assert promised - calls.seen == set()


async def fill_outbox(calls: Checked) -> None:
    """One of everything that a person must look at."""
    gateway = calls.gateway
    await calls.expect(200, "PUT", "/users/eve", {"webhookUrl": "https://example.org/hook"})
    await calls.held(await calls.event(), "eve")
    (delivery_id,) = gateway.state.deliveries.rows
    gateway.decide(SettleDelivery(delivery_id, "the address does not exist"))
    (refund_id, *_) = gateway.state.refunds.rows
    gateway.decide(SettleRefund(refund_id, failure="charge_disputed"))
    for kind, reference in (("dispute", "dp_1"), ("unknown_payment", "pi_9")):
        gateway.decide(RaiseConcern(kind, reference, "See the dashboard.", amount_minor=4990, currency="EUR"))
    gateway.lane_views = [LaneView("mail", 3, 1, gateway.clock_ms, "no answer", gateway.clock_ms + 500)]
    gateway.findings = [Finding("settled", "pi_1", 1, 1, 0, 4990, "EUR", "It had succeeded.", mended=True)]


async def _choose_seats(calls: Checked) -> None:
    event_id = await calls.event(seatMap=SEAT_MAP, offerSeconds=60)
    chosen = {"userId": "ada", "eventId": event_id, "seats": ["Stalls/A/7", "Stalls/A/8"]}
    booking_id = (await calls.expect(201, "POST", "/booking", chosen))["bookingId"]
    await calls.expect(409, "POST", "/booking", chosen)
    await calls.expect(422, "POST", "/booking", chosen | {"seats": ["Stalls/A/99"]})
    await calls.expect(201, "POST", "/booking", chosen | {"seats": None, "quantity": 2, "accessible": 1})
    pay = {"userId": "ada", "eventId": event_id, "amount": "99.80", "bookingId": booking_id}
    assert [each["seat"] for each in (await calls.expect(200, "POST", "/pay", pay))["tickets"]] == chosen["seats"]
    await calls.expect(200, "GET", f"/booking/{booking_id}")
    await calls.expect(200, "GET", f"/events/{event_id}/seats")
    await calls.expect(400, "PATCH", f"/events/{event_id}", {"seatMap": None})
    await calls.expect(404, "GET", f"/events/{await calls.event()}/seats")


async def _visit_a_waiting_room(calls: Checked) -> None:
    room = {"admitPerMinute": 60, "opensAt": "2026-11-23T00:00:00Z", "shuffleAtOpening": True, "maxInside": 9}
    event_id = await calls.event(waitingRoom=room)
    path = f"/events/{event_id}/queue"
    for turn in range(2):
        place = await calls.expect(201, "POST", path, {"userId": f"u-{turn}"})
        await calls.expect(200, "POST", path, {"userId": f"u-{turn}"})
        await calls.expect(200, "GET", path)
        await calls.expect(200, "GET", f"{path}/{place['token']}")
        calls.gateway.pass_time(86_400_000 * (1 - turn))
    late = {"userId": "u-1", "eventId": event_id, "queueToken": "nobody's"}
    await calls.expect(403, "POST", "/booking", late)
    await calls.expect(200, "GET", f"/events/{event_id}")
    await calls.expect(200, "PATCH", f"/events/{event_id}", {"waitingRoom": {"state": "paused", "maxInside": None}})
    for _ in range(2):
        await calls.expect(200, "DELETE", f"{path}/{place['token']}")
    await calls.expect(404, "DELETE", f"{path}/nonsense")
    await calls.expect(200, "PATCH", f"/events/{event_id}", {"waitingRoom": None})
    await calls.expect(409, "POST", path, {"userId": "u-1"})
    await calls.expect(404, "GET", path)


async def test_what_was_seen_before_is_not_sent_again(calls: Checked) -> None:
    event_id = await calls.event()
    for path in ("/events", f"/events/{event_id}", f"/events/{event_id}/availability", "/healthz", "/docs"):
        etag = (await calls("GET", path)).headers["ETag"]
        await calls.expect(304, "GET", path, If_None_Match=etag)


async def test_refusals_are_documented(calls: Checked) -> None:
    event_id = await calls.event(maxPerUser=1)
    book = {"userId": "ada", "eventId": event_id}
    late = await calls.event(onSaleAt="2026-12-01T00:00:00Z")
    await calls.expect(400, "POST", "/booking", b"{")
    await calls.expect(400, "POST", "/booking", book | {"nonsense": 1})
    await calls.expect(404, "POST", "/booking", book | {"eventId": 999})
    await calls.expect(422, "POST", "/booking", book | {"quantity": 2})
    await calls.expect(422, "POST", "/booking", book | {"seats": ["a/b/1"]})
    await calls.expect(425, "POST", "/booking", book | {"eventId": late})
    await calls.expect(201, "POST", "/booking", book, Idempotency_Key="k")
    await calls.expect(201, "POST", "/booking", book, Idempotency_Key="k")
    await calls.expect(422, "POST", "/booking", book | {"quantity": 1}, Idempotency_Key="k")
    await calls.expect(422, "POST", "/pay", book | {"amount": "1.00"})
    calls.gateway.pass_time(calls.gateway.hold_ms + 1)
    await calls.expect(410, "POST", "/pay", book | {"amount": "49.90"})
    await calls.expect(404, "GET", "/booking/999")
    for path in ("", "/qr.svg", "/qr.png"):
        await calls.expect(404, "GET", f"/tickets/NONSENSE{path}")
    await calls.expect(404, "POST", "/tickets/NONSENSE/check-in")
    await calls.expect(403, "POST", "/webhooks/stripe", {})
    calls.gateway.news = {}
    await calls.expect(400, "POST", "/webhooks/stripe", {}, Stripe_Signature="t=1,v1=forged")
    await calls.expect(400, "POST", "/outbox/retry", {})
    await calls.expect(400, "GET", "/outbox?cursor=x")
    await calls.expect(404, "GET", "/events/999/progress")
    await calls.expect(404, "GET", "/users/nobody")
    await calls.expect(400, "GET", "/events?nonsense=1")
    await calls.expect(400, "GET", "/users/ada/bookings?limit=0")
    await calls.expect(200, "POST", f"/events/{event_id}/cancel")
    await calls.expect(409, "POST", "/booking", book)
    await calls.expect(409, "PATCH", f"/events/{event_id}", {"name": "M"})
    calls.gateway.unsafe = ClusterChange(False, ["Two is behind."], 1, "one", fenced=True)
    await calls.expect(409, "POST", "/cluster/failover", {"to": "two", "acceptDataLoss": False, "syncStandbys": 1})
    await calls.expect(409, "DELETE", "/cluster/members/two")
    calls.gateway.role, calls.gateway.leads = "standby", False
    calls.gateway.primary_address = "http://10.0.0.1:8080"
    await calls.expect(503, "POST", "/cluster/switchover")
    await calls.expect(503, "POST", "/reconcile")
    await calls.expect(503, "GET", "/primary")
    await calls.expect(503, "POST", "/booking", book, Onsale_Forwarded_By="B")
    calls.gateway.ready = False
    await calls.expect(503, "GET", "/events")
    await calls.expect(503, "GET", "/users/ada")
    await calls.expect(503, "GET", "/readyz")
    await calls.expect(503, "GET", "/replica?max_lag=0")


@pytest.mark.parametrize(
    "operation", [each for each in OPERATIONS if each.path not in STREAMS], ids=lambda operation: operation.name
)
async def test_who_needs_a_token_is_true(operation: Any) -> None:
    """Without one: 401 where the document asks for one, and nowhere else; with a role that may not: 403."""
    calls = Checked(secured=True)
    await calls.held(await calls.event(seatMap=SEAT_MAP))
    path = operation.path.format(eventId=1, bookingId=1, userId="ada", name="two", code="CODE-1-1-1", token="x", seq=1)
    if operation.name == "readJournal":
        path += "?after_seq=99"  # what facts look like is the node's affair; see the next test
    got = await calls(operation.method, path, operation.body_example)
    asks = operation.kind in (Kind.PERSONAL, Kind.REPORT, Kind.WRITE, Kind.ORDER, Kind.UNKEYED)
    assert (got.status == 401) == asks
    assert ("security" in operation_of(operation.method, path)) == asks
    if operation.role:
        for role in {"user", "service", "organiser"} - set(operation.role.split(" or ")):
            got = await calls(operation.method, path, operation.body_example, token_of(role, "someone"))
            assert got.status == 403, role
        got = await calls(operation.method, path, operation.body_example, OPERATOR)
        assert got.status not in (401, 403)


def test_facts_as_a_node_shows_them_fit() -> None:
    shown = [
        view(7, 1_795_341_600_000, 1, Held(1, "ada", 1, 1, 2, 9980, 1_795_341_900_000)),
        view(8, 1_795_341_600_000, 1, Lapsed(1)),
    ]
    validator({"type": "array", "items": {"$ref": "#/components/schemas/Fact"}}).validate(shown)
    content = DOCUMENT["paths"]["/journal"]["get"]["responses"]["200"]["content"]["application/json"]
    assert set(content["example"][0]) <= set(shown[0])

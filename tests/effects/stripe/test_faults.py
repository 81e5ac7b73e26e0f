"""Answers that are none: each leaves everything open, and says whether the others need to wait too."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from onsale.effects.provider import ProviderUnavailable
from onsale.effects.stripe import connection
from onsale.effects.stripe import provider as provider_module
from onsale.effects.stripe.provider import StripeProvider
from onsale.engine.commands import PaymentFailedOutcome, PaymentPendingOutcome, PaymentSucceededOutcome
from onsale.tests.effects.stripe.orders import JOURNAL, charge, refund_order

INTENT: dict[str, Any] = {
    "id": "pi_1", "object": "payment_intent", "status": "succeeded", "amount": 4990, "currency": "eur", "created": 1,
    "client_secret": "pi_1_secret_x", "metadata": {"onsale_journal": JOURNAL, "onsale_payment": "1"},
}  # fmt: skip


class Script:
    """A server that answers what it was told to, in order; the last answer again and again."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, object, dict[str, str]]] = []
        self.asked: list[tuple[str, str, str]] = []  # method, path, idempotency key
        self.held: asyncio.Event | None = None

    def answer(self, status: int, body: object, **headers: str) -> None:
        self.answers.append((status, body, {name.replace("_", "-"): value for name, value in headers.items()}))

    def error(self, status: int, *, headers: dict[str, str] | None = None, **said: object) -> None:
        self.answers.append(
            (status, {"error": {"type": "invalid_request_error", "message": "No."} | said}, headers or {})
        )

    async def handle(self, request: web.Request) -> web.Response:
        self.asked.append((request.method, request.path, request.headers.get("Idempotency-Key", "")))
        if self.held:
            await self.held.wait()
        status, body, headers = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return web.Response(status=status, body=raw, headers=headers)


@pytest.fixture
async def script() -> AsyncIterator[Script]:
    script = Script()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", script.handle)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    script.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield script
    if script.held:
        script.held.set()
    await runner.cleanup()


@pytest.fixture
async def provider(script: Script) -> AsyncIterator[StripeProvider]:
    provider = StripeProvider("sk_test_secret", script.base)
    yield provider
    await provider.close()


async def unavailable(provider: StripeProvider) -> ProviderUnavailable:
    """What everything that can be asked raises."""
    known = charge(known="pi_1")
    raised = []
    for ask in (
        provider.begin(charge()),
        provider.confirm(known),
        provider.look(known),
        provider.cancel(known),
        provider.refund(refund_order("pi_1")),
        provider.look_at_refund(refund_order("pi_1", known="re_1")),
        provider.payments(0, None),
        provider.refunds(0, None),
    ):
        with pytest.raises(ProviderUnavailable) as error:
            await ask
        raised.append(error.value)
    assert len({error.down for error in raised}) == 1
    assert not any("sk_test" in str(error) for error in raised)
    return raised[1]


@pytest.mark.parametrize("status", [500, 502, 503, 504, 402 + 100])
@pytest.mark.parametrize("body", [b"", b"<html>Bad gateway</html>", {"error": {"type": "api_error"}}, {"error": 1}, []])
async def test_a_fault_of_stripes_own(provider: StripeProvider, script: Script, status: int, body: object) -> None:
    script.answer(status, body)
    assert (await unavailable(provider)).down


async def test_how_long_it_wants_to_be_left_alone(provider: StripeProvider, script: Script) -> None:
    script.error(429, headers={"Retry-After": "7"})
    error = await unavailable(provider)
    assert (error.down, error.retry_after_seconds) == (True, 7.0)
    for status in (429, 400):
        script.answers = []
        script.error(status, code="rate_limit", headers={"Retry-After": "soon"})
        assert (await unavailable(provider)).retry_after_seconds == 2.0


@pytest.mark.parametrize(("status", "code"), [(429, "lock_timeout"), (409, "idempotency_key_in_use")])
async def test_the_same_is_being_done(provider: StripeProvider, script: Script, status: int, code: str) -> None:
    script.error(status, code=code)
    error = await unavailable(provider)
    assert (error.down, error.retry_after_seconds) == (False, 1.0)


@pytest.mark.parametrize(
    ("status", "said", "do"),
    [
        (401, {"message": "Invalid API Key provided: sk_test_secret"}, "check STRIPE_API_KEY"),
        (401, {"code": "api_key_expired"}, "check STRIPE_API_KEY"),
        (403, {}, "write access to PaymentIntents and Refunds"),
        (400, {"code": "testmode_charges_only"}, "state of the account"),
        (404, {"message": "Unrecognized request URL (POST: /v1/x)."}, "STRIPE_API_BASE"),
    ],
)
async def test_a_fault_of_configuration_is_for_the_operator(
    provider: StripeProvider, script: Script, caplog: pytest.LogCaptureFixture, status: int, said: dict, do: str
) -> None:
    script.error(status, headers={"Request-Id": "req_1"}, **said)
    error = await unavailable(provider)
    assert error.down
    assert do in str(error)
    assert "req_1" in str(error)
    assert "payments are not possible" in caplog.text
    assert "sk_test" not in caplog.text


@pytest.mark.parametrize(
    "body",
    [
        b"", b"<html>Welcome</html>", b"\xff\xfe\x00", b"null", b"[]", b"5", b'"text"', b"{}", b"[" * 100_000,
        b'{"id": 5}', {"object": "payment_intent"}, {"error": {"type": "card_error", "code": "card_declined"}},
        {"id": "x", "object": "list", "data": [5], "has_more": False}, {"data": "no", "has_more": 1},
    ],
)  # fmt: skip
async def test_nonsense(provider: StripeProvider, script: Script, body: object) -> None:
    script.answer(200, body)
    known = charge(known="pi_1")
    for ask in (
        provider.begin(charge()),
        provider.confirm(known),
        provider.look(known),
        provider.cancel(known),
        provider.refund(refund_order("pi_1")),
        provider.look_at_refund(refund_order("pi_1", known="re_1")),
        provider.payments(0, None),
        provider.refunds(0, None),
    ):
        with pytest.raises(ProviderUnavailable):
            await ask


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount": 4991}, {"amount": "4990"}, {"amount": -1}, {"currency": "usd"}, {"currency": None}, {"status": 5},
        {"status": "finished"}, {"id": "pi_2"}, {"object": "charge"}, {"amount_received": 1},
        {"metadata": {}}, {"metadata": {"onsale_journal": JOURNAL, "onsale_payment": "2"}},
        {"metadata": {"onsale_journal": "another", "onsale_payment": "1"}},
    ],
)  # fmt: skip
async def test_an_attempt_that_is_not_the_one_we_mean(
    provider: StripeProvider, script: Script, caplog: pytest.LogCaptureFixture, wrong: dict
) -> None:
    known = charge(known="pi_1")
    script.answer(200, INTENT)
    assert await provider.look(known) == PaymentSucceededOutcome("pi_1")
    script.answers = []
    script.answer(200, INTENT | wrong)
    for ask in (provider.look(known), provider.confirm(known), provider.cancel(known)):
        with pytest.raises(ProviderUnavailable) as error:
            await ask
        assert not error.value.down
    assert "Stripe's answer is not used" in caplog.text
    assert all(record.levelno == logging.ERROR for record in caplog.records if record.name == "onsale.stripe")


async def test_a_redirect_is_not_followed(provider: StripeProvider, script: Script) -> None:
    for status in (301, 302, 307, 308):
        script.answers = []
        script.answer(status, b"", Location=f"{script.base}/elsewhere")
        assert (await unavailable(provider)).down
    assert not [path for _, path, _ in script.asked if path == "/elsewhere"]


async def test_nobody_there() -> None:
    provider = StripeProvider("sk_test_secret", "http://127.0.0.1:9")
    assert "can't be reached" in str(await unavailable(provider))
    await provider.close()


async def test_an_answer_without_end(provider: StripeProvider, script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "ANSWER_BYTES_MAX", 1000)
    script.answer(200, b" " * 1001)
    assert "larger than 1000 bytes" in str(await unavailable(provider))


async def test_an_answer_that_does_not_come(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "ANSWER_SECONDS_MAX", 0.05)
    provider = StripeProvider("sk_test_secret", script.base)
    script.held = asyncio.Event()
    script.answer(200, INTENT)
    assert "did not answer" in str(await unavailable(provider))
    await provider.close()


async def test_a_call_of_many_requests_ends_in_time(
    provider: StripeProvider, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider_module, "CALL_SECONDS_MAX", 0.05)
    script.held = asyncio.Event()
    script.answer(200, INTENT)
    with pytest.raises(ProviderUnavailable, match="come to an end"):
        await provider.look(charge(known="pi_1"))


async def test_what_is_for_the_receipt_alone_never_stops_a_payment(provider: StripeProvider, script: Script) -> None:
    mine = charge(method=None, receipt_email="nobody@nowhere")
    script.error(400, code="email_invalid", param="receipt_email")
    script.answer(200, INTENT | {"status": "requires_payment_method"})
    assert isinstance(await provider.begin(mine), PaymentPendingOutcome)
    assert [key for _, _, key in script.asked] == [mine.reference, f"{mine.reference}-plain"]


async def test_a_refusal_nobody_foresaw_is_told_without_blame(
    provider: StripeProvider, script: Script, caplog: pytest.LogCaptureFixture
) -> None:
    script.error(400, code="parameter_unknown", param="metadata", message="Received unknown parameter")
    outcome = await provider.begin(charge())
    assert isinstance(outcome, PaymentFailedOutcome)
    assert outcome.failure == "not_begun"
    assert "Received unknown parameter" in caplog.text
    script.answers = []
    script.error(400, code="amount_too_small", param="amount")
    for method in (None, "pm_card_visa"):
        outcome = await provider.begin(charge(method=method))
        assert isinstance(outcome, PaymentFailedOutcome)
        assert outcome.failure == "amount_too_small"


@pytest.mark.parametrize("keys_of", ["create", "confirm"])
async def test_keys_run_out_in_the_end(provider: StripeProvider, script: Script, keys_of: str) -> None:
    """Every one of them spent on an error that Stripe keeps."""
    spent = (500, {"error": {"type": "api_error"}}, {"Idempotent-Replayed": "true"})
    if keys_of == "create":
        script.answers = [spent]
        with pytest.raises(ProviderUnavailable, match="keeps failing") as error:
            await provider.begin(charge())
    else:
        script.answers = [spent, (200, INTENT | {"status": "requires_confirmation"}, {})] * 20
        with pytest.raises(ProviderUnavailable, match="keeps failing") as error:
            await provider.confirm(charge(known="pi_1"))
    assert not error.value.down, "the others are not kept waiting for this one"
    keys = [key for method, _, key in script.asked if method == "POST"]
    assert len(keys) == len(set(keys)) == 8


async def test_an_amount_that_stripe_does_not_have(provider: StripeProvider, script: Script) -> None:
    outcome = await provider.begin(charge(amount_minor=1234, currency="KWD"))
    assert isinstance(outcome, PaymentFailedOutcome)
    assert outcome.failure == "invalid_amount"
    assert (await provider.refund(refund_order("pi_1", amount_minor=1234, currency="KWD"))).failure
    assert (await provider.refund(refund_order(None))).failure
    assert not script.asked

"""The way of a request: key, faults, idempotency, execution, answer; in the order in which Stripe looks at them.

Owns what is answered and what is remembered of it. Promises that what is under an idempotency key is executed once.
"""

import asyncio
import base64
import binascii
import contextlib
import json
import re
from collections.abc import Callable
from typing import NamedTuple

import stripe_api
from aiohttp import web
from stripe_account import API_VERSION, Account
from stripe_errors import Json, Refusal, invalid, rate_limited, server_error
from stripe_faults import Fault, Faults, Stage
from stripe_forms import decode
from stripe_idempotency import Answer

VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(\.\w+)?\Z")
PAGE = "<!doctype html><html><body><h1>Please check your browser</h1></body></html>"


class Seen(NamedTuple):
    """A request, as it was answered; status 0: it was not."""

    method: str
    path: str
    idempotency_key: str | None
    status: int
    replayed: bool
    params: Json


class _Unanswered(Exception):
    """The connection is to be closed."""


class StripeRequests:
    accounts: dict[str, Account]
    faults: Faults
    requests: list[Seen]
    down: bool
    now: Callable[[], float]
    _released: asyncio.Event

    def _new_id(self, prefix: str) -> str:
        raise NotImplementedError

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        request_id = self._new_id("req")
        key = request.headers.get("Idempotency-Key") if request.method == "POST" else None
        params: Json = {}
        replayed = False
        try:
            if self.down:
                raise _Unanswered
            body = await request.text() if request.method == "POST" else request.query_string
            params = decode(body)
            page = await self._disturb("arrival", request)
            if page is None:
                answer = await self._answer(request, key, params, request_id)
                replayed = answer.request_id != request_id
                page = await self._disturb("answer", request)
            response = page or _response(answer, request_id, key, request.headers.get("Stripe-Version"))
        except Refusal as refusal:
            answer = Answer(refusal.status, _encoded(refusal.body), request_id)
            response = _response(answer, request_id, key, None, refusal.headers)
        except _Unanswered:
            self.requests.append(Seen(request.method, request.path, key, 0, replayed, params))
            return cut(request)
        self.requests.append(Seen(request.method, request.path, key, response.status, replayed, params))
        return response

    async def _disturb(self, stage: Stage, request: web.Request) -> web.Response | None:
        for fault in self.faults.take(stage, request.method, request.path):
            match fault.kind:
                case "delay":
                    await asyncio.sleep(fault.seconds)
                case "cut":
                    raise _Unanswered
                case "hang":
                    await self._released.wait()
                    raise _Unanswered
                case "html":
                    return web.Response(text=PAGE, content_type="text/html")
                case "unavailable":
                    return web.Response(status=503, text=PAGE, content_type="text/html", headers=_retry_after(fault))
                case "rate_limit" | "lock_timeout":
                    raise rate_limited(fault.retry_after_seconds, fault.kind)
                case "error":
                    raise server_error(fault.status)
        return None

    async def _answer(self, request: web.Request, key: str | None, params: Json, request_id: str) -> Answer:
        account = self._account(request)
        if key is not None:
            stored = account.idempotency.begin(key, request.path, params, self.now())
            if stored is not None:
                return stored
        answer: Answer | None = None
        try:
            answer = await self._execute(account, request, key, params, request_id)
        finally:
            if key is not None and answer is not None:
                account.idempotency.finish(key, answer)
            elif key is not None:
                account.idempotency.drop(key)
        return answer

    async def _execute(
        self, account: Account, request: web.Request, key: str | None, params: Json, request_id: str
    ) -> Answer:
        """Raises Refusal for what is not stored."""
        try:
            await self._disturb("execution", request)
            account.request = {"id": request_id, "idempotency_key": key}
            try:
                result = stripe_api.execute(account, request.method, request.path, params)
            finally:
                account.request = {"id": None, "idempotency_key": None}
            await self._disturb("executed", request)
        except Refusal as refusal:
            if not refusal.stored:
                raise
            return Answer(refusal.status, _encoded(refusal.body), request_id)
        return Answer(200, _encoded(result), request_id)

    def _account(self, request: web.Request) -> Account:
        """https://docs.stripe.com/api/authentication: Basic with the key as user name, or Bearer."""
        scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
        key = credentials
        if scheme == "Basic":
            with contextlib.suppress(binascii.Error, UnicodeDecodeError):
                key = base64.b64decode(credentials).decode().partition(":")[0]
        if scheme not in {"Basic", "Bearer"} or not key:
            raise invalid(
                "You did not provide an API key. You need to provide your API key in the Authorization header, using "
                "Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').",
                status=401,
            )
        if key not in self.accounts:
            raise invalid(f"Invalid API Key provided: {key[:7]}****{key[-4:]}", status=401)
        version = request.headers.get("Stripe-Version")
        if version is not None and not VERSION.match(version):
            raise invalid(f"Invalid Stripe API version: {version}", code="invalid_api_version")
        return self.accounts[key]


def _encoded(document: Json) -> bytes:
    return json.dumps(document, indent=2).encode()


def _retry_after(fault: Fault) -> dict[str, str]:
    return {} if fault.retry_after_seconds is None else {"Retry-After": f"{fault.retry_after_seconds:g}"}


def _response(
    answer: Answer, request_id: str, key: str | None, version: str | None, more: dict[str, str] | None = None
) -> web.Response:
    headers = {"Request-Id": request_id, "Stripe-Version": version or API_VERSION, **(more or {})}
    if key is not None:
        headers |= {"Idempotency-Key": key, "Original-Request": answer.request_id}
        if answer.request_id != request_id:
            headers["Idempotent-Replayed"] = "true"
    return web.Response(body=answer.body, status=answer.status, headers=headers, content_type="application/json")


def cut(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()

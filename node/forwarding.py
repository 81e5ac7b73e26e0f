"""A write that came to a node which does not lead, passed on to the one that does.

Owns the connections to the primary, and what is tried again. Promises that the primary's answer is passed on as it is,
byte for byte; that a write is sent a second time only when the first was provably not taken, or carries an
Idempotency-Key, so that taking it twice changes nothing; and that there is an answer within a bounded time.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

import aiohttp
import msgspec
from multidict import CIMultiDict
from yarl import URL

from ..engine.codes import Code
from ..http.access_log import FORWARDED_HEADER
from ..http.call import JSON, Answer, Call
from ..http.idempotency import KEY_HEADER
from ..http.problems import RefusedError, refused

PRIMARY_WAIT_SECONDS: Final = 3.0  # for a primary to be known, or to take calls
ANSWER_SECONDS: Final = 15.0  # a payment provider may take ten of them
CONNECT_SECONDS: Final = 1.0
SUCCEEDED_SECONDS: Final = 1.0  # how long a primary that has been succeeded may still answer what it took
AGAIN_SECONDS: Final = 0.05  # between two looks for a primary, when nobody tells
LOOK_SECONDS: Final = 0.25  # the same, while one is asked
AT_ONCE_MAX: Final = 1_000
KEPT_OPEN_SECONDS: Final = 30.0

# of one connection, and never passed on (RFC 9110 section 7.6.1); or made anew by whoever sends
_OF_CONNECTION: Final = frozenset(
    {
        "connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization", "te", "trailer",
        "transfer-encoding", "upgrade", "expect", "content-length",
    }
)  # fmt: skip
_NOT_OF_ANSWER: Final = _OF_CONNECTION | {"content-type", "date", "server"}
_NOT_ADDED: Final = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")


class _NotTakenError(Exception):
    """The call was not taken by whoever it was sent to."""


class _LostError(Exception):
    """It may have been taken; its answer is lost."""


class Forwarder:
    """Used from one event loop. `close` it."""

    def __init__(
        self,
        primary_address: Callable[[], str],
        *,
        name: str,
        at_once_max: int = AT_ONCE_MAX,
        primary_wait_seconds: float = PRIMARY_WAIT_SECONDS,
        answer_seconds: float = ANSWER_SECONDS,
        succeeded_seconds: float = SUCCEEDED_SECONDS,
    ) -> None:
        """`primary_address()`: the URL of the primary's HTTP API; empty while none is known. `name`: this node's."""
        self.under_way = 0
        self._primary_address = primary_address
        self._name = name
        self._at_once_max = at_once_max
        self._primary_wait_seconds = primary_wait_seconds
        self._answer_seconds = answer_seconds
        self._succeeded_seconds = succeeded_seconds
        self._session: aiohttp.ClientSession | None = None
        self._news = asyncio.Event()  # replaced each time it is set

    def primary_changed(self) -> None:
        """Another node leads, or none, or this one: whoever waits looks again."""
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def forward(self, call: Call, leads: Callable[[], bool]) -> Answer | None:
        """The primary's answer; None as soon as `leads()`: this node is to decide.

        Raises RefusedError: no_primary, not_durable when it may have happened, overloaded.
        """
        if self.under_way >= self._at_once_max:
            raise refused(Code.OVERLOADED, f"This node is passing on {self.under_way} calls to the primary already.")
        self.under_way += 1
        try:
            return await self._forward(call, leads)
        finally:
            self.under_way -= 1

    async def _forward(self, call: Call, leads: Callable[[], bool]) -> Answer | None:
        time = asyncio.get_running_loop().time
        until = time() + self._primary_wait_seconds
        may_be_taken = False
        while True:
            if leads():
                return None
            news, address = self._news, self._primary_address()
            if address:
                try:
                    return await self._ask(call, address, leads)
                except _NotTakenError:
                    pass
                except _LostError:
                    if may_be_taken or KEY_HEADER not in call.headers:
                        raise _may_have_happened() from None
                    may_be_taken = True
                    until = time() + self._primary_wait_seconds
            left_seconds = until - time()
            if left_seconds <= 0:
                raise _may_have_happened() if may_be_taken else _no_primary(address)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(AGAIN_SECONDS, left_seconds)):
                    await news.wait()

    async def _ask(self, call: Call, address: str, leads: Callable[[], bool]) -> Answer:
        """Raises _NotTakenError, _LostError; the latter also when another node leads before the answer is there."""
        time = asyncio.get_running_loop().time
        until = time() + self._answer_seconds
        request = asyncio.ensure_future(self._request(call, address))
        succeeded = False
        try:
            while not request.done():
                left_seconds = until - time()
                if left_seconds <= 0:
                    raise _LostError
                news = asyncio.ensure_future(self._news.wait())
                look_seconds = min(left_seconds, LOOK_SECONDS)  # a follower that finds another primary tells nobody
                await asyncio.wait((request, news), timeout=look_seconds, return_when=asyncio.FIRST_COMPLETED)
                news.cancel()
                if not succeeded and (leads() or self._primary_address() not in ("", address)):
                    succeeded = True
                    until = min(until, time() + self._succeeded_seconds)
            return request.result()
        finally:
            request.cancel()

    async def _request(self, call: Call, address: str) -> Answer:
        url = URL(f"{address}{call.path}?{call.query}" if call.query else f"{address}{call.path}", encoded=True)
        try:
            async with self._opened().request(
                call.method,
                url,
                headers=self._headers(call),
                data=call.body or None,
                allow_redirects=False,
                skip_auto_headers=_NOT_ADDED,
            ) as response:
                answer = _as_answer(response, await response.read())
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise _NotTakenError from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _LostError from error
        except ValueError as error:
            raise refused(Code.INVALID_FIELD, "A header or the path holds what cannot be passed on.") from error
        if answer.status == 503 and _code(answer) == Code.NO_PRIMARY.value:
            raise _NotTakenError
        return answer

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEPT_OPEN_SECONDS),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
            )
            # DELETE and PUT would be sent again by aiohttp itself, without a word, when a connection breaks
            self._session._retry_connection = False  # noqa: SLF001 - there is no public way
        return self._session

    def _headers(self, call: Call) -> CIMultiDict[str]:
        named = {each.strip().lower() for each in call.headers.get("Connection", "").split(",")}
        dropped = _OF_CONNECTION | named
        headers = CIMultiDict((name, value) for name, value in call.headers.items() if name.lower() not in dropped)
        headers[FORWARDED_HEADER] = self._name
        return headers


def _as_answer(response: aiohttp.ClientResponse, body: bytes) -> Answer:
    headers = tuple((name, value) for name, value in response.headers.items() if name.lower() not in _NOT_OF_ANSWER)
    return Answer(response.status, body, headers, response.headers.get("Content-Type", JSON))


def _code(answer: Answer) -> str:
    try:
        return str(msgspec.json.decode(answer.body)["code"])
    except (msgspec.DecodeError, KeyError, TypeError):
        return ""


def _no_primary(address: str) -> RefusedError:
    found = f"The primary at {address} does not take calls" if address else "No primary is known at the moment"
    return refused(Code.NO_PRIMARY, f"{found}, so nothing was done. Try again in a moment.")


def _may_have_happened() -> RefusedError:
    detail = (
        "The primary went away before it answered. What was asked may yet have happened: try again with the same "
        "Idempotency-Key, or look first."
    )
    return refused(Code.NOT_DURABLE, detail)

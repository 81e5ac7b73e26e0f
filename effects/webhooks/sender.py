"""Calls webhooks: one POST each, and what came of it.

Owns the connections to whoever is called, and how little is believed of their answers: no redirect is followed,
nothing is unpacked, no cookie is kept, and of a body a few KiB are read, so that the connection can be used again. A
call always has an answer; only this program's own faults raise. Names are resolved in threads of their own: a slow one
holds up nothing but other webhooks.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from ..orders import CallWebhook, NotSent, Sent
from .addresses import PrivateAddress, check_form, check_url, is_public, public_socket
from .signing import signed_headers

CALL_SECONDS_MAX: Final = 15.0
ANSWER_BYTES_MAX: Final = 4 * 1024
BODY_SECONDS_MAX: Final = 1.0  # to come once the status is there
RESOLVERS_MAX: Final = 16
RETRY_AFTER_SECONDS_MAX: Final = 24 * 3600.0
_HEADERS: Final = {"Content-Type": "application/json", "User-Agent": "Onsale-Webhooks/1", "Accept": "*/*"}
_GONE: Final = 410
_BUSY: Final = (429, 503)

Resolve = Callable[[str, int], list[tuple[socket.AddressFamily, str]]]


def resolve_name(host: str, port: int) -> list[tuple[socket.AddressFamily, str]]:
    """All addresses of a host, in the order in which they are to be tried. Blocks. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(family, str(address[0])) for family, _, _, _, address in found]


class WebhookSender:
    def __init__(self, *, allow_private: bool, resolve: Resolve = resolve_name) -> None:
        self._check = check_form if allow_private else check_url
        self._allow_private = allow_private
        self._resolver = _Resolver(resolve, allow_private=allow_private)
        self._session: aiohttp.ClientSession | None = None

    async def call(self, order: CallWebhook) -> Sent | NotSent:
        fault = self._check(order.url)
        if fault is not None:
            return NotSent(fault, for_good=True)
        headers = _HEADERS | signed_headers(order.secret, order.message_id, order.at_ms // 1000, order.body)
        if self._session is None:
            self._session = self._open()
        try:
            async with self._session.post(
                URL(order.url), data=order.body, headers=headers, allow_redirects=False
            ) as response:
                await _read_some(response)
                return _judge(response)
        except TimeoutError:
            return NotSent(f"It did not answer within {CALL_SECONDS_MAX:.0f} s.")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return NotSent(_reason(error))

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
        await self._resolver.close()

    def _open(self) -> aiohttp.ClientSession:
        """Made at the first call, as it belongs to the loop."""
        connector = aiohttp.TCPConnector(
            resolver=self._resolver,
            use_dns_cache=False,
            limit=0,  # whoever gives the orders bounds them
            keepalive_timeout=10.0,
            socket_factory=None if self._allow_private else public_socket,
        )
        return aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=CALL_SECONDS_MAX),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
        )


class _Resolver(AbstractResolver):
    """Resolves in threads of its own, and lets nothing through of a name that leads into a private network."""

    def __init__(self, resolve: Resolve, *, allow_private: bool) -> None:
        self._resolve = resolve
        self._allow_private = allow_private
        self._threads = ThreadPoolExecutor(RESOLVERS_MAX, thread_name_prefix="resolver")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await asyncio.get_running_loop().run_in_executor(self._threads, self._resolve, host, port)
        if not self._allow_private and not all(is_public(address) for _, address in found):
            raise PrivateAddress(host)
        return [
            ResolveResult(hostname=host, host=address, port=port, family=each, proto=0, flags=socket.AI_NUMERICHOST)
            for each, address in found
            if family in (socket.AF_UNSPEC, each)
        ]

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


async def _read_some(response: aiohttp.ClientResponse) -> None:
    """A connection can be used again only when the whole body was read; one whose body is long, or slow, is closed."""
    with contextlib.suppress(aiohttp.ClientError, OSError):  # TimeoutError is one; the status line has said all
        async with asyncio.timeout(BODY_SECONDS_MAX):
            left = ANSWER_BYTES_MAX
            while left > 0 and (data := await response.content.read(left)):
                left -= len(data)
            if left > 0:
                return
    response.close()


def _judge(response: aiohttp.ClientResponse) -> Sent | NotSent:
    status = response.status
    if 200 <= status < 300:
        return Sent()
    if status == _GONE:
        return NotSent("It answered 410: it is gone.", gone=True)
    if 300 <= status < 400:
        return NotSent(f"It answered {status}: redirects are not followed.")
    retry_after = _retry_after_seconds(response.headers.get("Retry-After", "")) if status in _BUSY else None
    return NotSent(f"It answered {status}.", retry_after_seconds=retry_after)


def _retry_after_seconds(value: str) -> float | None:
    """Seconds, or a date; None for what is neither."""
    if value.isascii() and value.isdigit():
        return min(float(value), RETRY_AFTER_SECONDS_MAX)
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return min(max((at - datetime.now(UTC)).total_seconds(), 0.0), RETRY_AFTER_SECONDS_MAX)


def _reason(error: Exception) -> str:
    """For whoever runs the webhook, and short; not what the library says of it, which may hold anything."""
    for cause in _causes(error):
        match cause:
            case PrivateAddress():
                return "Its name leads into a private network."
            case ssl.SSLCertVerificationError():
                return f"Its certificate is not trusted: {cause.verify_message}."
            case ssl.SSLError():
                return "No secure connection to it could be made."
            case socket.gaierror() | aiohttp.ClientConnectorDNSError():
                return "Its name could not be resolved."
            case ConnectionRefusedError():
                return "It refuses connections."
            case aiohttp.ServerDisconnectedError() | ConnectionResetError() | BrokenPipeError():
                return "It hung up without an answer."
            case aiohttp.InvalidURL():
                return "Its URL can't be called."
            case aiohttp.ClientResponseError():
                return "It did not answer as HTTP wants it."
    return "No connection to it could be made."


def _causes(error: BaseException | None) -> list[BaseException]:
    """The first cause first."""
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.insert(0, error)
        error = error.__cause__ or error.__context__
    return found

"""Events to and from a running node, over its HTTP API: many requests at once, each safe to send again.

Owns the traffic: how many at once, what is tried again, what a failure means. Knows nothing of file formats.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Self

import aiohttp
import msgspec
from yarl import URL

from ..exit_codes import ExitCode
from .catalogue import BadLine, Line
from .output import CommandFailed

AT_ONCE = 32
TRIES_MAX = 8
WAIT_SECONDS_MAX = 30.0
TIMEOUT_SECONDS = 30.0
PAGE_EVENTS = 100

Progress = Callable[[str, int, int], None]
"""Called with (what is being done, how much is done, how much there is)."""


class Imported(msgspec.Struct):
    """What became of the lines: `known` had been created before, `refused` were not taken by the node."""

    created: int = 0
    known: int = 0
    refused: list[BadLine] = []


class NodeUnreachableError(Exception):
    """The node did not answer, though it was asked several times."""


def node_url(text: str) -> URL:
    """A node's address as people write it, with or without http://. Raises ValueError."""
    url = URL(text if "://" in text else f"http://{text}")
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError(f"{text!r} is no address of a node; write for example http://127.0.0.1:8080.")
    return url


class NodeClient:
    def __init__(
        self, url: URL, token: str | None, *, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    ) -> None:
        self.url = url
        self._sleep = sleep
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._session = aiohttp.ClientSession(
            headers=headers,
            connector=aiohttp.TCPConnector(limit=AT_ONCE),
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def call(
        self, method: str, url: URL, *, body: bytes | None = None, key: str | None = None
    ) -> tuple[int, Any, "aiohttp.ClientResponse"]:
        """(status, body, response). What is overloaded or cut off is asked again.

        Raises NodeUnreachableError, and CommandFailed when the node asks for another token.
        """
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if key is not None:
            headers["Idempotency-Key"] = key
        problem = "it is overloaded"
        for tried in range(TRIES_MAX):
            try:
                async with self._session.request(method, url, data=body, headers=headers) as response:
                    raw = await response.read()
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                problem = str(error) or type(error).__name__
                if isinstance(error, aiohttp.ClientConnectorError) or tried >= 2:
                    break
                continue
            if response.status in (429, 503):
                await self._sleep(_retry_after_seconds(response, tried))
                continue
            if response.status in (401, 403):
                raise CommandFailed(_detail(raw, response) + " Give a token of an organiser: --token, or ONSALE_TOKEN.")
            return response.status, _json(raw), response
        raise NodeUnreachableError(f"{self.url.origin()} does not answer: {problem}")

    async def import_lines(self, lines: list[Line], progress: Progress) -> Imported:
        """Create them, each at most once. Raises CommandFailed when the node can't be reached or wants a token."""
        imported = Imported()
        left: Iterator[Line] = iter(lines)

        async def work() -> None:
            for line in left:  # shared: each line is taken once
                status, answer, response = await self.call(
                    "POST", self.url / "events", body=line.body, key=line.idempotency_key
                )
                if status != 201:
                    imported.refused.append(BadLine(line.number, _reason(status, answer)))
                elif response.headers.get("Idempotency-Replayed") == "true":
                    imported.known += 1
                else:
                    imported.created += 1
                done = imported.created + imported.known + len(imported.refused)
                progress("events sent", done, len(lines))

        try:
            await _all_at_once([work() for _ in range(min(AT_ONCE, len(lines)))])
        except NodeUnreachableError as error:
            done = imported.created + imported.known
            raise CommandFailed(
                f"{error}. {done} of {len(lines)} events are there; run the same command again to send the rest "
                "(within 24 hours nothing is created twice).",
                ExitCode.UNREACHABLE,
            ) from error
        imported.refused.sort(key=lambda bad: bad.number)
        return imported

    async def export_events(self, progress: Progress) -> tuple[list[dict[str, Any]], int]:
        """Every event that is not cancelled, in full, soonest first; and how many are cancelled."""
        try:
            ids, cancelled = await self._list(progress)
            events: dict[int, dict[str, Any]] = {}
            left = iter(ids)

            async def work() -> None:
                for event_id in left:
                    status, event, _ = await self.call("GET", self.url / "events" / str(event_id))
                    if status != 200:
                        raise CommandFailed(f"Event {event_id}: {_reason(status, event)}")
                    events[event_id] = event
                    progress("events read", len(events), len(ids))

            await _all_at_once([work() for _ in range(min(AT_ONCE, len(ids)))])
        except NodeUnreachableError as error:
            raise CommandFailed(f"{error}.", ExitCode.UNREACHABLE) from error
        return [events[event_id] for event_id in ids], cancelled

    async def _list(self, progress: Progress) -> tuple[list[int], int]:
        ids: dict[int, None] = {}  # a page may repeat what moved meanwhile
        cancelled = 0
        url: URL | None = (self.url / "events").with_query(limit=PAGE_EVENTS)
        while url is not None:
            status, page, response = await self.call("GET", url)
            if status != 200:
                raise CommandFailed(_reason(status, page))
            cancelled += sum(event["status"] == "cancelled" for event in page)
            ids |= {event["id"]: None for event in page if event["status"] != "cancelled"}
            progress("events found", len(ids), len(ids))
            following = response.links.get("next")
            url = URL(str(following["url"])) if following is not None else None
        return list(ids), cancelled


async def _all_at_once(workers: list[Any]) -> None:
    """Run until all are through, or the first fails; then none goes on."""
    tasks = [asyncio.ensure_future(worker) for worker in workers]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _retry_after_seconds(response: aiohttp.ClientResponse, tried: int) -> float:
    asked = response.headers.get("Retry-After", "")
    return min(float(asked) if asked.isdigit() else 0.5 * 2**tried, WAIT_SECONDS_MAX)


def _json(raw: bytes) -> Any:
    try:
        return msgspec.json.decode(raw) if raw else None
    except msgspec.DecodeError:
        return None


def _detail(raw: bytes, response: aiohttp.ClientResponse) -> str:
    return _reason(response.status, _json(raw))


def _reason(status: int, answer: Any) -> str:
    """What a problem document says, or what is known without one."""
    if isinstance(answer, dict) and isinstance(answer.get("detail"), str):
        return str(answer["detail"])
    return f"the node answered with status {status} and no reason; is it an onsale node?"

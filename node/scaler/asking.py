"""One question to a server, and what a failure of it means in a sentence.

Owns how long is waited, how much is read, and what is made of JSON. An answer may be anything: of all that is wrong
with one the caller hears by `NotAnswered` or, from `decode`, by ValueError.
"""

import asyncio
from collections.abc import Mapping
from typing import TypeVar

import aiohttp
import msgspec

BODY_BYTES_MAX = 16 * 1024 * 1024


Document = TypeVar("Document")


class NotAnswered(Exception):
    """The text says who did not answer and why."""


def make_session() -> aiohttp.ClientSession:
    """Connections are not kept: a replica that drains waits until nobody is connected."""
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True))


async def ask(
    session: aiohttp.ClientSession,
    url: str,
    seconds: float,
    parameters: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> tuple[int, bytes]:
    """The status and the body of a GET."""
    try:
        async with asyncio.timeout(seconds), session.get(url, params=parameters, headers=headers) as response:
            body = b""
            async for part in response.content.iter_any():
                body += part
                if len(body) > BODY_BYTES_MAX:
                    raise NotAnswered(f"{url} answers with more than {BODY_BYTES_MAX >> 20} MiB")
            return response.status, body
    except TimeoutError:
        raise NotAnswered(f"{url} did not answer within {seconds:g} s") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise NotAnswered(f"{url} can't be asked: {_reason(error)}") from error


def decode(body: bytes, kind: type[Document]) -> Document:
    """Raises ValueError where it is none."""
    try:
        return msgspec.json.decode(body, type=kind)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _reason(error: Exception) -> str:
    text = error.os_error.strerror if isinstance(error, aiohttp.ClientConnectorError) else str(error)
    return text or type(error).__name__

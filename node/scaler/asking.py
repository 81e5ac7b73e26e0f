"""One question to a server, and what a failure of it means in a sentence.

Owns how long is waited and how much is read. Never raises anything but `NotAnswered`.
"""

import asyncio
from collections.abc import Mapping

import aiohttp

BODY_BYTES_MAX = 16 * 1024 * 1024


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


def _reason(error: Exception) -> str:
    text = error.os_error.strerror if isinstance(error, aiohttp.ClientConnectorError) else str(error)
    return text or type(error).__name__

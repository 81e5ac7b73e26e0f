"""The HTTP underneath the stripe library: one session, bounded in time, in size and in where it may go.

Never follows a redirect (a payment must not wander to another server) and never tries again by itself: whether that
is safe is for those to say who know what was asked.
"""

import ssl
from collections.abc import Mapping
from typing import Any

import aiohttp
import stripe

CONNECT_SECONDS_MAX = 5.0
ANSWER_SECONDS_MAX = 25.0  # a bank may take its time to approve
ANSWER_BYTES_MAX = 8 * 1024 * 1024  # a page of a hundred payments has about a tenth of it
CONNECTIONS_MAX = 64


class Connection(stripe.HTTPClient):
    name = "aiohttp"

    def __init__(self) -> None:
        super().__init__()
        self._session: aiohttp.ClientSession | None = None

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """Raises stripe.APIConnectionError when no whole answer came."""
        try:
            async with self._opened().request(
                method, url, headers=headers, data=post_data, allow_redirects=False
            ) as response:
                body = bytearray()
                async for piece in response.content.iter_any():
                    body += piece
                    if len(body) > ANSWER_BYTES_MAX:
                        raise _broken(f"its answer is larger than {ANSWER_BYTES_MAX} bytes.")
                return bytes(body), response.status, response.headers
        except TimeoutError as error:
            raise _broken(f"it did not answer within {ANSWER_SECONDS_MAX:.0f} s.") from error
        except (aiohttp.ClientError, OSError) as error:
            raise _broken(f"it can't be reached ({error or type(error).__name__}).") from error

    async def close_async(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            trusted = ssl.create_default_context()
            trusted.load_verify_locations(stripe.ca_bundle_path)  # a slim machine may have no certificates of its own
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=CONNECTIONS_MAX, ssl=trusted),
                timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS_MAX, connect=None, sock_connect=CONNECT_SECONDS_MAX),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session


def _broken(reason: str) -> stripe.APIConnectionError:
    return stripe.APIConnectionError(reason)  # type: ignore[no-untyped-call]

"""Readings from Prometheus, by its HTTP API.

Owns what of its answers is believed: one number, of now. Anything else is no reading, with a sentence that says why.
"""

from collections.abc import Callable
from typing import Any

import aiohttp
import msgspec

from .asking import NotAnswered, ask, decode
from .decision import Reading
from .rules import PrometheusServer

LAST_SECOND = 1e12  # what is later is no time
_TOLD_CHARACTERS_MAX = 200


class _Answer(msgspec.Struct):
    status: str
    data: dict[str, Any] = {}
    error: str = ""


class Prometheus:
    """`clock`: seconds since 1970, as Prometheus counts them."""

    def __init__(self, session: aiohttp.ClientSession, server: PrometheusServer, clock: Callable[[], float]) -> None:
        self._session = session
        self._server = server
        self._clock = clock

    async def read(self, query: str) -> Reading:
        server = self._server
        parameters = {"query": query, "timeout": f"{server.timeout_seconds:g}s"}
        try:
            headers = self._headers()
        except OSError as error:
            return self._nothing(f"{server.token_file} can't be read: {error.strerror}")
        except ValueError:
            return self._nothing(f"{server.token_file} can't be read: it must hold one line of ASCII")
        try:
            status, body = await ask(
                self._session, f"{server.url}/api/v1/query", server.timeout_seconds, parameters, headers
            )
            answer = decode(body, _Answer)
        except NotAnswered as error:
            return self._nothing(str(error))
        except ValueError:
            return self._nothing(f"what answers at {server.url} (status {status}) is not Prometheus")
        if answer.status != "success":
            return self._nothing(f"Prometheus refuses the query (status {status}): {_short(answer.error)}")
        return self._value(answer.data)

    def _headers(self) -> dict[str, str]:
        """Raises OSError, ValueError."""
        file = self._server.token_file
        if file is None:
            return {}
        token = file.read_text(encoding="ascii").strip()
        if not token.isprintable():
            raise ValueError("more than a line")
        return {"Authorization": f"Bearer {token}"}

    def _value(self, data: dict[str, Any]) -> Reading:
        kind, result = data.get("resultType"), data.get("result")
        if kind == "vector" and isinstance(result, list):
            if not result:
                return self._nothing("Prometheus has no such series now: nothing is scraped, or the query is wrong")
            if len(result) > 1:
                return self._nothing(f"the query gives {len(result)} series, not one; aggregate them: sum(…), max(…)")
            result = result[0].get("value") if isinstance(result[0], dict) else None
        elif kind != "scalar":
            return self._nothing(f"the query gives a {_short(str(kind))}, not a number")
        match result:
            case [int() | float() as at, str() as text] if abs(at) < LAST_SECOND:
                try:
                    return Reading(float(text), float(at))
                except ValueError:
                    return self._nothing(f"Prometheus answers {_short(text)!r}, which is no number")
        return self._nothing("Prometheus answers in a way that is not its own")

    def _nothing(self, trouble: str) -> Reading:
        return Reading(None, self._clock(), trouble)


def _short(text: str) -> str:
    return text if len(text) <= _TOLD_CHARACTERS_MAX else text[:_TOLD_CHARACTERS_MAX] + "…"

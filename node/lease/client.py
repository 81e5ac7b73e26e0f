"""etcd's JSON gateway (`/v3`) over aiohttp: one request, one answer, from whichever member gives it first.

Owns the connections, the order in which members are asked, the time that takes, TLS and the password. Knows nothing of
what the keys mean. See https://etcd.io/docs/v3.5/dev-guide/api_grpc_gateway/.
"""

import asyncio
import base64
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import orjson

MEMBER_SECONDS: Final = 1.0  # one member that does not answer by then is left for the next
ANSWER_BYTES_MAX: Final = 1 << 20
NO_ETCD: Final = "what answers there is no etcd"
_NOT_FOUND: Final = 5  # gRPC's codes
_UNAUTHENTICATED: Final = 16
_LOGIN_OVER: Final = "invalid auth token"


class EtcdError(Exception):
    """A sentence for people. `code`: not_found, unauthenticated or out_of_reach."""

    def __init__(self, sentence: str, code: str = "out_of_reach") -> None:
        super().__init__(sentence)
        self.code = code


def encoded(text: str | bytes) -> str:
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def decoded(text: str) -> bytes:
    return base64.b64decode(text)


def parse_members(text: str) -> tuple[str, ...]:
    """`http://10.0.0.1:2379,https://…` → addresses. Raises ValueError with a sentence."""
    members = tuple(each.strip().rstrip("/") for each in text.split(",") if each.strip())
    for member in members:
        parts = urlsplit(member)
        try:
            fits = parts.scheme in ("http", "https") and parts.hostname and not parts.path and parts.port != 0
        except ValueError:
            fits = False
        if not fits or parts.username or parts.query or parts.fragment:
            raise ValueError(f"{member!r} is no member of etcd; write for example http://10.0.0.1:2379")
    if not members:
        raise ValueError("name at least one member of etcd, for example http://127.0.0.1:2379")
    return members


def tls_of(authority: Path | None, certificate: Path | None, key: Path | None) -> ssl.SSLContext:
    """Whom to trust, and what to show. Raises OSError, ssl.SSLError."""
    context = ssl.create_default_context(cafile=None if authority is None else str(authority))
    if certificate is not None:
        context.load_cert_chain(certificate, key)
    return context


class EtcdClient:
    def __init__(
        self,
        members: Sequence[str],
        *,
        tls: ssl.SSLContext | None = None,
        login: tuple[str, str] | None = None,
        member_seconds: float = MEMBER_SECONDS,
    ) -> None:
        """`login`: etcd's user and password, where it asks for one."""
        self.answer_seconds_max = member_seconds * len(members) * (4 if login else 1)
        self._members = list(members)  # the one that answered last comes first
        self._tls: ssl.SSLContext | bool = True if tls is None else tls
        self._login = login
        self._token = ""
        self._timeout = aiohttp.ClientTimeout(total=member_seconds)
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def call(self, path: str, question: dict[str, Any]) -> dict[str, Any]:
        """The answer of the first member that has one. Raises EtcdError."""
        troubles: list[str] = []
        for member in list(self._members):
            try:
                answer = await self._ask(member, path, question)
            except EtcdError as error:
                if error.code != "unauthenticated":
                    raise
                troubles.append(f"{member}: {error}")
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
                troubles.append(f"{member}: {_in_words(error)}")
            else:
                self._members.remove(member)
                self._members.insert(0, member)
                return answer
        raise EtcdError(f"no member of etcd can answer ({'; '.join(troubles)}).")

    async def _ask(self, member: str, path: str, question: dict[str, Any]) -> dict[str, Any]:
        if self._login is not None and not self._token:
            await self._log_in(member, *self._login)
        try:
            return await self._post(member, path, question)
        except EtcdError as error:
            if error.code != "unauthenticated" or self._login is None:
                raise
            await self._log_in(member, *self._login)  # tokens are good for some minutes only
            return await self._post(member, path, question)

    async def _log_in(self, member: str, name: str, password: str) -> None:
        self._token = ""
        answer = await self._post(member, "/v3/auth/authenticate", {"name": name, "password": password})
        token = answer.get("token")
        if not isinstance(token, str) or not token.isprintable():
            raise ValueError(NO_ETCD)
        self._token = token

    async def _post(self, member: str, path: str, question: dict[str, Any]) -> dict[str, Any]:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout)
        headers = {"Authorization": self._token} if self._token else {}
        async with self._session.post(
            member + path, data=orjson.dumps(question), headers=headers, ssl=self._tls, allow_redirects=False
        ) as response:
            answer = await _read(response)
        if response.status == 200 and "error" not in answer:
            return answer
        return self._refused(answer, response.status)

    def _refused(self, answer: dict[str, Any], status: int) -> dict[str, Any]:
        """Raises EtcdError where asking another member would not help, else ValueError."""
        error = answer.get("error", "")
        fault = error if isinstance(error, dict) else answer
        code = fault.get("code", fault.get("grpc_code", 0))
        sentence = str(fault.get("message", error) or f"status {status}")
        if code == _NOT_FOUND:
            raise EtcdError(f"etcd: {sentence}.", "not_found")
        if code == _UNAUTHENTICATED or _LOGIN_OVER in sentence:
            raise EtcdError(f"etcd does not accept the login: {sentence}.", "unauthenticated")
        raise ValueError(sentence)


async def _read(response: aiohttp.ClientResponse) -> dict[str, Any]:
    """Raises ValueError for what etcd would not say, be it without an end."""
    told = bytearray()
    async for part in response.content.iter_any():
        told += part
        if len(told) > ANSWER_BYTES_MAX:
            raise ValueError(f"{NO_ETCD} (more than {ANSWER_BYTES_MAX} bytes)")
    try:
        answer = orjson.loads(told)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise ValueError(f"{NO_ETCD} (status {response.status})")  # noqa: TRY004 - as bytes that are no JSON
    return answer


def _in_words(error: BaseException) -> str:
    if isinstance(error, (TimeoutError, asyncio.TimeoutError)):
        return "no answer in time; it may have lost its majority"
    return str(error) or type(error).__name__

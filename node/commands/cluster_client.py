"""A running node asked about its cluster, one question at a time.

Owns the traffic of the cluster commands and what a failure of it means. Of the standard library alone, and without an
event loop: every millisecond until a failover is under way is a millisecond without answers.
"""

import http.client
import json
from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from ..exit_codes import ExitCode
from .output import CommandFailed

CONNECT_SECONDS = 2.0
STATUS_SECONDS = 5.0
ORDER_SECONDS = 30.0
BODY_BYTES_MAX = 4 * 1024 * 1024

Document = dict[str, Any]


class Refused(CommandFailed):
    """The node found an order unsafe; `sentences` say why, and `problem` is the whole answer."""

    def __init__(self, problem: Document) -> None:
        self.problem = problem
        self.sentences = [str(each) for each in problem.get("sentences") or [problem.get("detail", "")]]
        code = ExitCode.FENCED if problem.get("fenced") else ExitCode.REFUSED
        super().__init__("Refused as unsafe; nothing was done.", code)


class Address(NamedTuple):
    secure: bool
    host: str
    port: int
    path: str

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http{'s' if self.secure else ''}://{host}:{self.port}{self.path}"


def parse_addresses(text: str) -> list[Address]:
    """One node's address or several with commas, as people write them. Raises ValueError with a sentence."""
    return [_parse(each) for each in map(str.strip, text.split(",")) if each] or [_parse(text)]


def _parse(text: str) -> Address:
    wrong = f"{text!r} is no address of a node; write for example http://127.0.0.1:8080."
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        port = parts.port
    except ValueError:
        raise ValueError(wrong) from None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or port == 0:
        raise ValueError(wrong)
    secure = parts.scheme == "https"
    return Address(secure, parts.hostname, port or (443 if secure else 80), parts.path.rstrip("/"))


class ClusterClient:
    """Asks the first of `addresses` that takes the connection."""

    def __init__(self, addresses: Sequence[Address], token: str | None) -> None:
        self._addresses = list(addresses)
        self._token = token

    def status(self) -> Document:
        """What GET /cluster says. Raises CommandFailed."""
        return self._asked("GET", "/cluster", None, STATUS_SECONDS)

    def order(self, method: str, path: str, body: Document | None = None) -> Document:
        """Raises Refused for what is not safe, CommandFailed for what could not be asked or is not allowed."""
        return self._asked(method, path, body, ORDER_SECONDS)

    def _asked(self, method: str, path: str, body: Document | None, seconds: float) -> Document:
        connection, address = self._connected()
        request = self._request(method, path, body)
        status, answer = _exchange(connection, address, request, seconds)
        if answer.get("code") == "no_primary" and answer.get("primaryAddress"):
            address = _named(answer["primaryAddress"])  # it is for the primary to do, and the node knows where that is
            status, answer = _exchange(_connect(address), address, request, seconds)
        return _judged(status, answer, address)

    def address_there(self) -> str:
        """Of the first that takes the connection. Raises CommandFailed."""
        connection, address = self._connected()
        connection.close()
        return str(address)

    def _connected(self) -> tuple[http.client.HTTPConnection, Address]:
        faults = []
        for address in self._addresses:
            try:
                return _connect(address), address
            except CommandFailed as fault:
                faults.append(fault.message)
        raise CommandFailed(f"{' '.join(faults)} Name a node that runs with --node.", ExitCode.UNREACHABLE)

    def _request(self, method: str, path: str, body: Document | None) -> tuple[str, str, bytes | None, dict[str, str]]:
        headers = {"Accept": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        if body is None:
            return method, path, None, headers
        return method, path, json.dumps(body).encode(), headers | {"Content-Type": "application/json"}


def _connect(address: Address) -> http.client.HTTPConnection:
    made = http.client.HTTPSConnection if address.secure else http.client.HTTPConnection
    connection = made(address.host, address.port, timeout=CONNECT_SECONDS)
    try:
        connection.connect()
    except (OSError, UnicodeError) as error:
        raise CommandFailed(f"{address} does not answer: {_reason(error)}.", ExitCode.UNREACHABLE) from error
    return connection


def _exchange(
    connection: http.client.HTTPConnection,
    address: Address,
    request: tuple[str, str, bytes | None, dict[str, str]],
    seconds: float,
) -> tuple[int, Document]:
    method, path, body, headers = request
    try:
        connection.sock.settimeout(seconds)
        connection.request(method, address.path + path, body, headers)
        response = connection.getresponse()
        raw = response.read(BODY_BYTES_MAX)
        if response.length:
            raise http.client.IncompleteRead(raw, response.length)
    except (OSError, http.client.HTTPException) as error:
        unknown = "" if method == "GET" else " What was asked may have been done: `onsale status` tells."
        raise CommandFailed(f"{address} did not answer: {_reason(error)}.{unknown}", ExitCode.UNREACHABLE) from error
    except ValueError as error:
        raise CommandFailed(f"The token cannot be sent: {error}.", ExitCode.USAGE) from error
    finally:
        connection.close()
    try:
        document = json.loads(raw)
    except ValueError:
        document = None
    return response.status, document if isinstance(document, dict) else {}


def _named(address: str) -> Address:
    """Where another node says that the primary is."""
    try:
        return _parse(address)
    except ValueError as error:
        raise CommandFailed(f"This is for the primary to do; ask it with --node: {address}.") from error


def _judged(status: int, answer: Document, address: Address) -> Document:
    if status == 200 and answer:
        return answer
    if answer.get("code") == "unsafe":
        raise Refused(answer)
    detail = str(
        answer.get("detail") or f"{address} answered with status {status} and no reason; is it an onsale node?"
    )
    if status in (401, 403):
        detail += " Give a token of an operator: --token, or ONSALE_TOKEN."
    raise CommandFailed(detail, ExitCode.UNREACHABLE if answer.get("code") == "no_primary" else ExitCode.ERROR)


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return str(getattr(error, "strerror", None) or error or type(error).__name__).rstrip(".")

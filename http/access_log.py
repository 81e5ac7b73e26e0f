"""What is written down of each call: who asked what, what became of it, and where in the journal.

Owns which calls are written down (`off`, `errors`, `writes`, `all`) and what a line says: the id of the request, the
position in the journal, the route (a name from a fixed set), the status, the milliseconds, and the user who is meant.
With the position `onsale inspect --seq N` tells the rest. Never writes what a client sent but for that id and user.
"""

from collections.abc import Callable
from time import perf_counter
from typing import Any, Final

import msgspec
from multidict import istr

from .access.auth import Authenticator, Principal
from .call import Answer, Call, Reply
from .request_ids import REQUEST_ID, request_id_of, with_request_id

Write = Callable[[dict[str, Any]], None]

WRITES: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
SEQ: Final = "Onsale-Seq"
FORWARDED_HEADER: Final = istr("Onsale-Forwarded-By")  # by which node of the cluster
USER_CHARACTERS_MAX: Final = 128


class _Meant(msgspec.Struct):
    userId: str = ""  # noqa: N815 - as it is sent


class AccessLog:
    """`which`: off, errors, writes or all. `write` is given each line, and must not wait."""

    def __init__(self, which: str = "off", write: Write = lambda _line: None) -> None:
        self.is_on = which != "off"
        self._which = which
        self._write = write

    def traced(self, authenticator: Authenticator, call: Call, method: str, route: str, reply: Reply) -> Reply:
        """What to answer by in the place of `reply`. For calls that carry an id, and for all while this is on."""
        header = (REQUEST_ID, request_id_of(call))
        began = perf_counter() if self.is_on else 0.0

        def traced(answer: Answer) -> None:
            if answer.status < 400:
                answer = answer.with_headers((*answer.headers, header))
            else:  # it may say already under which id it was logged
                answer = with_request_id(answer, header[1])
            reply(answer)
            if self.is_on:
                self.note(authenticator, call, method, route, answer, perf_counter() - began)

        return traced

    def note(
        self, authenticator: Authenticator, call: Call, method: str, route: str, answer: Answer, seconds: float
    ) -> None:
        """One call was answered. `method` and `route` are of fixed sets."""
        if not (self.is_on and self._wants(method, answer.status)):
            return
        headers = dict(answer.headers)
        line: dict[str, Any] = {
            "request_id": headers.get(REQUEST_ID, call.request_id),
            "seq": int(headers.get(SEQ, 0)),
            "method": method,
            "route": route,
            "status": answer.status,
            "ms": round(seconds * 1000, 3),
            "user": _user(authenticator, call),
        }
        if FORWARDED_HEADER in call.headers:
            # whoever it is that says so: it need not be a node
            sent = call.headers[FORWARDED_HEADER].encode("ascii", "backslashreplace").decode()
            line["forwarded_by"] = sent[:USER_CHARACTERS_MAX]
        self._write(line)

    def _wants(self, method: str, status: int) -> bool:
        if self._which == "writes":
            return method in WRITES
        return self._which == "all" or status >= 400


def _user(authenticator: Authenticator, call: Call) -> str:
    """Whom a write is for, by its body; else who asks."""
    if call.body:
        try:
            meant = msgspec.json.decode(call.body, type=_Meant).userId
        except (msgspec.DecodeError, UnicodeDecodeError):
            meant = ""
        if meant:
            return meant[:USER_CHARACTERS_MAX]
    principal = authenticator.authenticate(call)
    return principal.sub if isinstance(principal, Principal) else ""

"""From an `Answer` to the bytes of an HTTP/1.1 response.

Owns the status line, the framing headers and the Date of every answer that does not go through the framework, and
the answers for what HTTP itself finds wrong. Never lets a header value break out of its line.
"""

import email.utils
import http
import time

from ...engine.codes import Code
from ..call import Answer, RepeatedAnswer
from ..problems import problem
from ..request_ids import identified

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
CLOSE = b"Connection: close\r\n"
KEEP_ALIVE = b"Connection: keep-alive\r\n"  # said to HTTP/1.0 clients only, who would otherwise expect the end

_WITHOUT_BODY = frozenset({204, 304})
_PHRASES = {status.value: status.phrase for status in http.HTTPStatus}


def phrase(status: int) -> str:
    return _PHRASES.get(status, "Unknown")


def http_problem(status: int, code: str, detail: str) -> Answer:
    """Make the answer for what HTTP itself finds wrong, with HTTP's status and title for it."""
    own = {"type": f"/docs/errors#{code}", "title": phrase(status), "status": status, "code": code}
    found = problem(Code.INVALID_FIELD, detail, extra=own)
    return Answer(status, found.body, found.headers, found.content_type)


INTERNAL_PROBLEM = problem(Code.INTERNAL, "This is our fault, not yours, and has been logged. Try again.")


class ResponseRenderer:
    """Renders answers; what is the same for all of one second, status and content type is made once a second."""

    __slots__ = ("_heads", "_second")

    def __init__(self) -> None:
        self._second = 0
        self._heads: dict[tuple[int, str], bytes] = {}

    def render(self, answer: Answer, head_only: bool = False, connection: bytes = b"") -> bytes:  # noqa: FBT001, FBT002
        """Return the whole response. `connection` is `CLOSE`, `KEEP_ALIVE` or nothing; `head_only` leaves the body out.

        Raises ValueError for a header that holds a line break or another control character.
        """
        second = int(time.time())
        repeated = answer if isinstance(answer, RepeatedAnswer) and not head_only and not connection else None
        if repeated is not None and repeated.second == second:
            return repeated.payload
        if answer.status >= 400:
            answer = identified(answer)
        status, body, content_type = answer.status, answer.body, answer.content_type
        if second != self._second:
            self._heads.clear()
            self._second = second
        head = self._heads.get((status, content_type)) or self._make_head(status, content_type)
        lines = ""
        for name, value in answer.headers:
            line = f"{name}: {value}"
            if not line.isprintable():
                raise _not_printable(name, value)
            lines += line + "\r\n"
        connection += lines.encode()
        if status in _WITHOUT_BODY:
            return b"%b%b\r\n" % (head, connection)
        payload = b"%b%d\r\n%b\r\n%b" % (head, len(body), connection, b"" if head_only else body)
        if repeated is not None:
            repeated.payload, repeated.second = payload, second
        return payload

    def _make_head(self, status: int, content_type: str) -> bytes:
        date = email.utils.formatdate(self._second, usegmt=True)
        head = f"HTTP/1.1 {status} {phrase(status)}\r\nDate: {date}\r\n".encode("ascii")
        if not content_type.isprintable():
            raise _not_printable("Content-Type", content_type)
        if status not in _WITHOUT_BODY:
            head += f"Content-Type: {content_type}\r\nContent-Length: ".encode("ascii")
        self._heads[status, content_type] = head
        return head


def _not_printable(name: str, value: str) -> ValueError:
    return ValueError(f"The header {name!r} holds a control character: {value!r}")

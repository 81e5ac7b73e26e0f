"""aiohttp's connection handler, reduced to answering one whole request at a time.

Owns every dealing with the insides of aiohttp's `RequestHandler`, so that protocol.py has none: how a request that was
read elsewhere is put before the `web.Application`, how one learns that its answer has been written, and that errors
leave as problem+json. Promises that the handler sees a complete body, and that `served` is called once per `serve`
unless the connection is lost. Never reads the socket.

Used of `RequestHandler`: `finish_response` and `handle_error` are overridden; `_messages` and `_waiter` (the queue its
task takes requests from), `_current_request` and `_task_handler` (that task) are its own affair and may change, so
pyproject.toml bounds aiohttp's version and tests/http/test_protocol.py notices. WebSockets are not served: a request to
upgrade is answered as if it had not asked.
"""

from typing import Any, Final

from aiohttp import StreamReader, web
from aiohttp.http import RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD
from aiohttp.web_protocol import RequestHandler
from aiohttp.web_request import BaseRequest

from ...engine.codes import Code
from ..call import PROBLEM, Answer
from ..problems import problem
from ..request_ids import identified
from .response_bytes import INTERNAL_PROBLEM, http_problem

NEVER_SECONDS: Final = 10.0**8  # its keep-alive timer knows nothing of what else the connection does
_ERRORS: Final = {
    404: (Code.NOT_FOUND, "There is nothing at this path; /docs lists what there is."),
    405: (Code.METHOD_NOT_ALLOWED, "This path takes other methods; the Allow header lists them."),
    413: (Code.TOO_LARGE, "Send a smaller body."),
}


class FrameworkConnection(RequestHandler):
    """`serve` requests one by one, each after `served` was called for the one before."""

    __slots__ = ("_is_stream",)

    def __init__(self, manager: web.Server, **options: Any) -> None:
        super().__init__(manager, keepalive_timeout=NEVER_SECONDS, **options)
        self._is_stream = False

    def serve(self, message: RawRequestMessage, body: bytes) -> None:
        """Have the application answer this request."""
        stream: StreamReader = EMPTY_PAYLOAD
        if body:
            stream = StreamReader(self, limit=len(body), loop=self._loop)
            stream.feed_data(body)
            stream.feed_eof()
        self._request_count += 1
        self._messages.append((message, stream))
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def begin_stream(self) -> None:
        """Take note, from within a handler, that its answer goes on for as long as the client stays, and is the last.

        When the client leaves, the handler is cancelled: others are not, for what they do was asked for and goes on.
        """
        self._is_stream = True

    def connection_lost(self, exc: BaseException | None) -> None:
        handler = self._task_handler if self._is_stream else None
        super().connection_lost(exc)
        if handler is not None:
            handler.cancel()

    def served(self, *, keep: bool) -> None:
        """Go on after an answer was written. Without `keep` nothing may follow: the framework closes the connection."""
        raise NotImplementedError

    def is_last_answer(self) -> bool:
        """Whether the answer to the request in hand is to be this connection's last."""
        raise NotImplementedError

    def finish(self, answer: Answer) -> Answer:
        """Add what every answer says."""
        raise NotImplementedError

    @property
    def is_streaming(self) -> bool:
        """Whether part of an answer has been sent while its handler still runs."""
        request = self._current_request
        return request is not None and request.writer.output_size > 0

    async def finish_response(
        self, request: BaseRequest, resp: Any, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send what a handler returned or raised; called by the framework."""
        if not isinstance(resp, web.StreamResponse):
            resp = self.handle_error(request, exc=TypeError(f"A handler returned {resp!r} instead of a response"))
        elif isinstance(resp, web.HTTPException) and resp.status >= 400 and resp.content_type != PROBLEM:
            resp = self._as_problem(resp)
        if self.is_last_answer() and not resp.prepared:
            resp.force_close()
        resp, reset = await super().finish_response(request, resp, start_time)
        self.served(keep=bool(resp.keep_alive) and not reset)
        return resp, reset

    def handle_error(
        self, request: BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """Answer an exception that left a handler: ours to mend, whatever it was, unless the client has merely gone."""
        if self.transport is None or self.transport.is_closing():
            raise ConnectionResetError("The client has gone")
        self.log_exception(
            "Error handling %s %s (%s)", request.method, request.path, message or status, exc_info=exc or True
        )
        if request.writer.output_size > 0:
            raise ConnectionError("Part of the answer has been sent already")
        return _response(self.finish(INTERNAL_PROBLEM))

    def pause_reading(self) -> None:
        """Do nothing: the framework holds back a client whose body it has no room for, but it is given whole ones."""

    def resume_reading(self, resume_parser: bool = True) -> None:  # noqa: FBT001, FBT002 - aiohttp's signature
        """Do nothing, see `pause_reading`."""

    def _as_problem(self, error: web.HTTPException) -> web.Response:
        """Turn what the router or a handler raised as plain text into a problem."""
        known = _ERRORS.get(error.status)
        said = error.text or error.reason
        answer = problem(*known) if known else http_problem(error.status, Code.INVALID_FIELD, said)
        more = tuple((name, value) for name, value in error.headers.items() if not name.startswith("Content-"))
        return _response(self.finish(answer.with_headers((*answer.headers, *more))))


def _response(answer: Answer) -> web.Response:
    answer = identified(answer)
    return web.Response(status=answer.status, body=answer.body, headers=answer.headers, content_type=PROBLEM)

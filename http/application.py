"""The API as an aiohttp application: a thin coat around `routes.handle`.

Owns the way from `web.Request` to `Call` and from `Answer` to `web.Response`, and that whatever the framework itself
objects to leaves as problem+json. Decides nothing about what calls mean.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from aiohttp import hdrs, web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Middleware
from aiohttp.web_protocol import RequestPayloadError

from ..engine.codes import Code
from .api import Api
from .call import PROBLEM, Answer, Call
from .problems import problem
from .request_ids import identified
from .routes import handle

BODY_BYTES_MAX: Final = 64 * 1024

logger = logging.getLogger(__name__)
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def make_application(api: Api, more: Sequence[web.AbstractRouteDef] = ()) -> web.Application:
    """Serves every path there is. `more`: routes that need the connection itself, such as streams; they come first."""
    application = web.Application(client_max_size=BODY_BYTES_MAX, middlewares=[_problems(api)])

    async def answer(request: web.Request) -> web.StreamResponse:
        return as_response(await handle(api, await as_call(request)))

    async def close(_application: web.Application) -> None:
        await api.gate.close()

    application.on_response_prepare.append(_say_nothing_of_the_server)
    application.on_cleanup.append(close)
    application.router.add_routes(more)
    application.router.add_route("*", r"/{path:[\s\S]*}", answer)  # line breaks, too
    return application


async def _say_nothing_of_the_server(_request: web.Request, response: web.StreamResponse) -> None:
    """Which software answers, in which version, is of use to attackers alone."""
    response.headers.popall(hdrs.SERVER, None)


async def as_call(request: web.Request) -> Call:
    """Reads the whole body. Raises what `_problems` turns into answers."""
    url = request.rel_url
    body = await request.read() if request.can_read_body else b""
    return Call(request.method, url.raw_path, url.raw_query_string, request.headers, body, request.remote)


def as_response(answer: Answer) -> web.Response:
    answer = identified(answer)
    headers = list(answer.headers)
    if answer.body:
        headers.append(("Content-Type", answer.content_type))
    return web.Response(status=answer.status, body=answer.body, headers=headers)


def _problems(api: Api) -> Middleware:
    @web.middleware
    async def middleware(request: web.Request, handler: _Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPException as error:
            if error.status < 400 or error.content_type == PROBLEM:
                raise
            answer = _as_problem(error)
        except (HttpProcessingError, RequestPayloadError):
            answer = problem(Code.INVALID_JSON, "The body could not be read: its framing or encoding is broken.")
        except ConnectionError:  # there is nobody to answer
            raise
        except Exception:
            logger.exception("Error answering %s %s", request.method, request.path)
            answer = problem(Code.INTERNAL, "This is our fault, not yours; it has been logged. Try again.")
        return as_response(api.finish(answer))

    return middleware


def _as_problem(error: web.HTTPException) -> Answer:
    """What the framework refused in plain text."""
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        return problem(Code.TOO_LARGE, f"Send a body of at most {BODY_BYTES_MAX} bytes.")
    if isinstance(error, web.HTTPMethodNotAllowed):
        allow = ("Allow", ", ".join(sorted(error.allowed_methods)))
        answer = problem(Code.METHOD_NOT_ALLOWED, f"This path takes {allow[1]}.")
        return answer.with_headers((*answer.headers, allow))
    if error.status == 404:
        return problem(Code.NOT_FOUND, "There is nothing at this path; /docs lists what there is.")
    if error.status >= 500:
        return problem(Code.OVERLOADED if error.status == 503 else Code.INTERNAL, "The request could not be served.")
    return problem(Code.INVALID_FIELD, f"This is not a request that can be served: {error.reason}.")

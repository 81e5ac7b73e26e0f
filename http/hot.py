"""The calls that come in thousands a second, answered without a task or a request object.

Owns which calls these are. They are the very functions that routes.py names; only the way in and out differs. What is
unusual about a call is left to the plain path.
"""

from collections.abc import Callable
from time import perf_counter
from typing import Final

from .api import Api
from .caching import MIN_SEQ_HEADER
from .call import Answer, Call, Reply
from .calls.bookings import post_booking, post_payment
from .calls.challenge import get_challenge
from .calls.events import get_availability
from .calls.queue import get_place, get_queue, post_queue
from .kept_refusals import kept_refusal
from .problems import RefusedError
from .render.replies import answer_of

_BEFORE_ID: Final = "/events/"
_WRITES: Final[dict[str, Callable[..., None]]] = {"/booking": post_booking, "/pay": post_payment}
# by what stands behind the id of an event
_WRITES_OF_EVENT: Final[dict[str, Callable[..., None]]] = {"queue": post_queue}
_READS_OF_EVENT: Final[dict[str, Callable[..., None]]] = {"availability": get_availability, "queue": get_queue}


def make_hot(api: Api) -> Callable[[Call, Reply], bool]:
    """A function that takes a call, which it answers once by `reply`, now or later, or leaves it and says False."""
    counters: dict[tuple[str, str], Callable[[int, float], None]] = {}
    for path in _WRITES:
        counters["POST", path] = api.metrics.route("POST", path)
    for method, table in (("POST", _WRITES_OF_EVENT), ("GET", _READS_OF_EVENT)):
        for name in table:
            counters[method, name] = api.metrics.route(method, f"/events/{{eventId}}/{name}")
    count_place = api.metrics.route("GET", "/events/{eventId}/queue/{token}")
    count_challenge = api.metrics.route("GET", "/challenge")

    def found(call: Call) -> tuple[Callable[..., None], Callable[[int, float], None], tuple[str, ...]] | None:
        """What to call, what counts it, and the ids in the path."""
        method, path = call.method, call.path
        if method == "POST":
            run = _WRITES.get(path)
            if run is not None:
                return run, counters["POST", path], ()
        elif method != "GET" or MIN_SEQ_HEADER in call.headers or not api.gateway.ready:
            return None
        if not path.startswith(_BEFORE_ID):
            return (get_challenge, count_challenge, ()) if path == "/challenge" and method == "GET" else None
        event_id, _, rest = path[len(_BEFORE_ID) :].partition("/")
        run = (_WRITES_OF_EVENT if method == "POST" else _READS_OF_EVENT).get(rest)
        if not event_id.isdigit():
            return None
        if run is not None:
            return run, counters[method, rest], (event_id,)
        name, _, token = rest.partition("/")
        if name == "queue" and token and method == "GET" and "/" not in token and "%" not in token:
            return get_place, count_place, (event_id, token)
        return None

    def hot(call: Call, reply: Reply) -> bool:
        if call.method == "POST" and not api.gateway.leads:  # to be forwarded
            return False
        call_of = found(call)
        if call_of is None:
            return False
        run, count, ids = call_of
        counted = _counted(reply, count)
        try:
            limited = api.gate.limited(call)
            if limited is not None:
                counted(limited)
            else:
                run(api, call, counted, *ids)
        except RefusedError as refusal:
            _refuse(api, call, refusal, counted)
        except Exception:  # noqa: BLE001 - the last resort is here
            counted(api.internal(call))
        return True

    return hot


def _refuse(api: Api, call: Call, refusal: RefusedError, reply: Reply) -> None:
    kept = kept_refusal(api.authenticator, call, refusal)
    if kept is None:
        reply(api.finish(refusal.answer))
    else:
        api.gateway.submit_hot(*kept, lambda told, replayed: reply(answer_of(told, api.gateway, replayed=replayed)))


def _counted(reply: Reply, count: Callable[[int, float], None]) -> Reply:
    began = perf_counter()

    def counted(answer: Answer) -> None:
        count(answer.status, perf_counter() - began)
        reply(answer)

    return counted

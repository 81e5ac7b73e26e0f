"""The calls that come in thousands a second, answered without a task or a request object.

Owns which calls these are. They are the very functions that routes.py names; only the way in and out differs. What is
unusual about a call is left to the plain path.
"""

from collections.abc import Callable
from typing import Final, Literal

from .api import Api
from .caching import MIN_SEQ_HEADER
from .call import Call, Reply
from .calls.bookings import post_booking, post_payment
from .calls.challenge import get_challenge
from .calls.events import get_availability, get_events
from .calls.queue import get_place, get_queue, post_queue
from .kept_refusals import kept_refusal
from .problems import RefusedError
from .render.replies import answer_of
from .request_ids import REQUEST_ID
from .searches import PATH as SEARCH_PATH

_BEFORE_ID: Final = "/events/"
_OF_EVENT: Final = "/events/{eventId}"
_PLACE: Final = f"{_OF_EVENT}/queue/{{token}}"
_Run = Callable[..., None]
_Count = Callable[[int, float], None]
_Target = tuple[_Run, _Count, str, tuple[str, ...]]  # what to call, what counts it, its route, the ids in the path

_CALLS: Final[dict[tuple[str, str], _Run]] = {
    ("POST", "/booking"): post_booking,
    ("POST", "/pay"): post_payment,
    ("GET", "/challenge"): get_challenge,
    ("GET", SEARCH_PATH): get_events,
}
# by what stands behind the id of an event
_CALLS_OF_EVENT: Final[dict[tuple[str, str], _Run]] = {
    ("POST", "queue"): post_queue,
    ("GET", "queue"): get_queue,
    ("GET", "availability"): get_availability,
}


def make_hot(api: Api) -> Callable[[Call, Reply], "_Count | Literal[False]"]:
    """A function that takes a call, which it answers once by `reply`, now or later, and gives what is to be told of
    the answer; or leaves it and says False.
    """
    route, access_log = api.metrics.route, api.access_log
    limited = api.gate.limited if api.gate.limits_addresses else None
    calls: dict[str, dict[str, _Target]] = {"POST": {}, "GET": {}}
    for (method, path), run in _CALLS.items():
        calls[method][path] = (run, route(method, path), path, ())
    of_event = {
        (method, name): (run, route(method, f"{_OF_EVENT}/{name}"), f"{_OF_EVENT}/{name}")
        for (method, name), run in _CALLS_OF_EVENT.items()
    }
    count_place = route("GET", _PLACE)

    def find_of_event(method: str, path: str) -> _Target | None:
        if not path.startswith(_BEFORE_ID):
            return None
        event_id, _, rest = path[len(_BEFORE_ID) :].partition("/")
        if not event_id.isdigit():
            return None
        known = of_event.get((method, rest))
        if known is not None:
            return *known, (event_id,)
        name, _, token = rest.partition("/")
        if name == "queue" and token and method == "GET" and "/" not in token and "%" not in token:
            return get_place, count_place, _PLACE, (event_id, token)
        return None

    def hot(call: Call, reply: Reply) -> _Count | Literal[False]:
        method, path = call.method, call.path
        if method == "POST":
            if not api.gateway.leads:  # to be forwarded
                return False
        elif method != "GET" or MIN_SEQ_HEADER in call.headers or not api.gateway.ready:
            return False
        target: _Target | None = call.target
        if target is None:
            target = call.target = calls[method].get(path) or find_of_event(method, path)
            if target is None:
                return False
        run, count, path, ids = target
        if access_log.is_on or REQUEST_ID in call.headers:
            reply = access_log.traced(api.authenticator, call, method, path, reply)
        try:
            refused = None if limited is None else limited(call)
            if refused is not None:
                reply(refused)
            else:
                run(api, call, reply, *ids)
        except RefusedError as refusal:
            _refuse(api, call, refusal, reply)
        except Exception:  # noqa: BLE001 - the last resort is here
            reply(api.internal(call))
        return count

    return hot


def _refuse(api: Api, call: Call, refusal: RefusedError, reply: Reply) -> None:
    kept = kept_refusal(api.authenticator, call, refusal)
    if kept is None:
        reply(api.finish(refusal.answer))
    else:
        api.gateway.submit_hot(*kept, lambda told, replayed: reply(answer_of(told, api.gateway, replayed=replayed)))

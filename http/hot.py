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
from .calls.events import get_availability
from .kept_refusals import kept_refusal
from .problems import RefusedError
from .render.replies import answer_of

_BEFORE_ID: Final = "/events/"
_AFTER_ID: Final = "/availability"


def make_hot(api: Api) -> Callable[[Call, Reply], bool]:
    """A function that takes a call, which it answers once by `reply`, now or later, or leaves it and says False."""
    posted: dict[str, tuple[Callable[..., None], Callable[[int, float], None]]] = {
        "/booking": (post_booking, api.metrics.route("POST", "/booking")),
        "/pay": (post_payment, api.metrics.route("POST", "/pay")),
    }
    count_availability = api.metrics.route("GET", "/events/{eventId}/availability")

    def hot(call: Call, reply: Reply) -> bool:
        path = call.path
        if call.method == "POST":
            if path not in posted or not api.gateway.leads:  # to be forwarded
                return False
            run, count = posted[path]
            ids: tuple[str, ...] = ()
        elif call.method == "GET" and path.endswith(_AFTER_ID) and path.startswith(_BEFORE_ID):
            ids = (path[len(_BEFORE_ID) : -len(_AFTER_ID)],)
            if not ids[0].isdigit() or MIN_SEQ_HEADER in call.headers or not api.gateway.ready:
                return False
            run, count = get_availability, count_availability
        else:
            return False
        counted = _counted(reply, count)
        try:
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

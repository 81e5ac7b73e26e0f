"""The calls that come in thousands a second, answered without a task or a request object.

Owns which calls these are. They are the very functions that routes.py names; only the way in and out differs. What is
unusual about a call is left to the plain path.
"""

from collections.abc import Callable
from typing import Final

from .api import Api
from .caching import MIN_SEQ_HEADER
from .calls_bookings import post_booking, post_payment
from .calls_events import get_availability
from .call import Call, Reply
from .problems import RefusedError

_BEFORE_ID: Final = "/events/"
_AFTER_ID: Final = "/availability"


def make_hot(api: Api) -> Callable[[Call, Reply], bool]:
    """A function that takes a call, which it answers once by `reply`, now or later, or leaves it and says False."""

    def hot(call: Call, reply: Reply) -> bool:
        path = call.path
        try:
            if call.method == "POST":
                if path == "/booking":
                    post_booking(api, call, reply)
                    return True
                if path == "/pay":
                    post_payment(api, call, reply)
                    return True
                return False
            if call.method != "GET" or not path.endswith(_AFTER_ID) or not path.startswith(_BEFORE_ID):
                return False
            event_id = path[len(_BEFORE_ID) : -len(_AFTER_ID)]
            if not event_id.isdigit() or MIN_SEQ_HEADER in call.headers:
                return False
            get_availability(api, call, reply, event_id)
        except RefusedError as refusal:
            reply(api.finish(refusal.answer))
        except Exception:  # noqa: BLE001 - the last resort is here
            reply(api.internal(call))
        return True

    return hot

"""One name for a request: from whoever sends it, through every node it passes, to what became of it.

Owns the header X-Request-Id: which value of a client's is taken, and how one is made where there is none. An answer
carries it when the call did, and when it is an error.
"""

import re
import secrets
from itertools import count
from typing import Final

from multidict import istr

from .call import Answer, Call

REQUEST_ID: Final = istr("X-Request-Id")
CHARACTERS_MAX: Final = 128
_TAKEN: Final = re.compile(rf"[!-~]{{1,{CHARACTERS_MAX}}}")  # visible ASCII: nothing that could break a line or a log
_START: Final = secrets.token_hex(6)  # of this process: its numbers alone would be given again by the next one
_numbers: Final = count(1)


def new_request_id() -> str:
    """One that no other request has."""
    return f"{_START}-{next(_numbers):x}"


def request_id_of(call: Call) -> str:
    """What this call is known by; a name of the client's that can't be taken is replaced by a new one."""
    if not call.request_id:
        sent = call.headers.get(REQUEST_ID, "")
        call.request_id = sent if _TAKEN.fullmatch(sent) else new_request_id()
    return call.request_id


def with_request_id(answer: Answer, request_id: str) -> Answer:
    """The same answer, saying which request it is to. One that says so already stays as it is."""
    if any(name == REQUEST_ID for name, _ in answer.headers):
        return answer
    return answer.with_headers((*answer.headers, (REQUEST_ID, request_id)))


def identified(answer: Answer) -> Answer:
    """An error, with a name by which it can be asked about."""
    return with_request_id(answer, new_request_id()) if answer.status >= 400 else answer

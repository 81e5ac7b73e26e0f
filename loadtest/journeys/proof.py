"""Solving the proof of work that GET /challenge asks for, as ALTCHA's widget does.

Owns the search. It is by hand, so that it may rest in between: whoever shares a thread with it has their turn, too.
"""

import base64
import hashlib
import json
from collections.abc import Callable
from typing import Any, Final

NUMBERS_BETWEEN_RESTS: Final = 2_000
_FIELDS: Final = ("algorithm", "challenge", "salt", "signature")


def solution(challenge: dict[str, Any], rest: Callable[[], object] = lambda: None) -> str:
    """What goes into the field `challenge`. Raises ValueError where there is none."""
    begun, wanted = hashlib.sha256(challenge["salt"].encode()), challenge["challenge"]
    for number in range(challenge["maxnumber"] + 1):
        tried = begun.copy()
        tried.update(b"%d" % number)
        if tried.hexdigest() == wanted:
            return encoded(challenge, number)
        if number % NUMBERS_BETWEEN_RESTS == 0:
            rest()
    raise ValueError(f"no number up to {challenge['maxnumber']} solves the challenge")


def encoded(challenge: dict[str, Any], number: int) -> str:
    """A number, right or wrong, as it is sent."""
    sent = {name: challenge[name] for name in _FIELDS} | {"number": number}
    return base64.b64encode(json.dumps(sent).encode()).decode()

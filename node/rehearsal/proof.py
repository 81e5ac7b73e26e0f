"""The proof of work that GET /challenge asks for, as a browser brings it."""

import base64
import hashlib
import json
from typing import Any, Final

WORK_MAX: Final = 10_000  # of `maxnumber`: more, for thousands of people, is too much for the one machine they share
_SENT: Final = ("algorithm", "challenge", "salt", "signature")


def solution(challenge: dict[str, Any]) -> str:
    """What goes into the field `challenge`. Raises ValueError where there is none."""
    begun, wanted = hashlib.sha256(challenge["salt"].encode()), bytes.fromhex(challenge["challenge"])
    for number in range(challenge["maxnumber"] + 1):
        tried = begun.copy()
        tried.update(b"%d" % number)
        if tried.digest() == wanted:
            sent = {name: challenge[name] for name in _SENT} | {"number": number}
            return base64.b64encode(json.dumps(sent).encode()).decode()
    raise ValueError(f"no number up to {challenge['maxnumber']} solves the challenge")

"""A challenge's solution by the documented rule alone: no widget, no library."""

import base64
import hashlib
import json
from typing import Any


def number_of(challenge: dict[str, Any]) -> int:
    salt = hashlib.sha256(challenge["salt"].encode())
    for number in range(challenge["maxnumber"] + 1):
        tried = salt.copy()
        tried.update(str(number).encode())
        if tried.hexdigest() == challenge["challenge"]:
            return number
    raise AssertionError("a challenge has a solution")


def solution_of(challenge: dict[str, Any], /, **changes: Any) -> str:
    sent = {name: challenge[name] for name in ("algorithm", "challenge", "salt", "signature")}
    sent["number"] = changes.pop("number") if "number" in changes else number_of(challenge)
    return encoded(sent | changes)


def encoded(sent: Any) -> str:
    return base64.b64encode(json.dumps(sent).encode()).decode()

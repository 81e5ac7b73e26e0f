"""Idempotency keys of one account: https://docs.stripe.com/api/idempotent_requests, /error-low-level#idempotency.

Promises that one key is executed once, whatever comes of it, and that its answer stays, 500s too.
"""

from typing import NamedTuple

from stripe_errors import Json, Refusal, invalid

KEY_CHARACTERS_MAX = 255
KEPT_SECONDS = 24 * 3600


class Answer(NamedTuple):
    status: int
    body: bytes
    request_id: str


class _Entry:
    def __init__(self, endpoint: str, params: Json, at_seconds: float) -> None:
        self.endpoint = endpoint
        self.params = params
        self.at_seconds = at_seconds
        self.answer: Answer | None = None  # None: in progress


class Idempotency:
    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}

    def begin(self, key: str, endpoint: str, params: Json, now_seconds: float) -> Answer | None:
        """The stored answer; None: go ahead, then `finish` or `drop`. Raises Refusal."""
        if len(key) > KEY_CHARACTERS_MAX:
            raise invalid(f"Idempotency keys can be up to {KEY_CHARACTERS_MAX} characters long.")
        entry = self._entries.get(key)
        if entry is None or (entry.answer is not None and now_seconds - entry.at_seconds >= KEPT_SECONDS):
            self._entries[key] = _Entry(endpoint, params, now_seconds)
            return None
        if entry.endpoint != endpoint:
            raise _reused(
                "Keys for idempotent requests can only be used for the same endpoint they were first used for "
                f"('{endpoint}' vs '{entry.endpoint}'). Try using a key other than '{key}' if you meant to execute a "
                "different request."
            )
        if entry.params != params:
            raise _reused(
                "Keys for idempotent requests can only be used with the same parameters they were first used with. "
                f"Try using a key other than '{key}' if you meant to execute a different request."
            )
        if entry.answer is None:
            message = (
                "There is currently another in-progress request using this Idempotent Key (that probably means you "
                f"submitted twice, and the other request is still going through): {key}. Please try again later."
            )
            error = {"type": "idempotency_error", "code": "idempotency_key_in_use", "message": message}
            raise Refusal(409, error)
        return entry.answer

    def finish(self, key: str, answer: Answer) -> None:
        self._entries[key].answer = answer

    def drop(self, key: str) -> None:
        """Nothing was executed: the key is free again."""
        del self._entries[key]

    def forget(self) -> None:
        """As after a day."""
        self._entries = {key: entry for key, entry in self._entries.items() if entry.answer is None}


def _reused(message: str) -> Refusal:
    return Refusal(400, {"type": "idempotency_error", "message": message})

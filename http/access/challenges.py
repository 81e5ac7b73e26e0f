"""Proof of work: challenges in ALTCHA's classic form, and their solutions.

Owns how they are made and checked. A challenge is {algorithm, challenge, maxnumber, salt, signature}; whoever finds the
number for which sha256(salt + number) is `challenge` sends {algorithm, challenge, number, salt, signature} back, JSON
in base64, as ALTCHA's widget does. The salt says until when it counts and, where that was asked for, for which event;
the signature covers it. The key follows from the cluster's, so every node checks what any node made, and nothing is
stored. That a solution counts once is the engine's affair.

How long the search is grows with what comes in: up to CALM_PER_SECOND at this node it is `number_max` steps at most,
ten times that rate makes it ten times as long, and it never gets longer than that.
"""

import binascii
import datetime as dt
from collections.abc import Callable
from hashlib import blake2b
from typing import Annotated, Final, Literal, NamedTuple

import msgspec
import orjson
from altcha.v1 import PayloadType, create_challenge, verify_solution

LIFETIME_MS: Final = 300_000
NUMBER_MAX_DEFAULT: Final = 50_000  # a second on a slow phone, about 20 ms on a fast one
NUMBER_MAX_MOST: Final = 10_000_000
CALM_PER_SECOND: Final = 100.0  # challenges and bookings together
HARDER_MAX: Final = 10.0
BROWSER_HASHES_PER_SECOND: Final = 10_000_000  # more than all cores of a good machine do in a browser
DIGEST_BYTES: Final = 16

_ALGORITHM: Final = "SHA-256"
_PURPOSE: Final = b"onsale challenge"  # of the key: it signs nothing else
_SOLUTION_CHARACTERS_MAX: Final = 2_000
_SPAN_NS: Final = 1_000_000_000


class InvalidSolutionError(Exception):
    """It is no solution of a challenge of ours. The text says why, to a person."""


class Solution(NamedTuple):
    """A right one. `digest` names the challenge."""

    digest: bytes
    expires_ms: int
    event_id: int  # 0: for any
    too_fast: bool  # no browser is


class _Sent(msgspec.Struct):
    """What the widget sends; it may say more."""

    algorithm: Literal["SHA-256"]
    challenge: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    number: Annotated[int, msgspec.Meta(ge=0, le=NUMBER_MAX_MOST)]
    salt: Annotated[str, msgspec.Meta(max_length=200, pattern=r"^[0-9a-f]{24}\?[a-z0-9=&]*$")]
    signature: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


_decode = msgspec.json.Decoder(_Sent).decode


class Pace:
    """How much comes in, per second, lately."""

    __slots__ = ("_count", "_since_ns", "per_second")

    def __init__(self) -> None:
        self.per_second = 0.0
        self._count = 0
        self._since_ns = 0

    def add(self, now_ns: int) -> None:
        self._count += 1
        if now_ns - self._since_ns >= _SPAN_NS:
            self.look(now_ns)

    def look(self, now_ns: int) -> float:
        """A new second weighs as much as all that came before it."""
        elapsed_ns = now_ns - self._since_ns
        if elapsed_ns >= _SPAN_NS:
            weight = 0.5 ** (elapsed_ns / _SPAN_NS)
            self.per_second = self.per_second * weight + self._count * _SPAN_NS / elapsed_ns * (1 - weight)
            self._count, self._since_ns = 0, now_ns
        return self.per_second


class Challenges:
    def __init__(self, key: Callable[[], bytes], number_max: int = NUMBER_MAX_DEFAULT) -> None:
        """`key` gives the cluster's, b"" while there is none. `number_max`: when little comes in."""
        self.pace = Pace()
        self._key = key
        self._number_max = number_max
        self._derived: tuple[bytes, str] = (b"", "")

    def number_max(self, now_ns: int) -> int:
        """How long the search is at most, by now."""
        harder = min(max(self.pace.look(now_ns) / CALM_PER_SECOND, 1.0), HARDER_MAX)
        return min(round(self._number_max * harder), NUMBER_MAX_MOST)

    def make(self, now_ms: int, now_ns: int, event_id: int = 0) -> bytes:
        """A challenge, JSON. Raises LookupError while there is no key."""
        self.pace.add(now_ns)
        expires = dt.datetime.fromtimestamp((now_ms + LIFETIME_MS) / 1000, dt.UTC)
        made = create_challenge(
            algorithm=_ALGORITHM,
            max_number=self.number_max(now_ns),
            salt_length=12,
            hmac_key=self._signing_key(),
            salt="",
            number=None,  # by chance
            expires=expires,
            params={"at": str(now_ms)} | ({"event": str(event_id)} if event_id else {}),
        )
        return orjson.dumps(
            {
                "algorithm": made.algorithm,
                "challenge": made.challenge,
                "maxnumber": made.max_number,
                "salt": made.salt,
                "signature": made.signature,
            }
        )

    def read(self, text: str, now_ms: int) -> Solution:
        """Raises InvalidSolutionError for whatever is no right solution of a challenge of ours; one whose time is over
        is right. LookupError while there is no key.
        """
        sent = _decoded(text)
        payload: PayloadType = {
            "algorithm": sent.algorithm,
            "challenge": sent.challenge,
            "number": sent.number,
            "salt": sent.salt,
            "signature": sent.signature,
        }
        right, _ = verify_solution(payload, self._signing_key(), check_expires=False)
        if not right:
            raise InvalidSolutionError("The number is not the challenge's, or the challenge is not ours.")
        said = dict(part.split("=", 1) for part in sent.salt.partition("?")[2].split("&") if part)
        taken_ms = max(now_ms - int(said["at"]), 0)
        return Solution(
            bytes.fromhex(sent.challenge)[:DIGEST_BYTES],
            int(said["expires"]) * 1000,
            int(said.get("event", "0")),
            too_fast=sent.number * 1000 > BROWSER_HASHES_PER_SECOND * (taken_ms + 1),
        )

    def _signing_key(self) -> str:
        key = self._key()
        if key != self._derived[0]:
            self._derived = (key, blake2b(key=key, digest_size=32, person=_PURPOSE).hexdigest() if key else "")
        if not key:
            raise LookupError("there is no key yet")
        return self._derived[1]


def _decoded(text: str) -> _Sent:
    if len(text) > _SOLUTION_CHARACTERS_MAX:
        raise InvalidSolutionError(f"A solution has at most {_SOLUTION_CHARACTERS_MAX} characters.")
    try:
        return _decode(_from_base64(text))
    except (msgspec.DecodeError, ValueError):  # a validation error is the former
        raise InvalidSolutionError(
            "A solution is the base64 of a JSON object with algorithm, challenge, number, salt and signature."
        ) from None


def _from_base64(text: str) -> bytes:
    """With or without padding."""
    return binascii.a2b_base64(text.encode("ascii") + b"=" * (-len(text) % 4), strict_mode=True)

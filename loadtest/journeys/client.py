"""A client as it should be written: sends a key with every write, asks again when it was told to or when the connection
broke, and believes nothing without looking.

Owns when the same is asked again, and the check of every answer. Knows neither sockets nor locust: a `Line` sends.
"""

import random
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from .answers import LATER, Expected, Heard, fault_of, read
from .ledger import Record, Unanswered

LOST_CONNECTIONS_MAX: Final = 6  # one after the other
LATER_SECONDS_MAX: Final = 120.0  # in all, for one call
REPEATED_SHARE: Final = 1 / 32  # of the writes that have a key: asked once more, to see that nothing new happens
HUNG_UP_SHARE: Final = 1 / 32  # of them: sent once by somebody who is gone before the answer
Judge = Callable[[Heard], str]
"""Gives what is wrong with an answer; empty: nothing."""


class Line(Protocol):
    """What carries requests, counts them and their faults, and passes the time."""

    def send(
        self, name: str, method: str, path: str, headers: Mapping[str, str], body: bytes | None, judge: Judge
    ) -> Heard:
        """The answer; one with status 0 when the connection broke. `judge` says whether it counts as a failure."""

    def hang_up(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> None:
        """Send it, and break the connection before an answer can come."""

    def rest(self, seconds: float) -> None: ...


class OutOfContractError(Exception):
    """An answer that should never be given. It was counted as a failure; the person leaves."""


class BrokenPromiseError(OutOfContractError):
    """Something that took more than one answer to see, so no request was counted as a failure for it."""


class Told(NamedTuple):
    """An answer in which nothing was wrong; `said` in the shape that was expected with its status."""

    status: int
    said: Any
    heard: Heard
    lost: int = 0  # connections that broke before it came

    @property
    def code(self) -> str:
        """Of a refusal; empty of what is none."""
        return str(self.said.code) if self.status >= 400 else ""


class Client:
    def __init__(self, line: Line, record: Record, headers: Mapping[str, str], chance: random.Random) -> None:
        """`headers` go with every request."""
        self.seq = 0  # the latest that this user was told with an answer to a write
        self._line, self._record, self._headers, self._chance = line, record, headers, chance
        self._keys = 0

    def read(
        self, call: str, path: str, expected: Expected, check: Callable[[Any], str] = lambda _: "",
        *, etag: str | None = None, own: bool = False,
    ) -> Told:  # fmt: skip
        """`own`: what this user has written must show in it."""
        headers = dict(self._headers)
        seq_min = 0
        if own and self.seq:
            headers["Onsale-Min-Seq"], seq_min = str(self.seq), self.seq
        if etag is not None:
            headers["If-None-Match"] = etag
        return self._ask(call, "GET", path, headers, None, expected, check, lambda: seq_min, is_write=False)

    def write(
        self, call: str, method: str, path: str, body: Mapping[str, Any] | None, expected: Expected,
        check: Callable[[Any], str] = lambda _: "", *, may_be: Unanswered | None = None, patient: bool = True,
    ) -> Told:  # fmt: skip
        """With a key. `may_be`: what may have happened as long as no answer came. Not `patient`: 429 is an answer."""
        self._keys += 1
        headers = {**self._headers, "Idempotency-Key": f"{self._record.user_id}-{self._keys}"}
        sent = None if body is None else msgspec.json.encode(body)
        if sent is not None:
            headers["Content-Type"] = "application/json"
        if may_be is not None:
            self._record.unanswered.append(may_be)
        if patient and self._chance.random() < HUNG_UP_SHARE:
            self._record.count("hung up, and asked again")
            self._line.hang_up(method, path, headers, sent)
        ask = (call, method, path, headers, sent, expected)
        told = self._ask(*ask, check, lambda: self.seq, is_write=True, patient=patient)
        if may_be is not None and not (told.lost and told.status in LATER):  # which says nothing of the tries before
            self._record.unanswered.remove(may_be)
        if not told.heard.replayed:
            self.seq = max(self.seq, told.heard.seq)
        if told.status < 400 and self._chance.random() < REPEATED_SHARE:
            self._repeat(told, call, method, path, headers, sent)
        return told

    def _repeat(
        self, told: Told, call: str, method: str, path: str, headers: Mapping[str, str], body: bytes | None
    ) -> None:
        """The same once more, as one whose connection broke asks. It must be the first answer, byte for byte."""
        self._record.count("answers asked for again")

        def judge(heard: Heard) -> str:
            if heard.status in LATER or not heard.status:
                return ""
            if (heard.status, heard.body) != (told.status, told.heard.body):
                return f"asked again with the same key, and was told {heard.status} {heard.body[:300]!r}"
            return "" if heard.replayed else "the first answer was given again without Idempotency-Replayed"

        self._send(f"{call} (again)", method, path, headers, body, judge)

    def _ask(
        self, call: str, method: str, path: str, headers: Mapping[str, str], body: bytes | None, expected: Expected,
        check: Callable[[Any], str], seq_min: Callable[[], int], *, is_write: bool, patient: bool = True,
    ) -> Told:  # fmt: skip
        lost, waited = 0, 0.0

        def judge(heard: Heard) -> str:
            if not heard.status:
                return "" if lost < LOST_CONNECTIONS_MAX else f"no answer came, {lost + 1} times: {heard.body!r}"
            fault = fault_of(heard, expected, is_write=is_write, seq_min=seq_min())
            if fault or heard.status >= 300:
                return fault
            return check(read(heard, expected))

        while True:
            heard = self._send(call, method, path, headers, body, judge)
            if not heard.status:
                lost += 1
                self._record.count("lost connections")
                self._line.rest(min(0.1 * 2**lost, 5.0) * (1 + self._chance.random()))
            elif heard.status in LATER and (patient or heard.status != 429):
                if waited > LATER_SECONDS_MAX:
                    self._send(call, method, path, headers, body, lambda _: "was told to wait without end")
                self._record.count("told to come back later")
                seconds = int(heard.headers["Retry-After"]) * (1 + self._chance.random() / 4)
                waited += seconds
                self._line.rest(seconds)
            else:
                return Told(heard.status, None if heard.status == 304 else read(heard, expected), heard, lost)

    def _send(
        self, call: str, method: str, path: str, headers: Mapping[str, str], body: bytes | None, judge: Judge
    ) -> Heard:
        """Raises OutOfContractError."""
        found: list[str] = []

        def judged(heard: Heard) -> str:
            fault = judge(heard)
            found.append(fault)
            return fault

        heard = self._line.send(call, method, path, headers, body, judged)
        if fault := "".join(found):
            self._record.count("faults")
            raise OutOfContractError(f"{self._record.user_id}: {call}: {fault}")
        return heard

"""What goes wrong, by order: the next N requests, or by chance with a seed; for all paths or some.

Owns which request is hit; what is done to it is the server's.
"""

import asyncio
import random
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal, get_args

FaultKind = Literal["delay", "error", "cut", "rate_limit", "lock_timeout", "unavailable", "html", "hang"]
Stage = Literal["arrival", "execution", "executed", "answer"]


@dataclass
class Fault:
    """One kind of fault for some requests.

    delay        waits `seconds`; while executing (its idempotency key is in use), or `after`: when all is done
    error        answers `status`, stored under the idempotency key; `after`: what was asked for has been done
    cut          closes the connection without an answer; `after`: what was asked for has been done
    html         answers 200 with a page; `after`: likewise
    hang         never answers (until released: then the connection is cut); `after`: likewise
    rate_limit, lock_timeout   429 with `retry_after_seconds`; before the idempotency layer, nothing is done or stored
    unavailable  503 of a proxy; likewise
    """

    kind: FaultKind
    after: bool = False
    times: int | None = 1  # None: from now on
    chance: float = 1.0
    path: str = "*"  # as a shell pattern: /v1/payment_intents/*/confirm
    method: str = "*"
    seconds: float = 0.0
    status: int = 500
    retry_after_seconds: float | None = None

    def __post_init__(self) -> None:
        if self.kind not in get_args(FaultKind):
            raise ValueError(f"unknown fault {self.kind!r}: one of {', '.join(get_args(FaultKind))}")

    @property
    def stage(self) -> Stage:
        if self.kind == "error":
            return "executed" if self.after else "execution"
        if self.after:
            return "answer"
        return "execution" if self.kind == "delay" else "arrival"


class Faults:
    def __init__(self, seed: int = 0) -> None:
        self.active: list[Fault] = []
        self.hits = 0
        self.struck = asyncio.Event()  # the first time
        self._chance = random.Random(seed)

    def take(self, stage: Stage, method: str, path: str) -> Iterator[Fault]:
        """Those that hit this request now; of each kind one at most."""
        hit: set[FaultKind] = set()
        for fault in list(self.active):
            if fault.stage != stage or fault.kind in hit:
                continue
            if not fnmatchcase(path, fault.path) or not fnmatchcase(method, fault.method):
                continue
            if fault.chance < 1.0 and self._chance.random() >= fault.chance:
                continue
            hit.add(fault.kind)
            if fault.times is not None:
                fault.times -= 1
                if fault.times <= 0:
                    self.active.remove(fault)
            self.hits += 1
            self.struck.set()
            yield fault

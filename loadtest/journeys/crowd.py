"""The locust file: a class of users for each journey, and the shape of the run.

Owns all that needs locust and gevent. Runs in processes of locust's own, never in one that does anything else:
importing it changes how the standard library waits. Locust loads it by its path, so it names its package in full.
"""

import itertools
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

import gevent  # type: ignore[import-untyped]
import gevent.socket  # type: ignore[import-untyped]
import msgspec
from locust import FastHttpUser, LoadTestShape, events, task
from locust.env import Environment

from onsale.loadtest.journeys import people
from onsale.loadtest.journeys.answers import Heard
from onsale.loadtest.journeys.bots import ADDRESS, cheat
from onsale.loadtest.journeys.client import BrokenPromiseError, Judge, OutOfContractError
from onsale.loadtest.journeys.counts import STATISTICS_FILE, Statistics, counted
from onsale.loadtest.journeys.ledger import Ledger
from onsale.loadtest.journeys.person import Person
from onsale.loadtest.journeys.plan import read_plan
from onsale.loadtest.journeys.shapes import SHAPES

PLAN: Final = read_plan()
LEDGER: Final = Ledger(Path(PLAN.folder))
TOKEN: Final = os.environ.get("ONSALE_TOKEN", "")
BEGAN: Final = time.monotonic()
HANGS_UP_AFTER_SECONDS: Final = 0.005
DOES: Final[dict[str, Callable[[Person], None]]] = {
    "Browser": people.browse,
    "Buyer": people.buy,
    "Dawdler": people.dawdle,
    "GiverUp": people.give_up,
    "ComeBack": people.come_back,
    "Refresher": people.refresh,
    "Bot": cheat,
}
_numbers = itertools.count(1)


def _second() -> float:
    """Of the run; each process has its own clock, a moment apart."""
    return time.monotonic() - BEGAN


class Visitor(FastHttpUser):
    """One connection, on which one person after the other comes and goes."""

    abstract = True
    network_timeout = 30.0
    connection_timeout = 10.0
    headers: ClassVar[dict[str, str]] = {}

    rests_seconds = 0.0

    def wait_time(self) -> float:
        return self.rests_seconds

    @task
    def come_and_go(self) -> None:
        name = type(self).__name__
        number = os.getpid() % 2**22 * 2**20 + next(_numbers)  # nobody else's, whichever process it is
        headers = self.headers | ({"Authorization": f"Bearer {TOKEN}"} if TOKEN else {})
        person = Person(PLAN, name, number, LocustLine(self, name), _second, headers)
        try:
            DOES[name](person)
        except BrokenPromiseError as fault:
            self.environment.events.request.fire(
                request_type="CHECK", name=f"{name}: promises", response_time=0, response_length=0, exception=fault,
                context={},
            )  # fmt: skip
        except OutOfContractError:
            pass  # counted as a failed request
        finally:  # whatever sends them away, the end of the run as well
            LEDGER.write(person.record)
        self.rests_seconds = PLAN.thinks_seconds * person.chance.uniform(0.2, 1.0)


class LocustLine:
    """A person's requests, as locust's."""

    def __init__(self, user: Visitor, name: str) -> None:
        self._user, self._name = user, name

    def send(
        self, name: str, method: str, path: str, headers: Mapping[str, str], body: bytes | None, judge: Judge
    ) -> Heard:
        with self._user.client.request(
            method,
            path,
            name=f"{self._name}: {name}",
            data=body,  # type: ignore[arg-type]
            headers=dict(headers),
            catch_response=True,
        ) as response:
            status = response.status_code or 0
            if status:
                heard = Heard(status, response.headers, response.content or b"")
            else:
                heard = Heard(0, {}, str(response.error).encode())
            if fault := judge(heard):
                response.failure(fault)
            else:
                response.success()
        return heard

    def hang_up(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> None:
        to = urlsplit(PLAN.host)
        if to.scheme != "http":
            return
        lines = [f"{method} {path} HTTP/1.1", f"Host: {to.netloc}", f"Content-Length: {len(body or b'')}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        try:
            with gevent.socket.create_connection((to.hostname or "", to.port or 80), timeout=10) as connection:
                connection.sendall("\r\n".join([*lines, "", ""]).encode() + (body or b""))
                gevent.sleep(HANGS_UP_AFTER_SECONDS)
        except OSError:
            pass  # it was to break anyway

    def rest(self, seconds: float) -> None:
        """Locust may send somebody away now, rather than in the middle of a request."""
        self._user.rests_seconds = seconds
        self._user.wait()  # type: ignore[no-untyped-call]


class Browser(Visitor):
    weight = 4


class Buyer(Visitor):
    weight = 6


class Dawdler(Visitor):
    weight = 2


class GiverUp(Visitor):
    weight = 2


class ComeBack(Visitor):
    weight = 3


class Refresher(Visitor):
    weight = 2


class Bot(Visitor):
    weight = 1
    headers = ADDRESS


class PlannedShape(LoadTestShape):
    """OnsaleShape or DayShape, whichever the plan names."""

    def tick(self) -> tuple[int, float] | None:
        people = SHAPES[PLAN.shape](self.get_run_time(), PLAN.seconds, PLAN.users)  # type: ignore[no-untyped-call]
        return None if people is None else (people, float(max(PLAN.users, 1)))


@events.quitting.add_listener  # type: ignore[untyped-decorator]
def _leave_statistics(environment: Environment, **_: Any) -> None:
    """Of the process that has everybody's: the only one, or the master."""
    runner = environment.runner
    if runner is None or environment.parsed_options is None or environment.parsed_options.worker:
        return
    calls = [
        counted(entry.name, entry.num_requests, entry.num_failures, dict(entry.response_times))
        for entry in environment.stats.entries.values()
    ]
    failures = [
        f"{error.name}: {error.error} ({error.occurrences} times)" for error in environment.stats.errors.values()
    ]
    exceptions = [f"{each['msg']}: {each['traceback']}" for each in runner.exceptions.values()]
    statistics = Statistics(calls, failures, exceptions)
    (Path(PLAN.folder) / STATISTICS_FILE).write_bytes(msgspec.json.encode(statistics))

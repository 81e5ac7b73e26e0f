"""Readings from the nodes themselves, made of their /metrics.

Owns the looks of the last minutes, which rates and quantiles are made of, and who was missing in them. Promises that a
node that does not answer is never taken for one that has nothing to do.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import aiohttp

from .asking import NotAnswered, ask
from .decision import Reading
from .exposition import Samples, aggregate, is_over_time, parse, roles_of
from .members import Members
from .rules import NodeMetric, Nodes

UNREACHABLE = "unreachable"
NAMED_MAX = 3


@dataclass(frozen=True)
class _Look:
    at: float  # by the clock
    moment: float  # by the loop's, for what has passed between two
    samples: dict[str, Samples]  # by address
    missing: dict[str, str]  # by address: why


class NodesReader:
    """`clock`: seconds since 1970; `loop_clock`: seconds that only go on."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        nodes: Nodes,
        metrics: Iterable[NodeMetric],
        clock: Callable[[], float],
        loop_clock: Callable[[], float],
    ) -> None:
        self._session = session
        self._nodes = nodes
        self._members = Members(session, nodes)
        self._metrics = tuple(metrics)
        self._names = {"onsale_role", *(each.metric for each in self._metrics)}
        self._window = max((each.window_seconds for each in self._metrics), default=0.0)
        self._clock = clock
        self._loop_clock = loop_clock
        self._looks: deque[_Look] = deque()
        self._found: tuple[str, ...] = nodes.addresses

    async def look(self) -> None:
        """Ask all nodes once."""
        if self._nodes.discover:
            try:
                found = [
                    each.address.rstrip("/")
                    for each in await self._members.find()
                    # a read replica that has gone is no loss; a voter that does not answer is missed
                    if each.address and not (each.role == "replica" and each.state == UNREACHABLE)
                ]
                self._found = tuple(dict.fromkeys(found))
            except NotAnswered:
                pass  # whom there were; they are asked now, and will be missing
        answers = await asyncio.gather(*(self._scrape(address) for address in self._found))
        samples = {
            address: answer for address, answer in zip(self._found, answers, strict=True) if not isinstance(answer, str)
        }
        missing = {
            address: answer for address, answer in zip(self._found, answers, strict=True) if isinstance(answer, str)
        }
        moment = self._loop_clock()
        self._looks.append(_Look(self._clock(), moment, samples, missing))
        while len(self._looks) > 2 and self._looks[1].moment <= moment - self._window:
            self._looks.popleft()

    async def _scrape(self, address: str) -> Samples | str:
        """Its samples, or what is wrong."""
        try:
            status, body = await ask(self._session, f"{address}/metrics", self._nodes.timeout_seconds)
            if status != 200:
                return f"{address} answers {status}"
            return parse(body.decode(), self._names)
        except NotAnswered as error:
            return str(error)
        except ValueError:
            return f"what {address} answers are no metrics"

    @property
    def takes_two(self) -> bool:
        """Looks, for some of the metrics, as far as is known."""
        return not self._looks or any(
            is_over_time(metric, samples) for metric in self._metrics for samples in self._looks[-1].samples.values()
        )

    def read(self, metric: NodeMetric) -> Reading:
        """From the looks so far."""
        if not self._looks:
            return Reading(None, self._clock(), "no node was asked yet")
        now = self._looks[-1]
        asked = {address: each for address, each in now.samples.items() if self._is_asked(metric, each)}
        if not asked:
            why = "; ".join(list(now.missing.values())[:NAMED_MAX]) or f"there is no {' or '.join(metric.roles)}"
            return Reading(None, now.at, f"no node answers: {why}")
        over_time = any(is_over_time(metric, samples) for samples in asked.values())
        pairs = []
        for address, samples in asked.items():
            before = self._before(address, metric.window_seconds) if over_time else now
            if before is not None:
                pairs.append((before.samples[address], samples, now.moment - before.moment))
        if over_time and not pairs:
            return Reading(None, now.at, "it takes a second look, which follows")
        value = aggregate(metric, pairs)
        if value is None:
            return Reading(None, now.at, f"no node has a metric {metric.metric}; see GET /metrics")
        return Reading(value, now.at, partial=_partial(now))

    def _is_asked(self, metric: NodeMetric, samples: Samples) -> bool:
        return not metric.roles or bool(roles_of(samples) & set(metric.roles))

    def _before(self, address: str, window_seconds: float) -> _Look | None:
        """The oldest look within the window that has this node."""
        now = self._looks[-1]
        for look in self._looks:
            if look is not now and address in look.samples and look.moment >= now.moment - window_seconds * 1.5:
                return look
        return None


def _partial(look: _Look) -> str:
    if not look.missing:
        return ""
    count = len(look.samples) + len(look.missing)
    return f"{len(look.missing)} of {count} nodes did not answer ({', '.join(list(look.missing)[:NAMED_MAX])})"

"""The readings of all rules at once, each from where its rule says.

Owns who is asked what. Promises a reading for each rule, within the time limits of the sources; one that could not be
had says why.
"""

import asyncio
import time
from collections.abc import Callable

import aiohttp

from .decision import Reading
from .nodes import NodesReader
from .prometheus import Prometheus
from .rules import NodeMetric, PrometheusQuery, Rule, Rules

SECOND_LOOK_SECONDS = 2.0


class Readings:
    """`again_seconds`: with it, what takes two looks gets them at once, so far apart."""

    def __init__(
        self,
        rules: Rules,
        session: aiohttp.ClientSession,
        *,
        clock: Callable[[], float] = time.time,
        again_seconds: float = 0.0,
    ) -> None:
        self._rules = rules.plan.rules
        self._again_seconds = again_seconds
        self._clock = clock
        metrics = [rule.source for rule in self._rules if isinstance(rule.source, NodeMetric)]
        self._nodes = NodesReader(session, rules.nodes, metrics, clock, asyncio.get_running_loop().time)
        self._asks_nodes = bool(metrics)
        self._prometheus = None if rules.prometheus is None else Prometheus(session, rules.prometheus, clock)

    async def read(self) -> dict[str, Reading]:
        """By rule."""
        found = await asyncio.gather(self._look(), *(self._read(rule) for rule in self._rules))
        readings = dict(zip((rule.name for rule in self._rules), found[1:], strict=True))
        for rule in self._rules:
            if isinstance(rule.source, NodeMetric):
                readings[rule.name] = self._nodes.read(rule.source)
        return {name: reading for name, reading in readings.items() if reading is not None}

    async def _look(self) -> None:
        if not self._asks_nodes:
            return
        await self._nodes.look()
        if self._again_seconds and self._nodes.takes_two:
            await asyncio.sleep(self._again_seconds)
            await self._nodes.look()
            self._again_seconds = 0.0

    async def _read(self, rule: Rule) -> Reading | None:
        if not isinstance(rule.source, PrometheusQuery) or self._prometheus is None:
            return None
        return await self._prometheus.read(rule.source.query)

"""The scaler itself: it reads, decides, and has the fleet follow.

Owns the order of things, and what is written down: a step is on disk before anything is done about it, so a scaler
that ends in the middle goes on with it and does not take it twice. What is decided is in decision.py, what is done in
fleet.py.
"""

import asyncio
import logging
from collections.abc import Callable

from .decision import Hold, Step, decide
from .fleet import Fleet
from .readings import Readings
from .reminders import Reminders
from .rules import Rules
from .state_file import STEPS_KEPT, State, TakenStep

log = logging.getLogger("onsale.scaler")

LOOKED_AT_SECONDS = 1.0  # whether replicas run and serve, between two decisions


class Scaler:
    def __init__(
        self,
        rules: Rules,
        state: State,
        save: Callable[[], None],
        readings: Readings,
        fleet: Fleet,
        reminders: Reminders,
        clock: Callable[[], float],
    ) -> None:
        self._rules = rules
        self._state = state
        self._save = save
        self._readings = readings
        self._fleet = fleet
        self._reminders = reminders
        self._clock = clock
        self._said = ""  # what kept the last wish from being followed

    async def run(self) -> None:
        """For ever."""
        loop = asyncio.get_running_loop()
        while True:
            next_at = loop.time() + self._rules.every_seconds
            await self.tick()
            while (left := next_at - loop.time()) > 0:
                await asyncio.sleep(min(left, LOOKED_AT_SECONDS))
                if next_at - loop.time() > LOOKED_AT_SECONDS / 2:
                    await self.follow()

    async def settle(self, within_seconds: float) -> bool:
        """Follow until the last step has come about; False: it did not in time, and the log says why."""
        loop = asyncio.get_running_loop()
        given_up_at = loop.time() + within_seconds
        while unsettled := self._fleet.unsettled:
            if loop.time() > given_up_at:
                log.warning("after %g s %s", within_seconds, unsettled)
                return False
            await asyncio.sleep(min(LOOKED_AT_SECONDS, within_seconds / 10))
            await self.follow()
        return True

    async def tick(self) -> Step | Hold | None:
        """Decide once; None: it is not known what there is."""
        if not await self._fleet.look():
            return None
        readings = await self._readings.read()
        now = self._clock()
        decision, memory = decide(self._rules.plan, readings, now, self._state.memory, joining=self._fleet.joining)
        self._state.memory = memory
        self._state.decided_at, self._state.decided = now, decision.sentence
        if isinstance(decision, Step):
            step = TakenStep(now, decision.wanted_before, decision.wanted, decision.sentence)
            self._state.steps = [*self._state.steps[1 - STEPS_KEPT :], step]
            log.info("step: replicas %s", decision.sentence)
        self._tell(decision)
        self._save()
        await self._fleet.reach(decision.sentence)
        return decision

    async def follow(self) -> None:
        """See to it that what was decided comes about, and stays so."""
        if await self._fleet.look():
            await self._fleet.reach(self._state.decided)

    def _tell(self, decision: Step | Hold) -> None:
        missing = {each.rule.name: each.sentence for each in decision.verdicts if each.way == "unknown"}
        for rule in self._rules.plan.rules:
            if rule.name in missing:
                self._reminders.trouble(
                    f"rule {rule.name}",
                    f"holding still, for what is not known is no reason to scale: {missing[rule.name]}",
                )
            else:
                self._reminders.over(f"rule {rule.name}", f"{rule.name} is known again")
        if isinstance(decision, Hold):
            kind = decision.blocked.split(" has ")[0]  # without the time that is left
            if kind and kind != self._said and not missing:
                log.info("hold: %s", decision.sentence)
            self._said = kind

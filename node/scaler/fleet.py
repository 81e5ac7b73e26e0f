"""The replicas there are: which serve, which are sent requests, which are on their way in or out.

Owns how their number becomes the one that is wanted. Promises that a replica is sent requests only once it says itself
that it is fresh enough, and that one is stopped only after nothing new is sent to it; where the balancer can't be told,
nothing is stopped.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Sequence

from .ports import Balancer, CannotDo, Driver, Place, Replica
from .reminders import Reminders
from .state_file import KnownReplica, State

log = logging.getLogger("onsale.scaler")

AGAIN_SECONDS = 30.0  # before a driver is asked once more for what it did not bring about
FAILED_MAX = 2  # looks in a row, before a replica that is not fresh is sent nothing more
NAMED_MAX = 4

Probe = Callable[[str], Awaitable[str]]
"""`await probe(address)`: empty where the replica is fresh enough; else what it says."""


class Fleet:
    def __init__(
        self,
        state: State,
        save: Callable[[], None],
        driver: Driver,
        balancer: Balancer,
        probe: Probe,
        reminders: Reminders,
        clock: Callable[[], float],
        *,
        join_seconds: float,
    ) -> None:
        self._state = state
        self._save = save
        self._driver = driver
        self._balancer = balancer
        self._probe = probe
        self._reminders = reminders
        self._clock = clock
        self._join_seconds = join_seconds
        self._failed: dict[str, int] = {}  # how often in a row
        self._troubles: dict[str, str] = {}  # what they said of themselves
        self._asked: tuple[int, float] = (-1, 0.0)  # for how many, and when
        self._late: set[str] = set()
        self._stopped: dict[str, float] = {}  # when; an orchestrator may list them for a while yet

    @property
    def joining(self) -> int:
        """Those that do not serve yet, and may yet be waited for."""
        now = self._clock()
        present = sum(1 for each in self._state.replicas if not each.leaving)
        coming = max(self._state.memory.wanted - present, 0)
        asked_for, asked_at = self._asked
        if asked_for != self._state.memory.wanted or now - asked_at > self._join_seconds:
            coming = 0  # nobody was asked, or they do not come
        return coming + sum(
            1
            for each in self._state.replicas
            if not each.admitted and not each.leaving and now - each.since <= self._join_seconds
        )

    @property
    def unsettled(self) -> str:
        """What is not yet as it is wanted; empty: there are as many as wanted, and all of them serve."""
        replicas, wanted = self._state.replicas, self._state.memory.wanted
        late = [each.name for each in replicas if not each.admitted]
        parts = [f"the number of replicas is {len(replicas)}, not {wanted}"] if len(replicas) != wanted else []
        parts += [f"{name} does not serve: {self._troubles.get(name, 'it is about to go')}" for name in late]
        return "; ".join(parts)

    async def look(self) -> bool:
        """See who is there, and send requests to those that are fresh; False: nobody knows who is there."""
        try:
            listed = await self._driver.listed()
        except CannotDo as error:
            self._reminders.trouble("list", f"nobody knows how many replicas there are, so nothing is done: {error}")
            return False
        finally:
            self._tell_news()
        self._reminders.over("list", "it is known again how many replicas there are")
        self._note(listed)
        await self._judge(listed)
        await self._keep()
        self._save()
        return True

    async def reach(self, reason: str) -> None:
        """Start or stop replicas until there are as many as wanted."""
        wanted = self._state.memory.wanted
        leaving = [each for each in self._state.replicas if each.leaving]
        present = [each for each in self._state.replicas if not each.leaving]
        excess = len(present) - wanted
        if excess > 0:
            leaving += self._victims(present, excess)
        missing = max(-excess, 0)
        asked_for, asked_at = self._asked
        if not leaving and not missing:
            return
        if asked_for == wanted and self._clock() - asked_at < min(AGAIN_SECONDS, max(self._join_seconds, 1.0)):
            return
        self._asked = (wanted, self._clock())
        try:
            if leaving:
                await self._stop(leaving, wanted, reason)
            if missing:
                await self._driver.up(missing, wanted, reason)
        except CannotDo as error:
            what = f"{missing} more can't be started" if missing else f"{len(leaving)} can't be stopped"
            self._reminders.trouble("reach", f"{what}, which is tried again: {error}")
        else:
            self._reminders.over("reach", f"there are to be {wanted}, and they could be started or stopped again")
        finally:
            self._tell_news()
            self._save()

    # --- in

    def _note(self, listed: Sequence[Replica]) -> None:
        """Take in who is new, and forget who is gone."""
        names = {each.name for each in listed}
        for each in [each for each in self._state.replicas if each.name not in names]:
            log.info("%s is gone", each.name)
            self._state.replicas.remove(each)
            self._failed.pop(each.name, None)
            self._troubles.pop(each.name, None)
            self._late.discard(each.name)
        known = {each.name: each for each in self._state.replicas}
        now = self._clock()
        self._stopped = {
            name: at for name, at in self._stopped.items() if name in names and now - at <= self._join_seconds
        }
        for replica in listed:
            if replica.name in known:
                known[replica.name].address = replica.address
            elif replica.name not in self._stopped:
                number = self._number(replica.name)
                self._state.replicas.append(KnownReplica(replica.name, replica.address, number, now))

    def _number(self, name: str) -> int:
        """The one at the end of its name, where that is free; else the lowest that is."""
        used = {each.number for each in self._state.replicas}
        digits = re.search(r"([0-9]{1,4})$", name)
        if digits and int(digits[1]) > 0 and int(digits[1]) not in used:
            return int(digits[1])
        return next(number for number in range(1, len(used) + 2) if number not in used)

    async def _judge(self, listed: Sequence[Replica]) -> None:
        """Who is fresh enough. Where all of those who serve fail at once it is not them: they stay."""
        runs = {each.name for each in listed if each.runs}
        asked = [each for each in self._state.replicas if not each.leaving]
        said = await asyncio.gather(*(self._said(each) if each.name in runs else _ended() for each in asked))
        for each, trouble in zip(asked, said, strict=True):
            if not trouble:
                self._failed.pop(each.name, None)
                self._troubles.pop(each.name, None)
                self._late.discard(each.name)
                if not each.admitted:
                    each.admitted = True
                    there = f": requests are sent to {each.address} from now on" if each.address else ""
                    log.info("%s serves%s", each.name, there)
            else:
                self._failed[each.name] = self._failed.get(each.name, 0) + 1
                self._troubles[each.name] = trouble
                self._tell_late(each, trouble)
        serving = [each for each in asked if each.admitted]
        failing = [each for each in serving if self._failed.get(each.name, 0) >= FAILED_MAX and each.name in runs]
        if len(serving) > 1 and len(failing) == len(serving):
            names = ", ".join(each.name for each in failing[:NAMED_MAX])
            self._reminders.trouble("all", f"none of the replicas is fresh ({names}), so it is not them: they stay")
            failing = []
        for each in [*failing, *(each for each in serving if each.name not in runs)]:
            each.admitted, each.since = False, self._clock()
            log.warning("%s is sent nothing more until it serves again: %s", each.name, said[asked.index(each)])

    async def _said(self, replica: KnownReplica) -> str:
        return await self._probe(replica.address) if replica.address else ""

    def _tell_late(self, replica: KnownReplica, trouble: str) -> None:
        late = self._clock() - replica.since > self._join_seconds
        if late and not replica.admitted and replica.name not in self._late:
            self._late.add(replica.name)
            log.warning(
                "%s does not serve after %g s, and is not waited for any more: %s",
                replica.name, self._join_seconds, trouble,
            )  # fmt: skip

    async def _keep(self) -> bool:
        """Have the balancer know; False: it could not be told."""
        try:
            await self._balancer.keep([_place(each) for each in self._state.replicas if each.admitted])
        except CannotDo as error:
            self._reminders.trouble("balancer", f"the balancer can't be told whom to send requests to: {error}")
            return False
        self._reminders.over("balancer", "the balancer could be told again")
        return True

    # --- out

    def _victims(self, present: Sequence[KnownReplica], count: int) -> list[KnownReplica]:
        """Those that do not serve first, then the newest."""
        order = sorted(present, key=lambda each: (each.admitted, -present.index(each)))
        return order[:count]

    async def _stop(self, leaving: Sequence[KnownReplica], wanted: int, reason: str) -> None:
        for each in leaving:
            each.leaving, each.admitted = True, False
        self._save()
        if not await self._keep():
            raise CannotDo("Requests would still be sent there.")
        names = ", ".join(each.name for each in leaving)
        log.info("%s: nothing new is sent there", names)
        places = [_place(each) for each in leaving]
        await asyncio.gather(*(self._balancer.leave(place) for place in places))
        await self._driver.down([place.replica for place in places], wanted, reason)
        for place in places:
            await self._balancer.release(place)
            self._stopped[place.replica.name] = self._clock()
        self._state.replicas[:] = [each for each in self._state.replicas if each not in leaving]
        log.info("%s stopped", names)

    def _tell_news(self) -> None:
        for sentence in self._driver.news():
            log.info("%s", sentence)


def _place(replica: KnownReplica) -> Place:
    return Place(Replica(replica.name, replica.address), replica.number)


async def _ended() -> str:
    return "it is not running"

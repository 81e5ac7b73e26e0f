"""The crowd of a rehearsal, a process of its own: `python -m onsale.node.rehearsal.crowd`, a plan on standard input.

Owns the course: the event is made, everybody comes, and once a second how it goes is said on standard output, as JSON.
It ends when everybody is through, when the time is over, or when its standard input does: so never later than its node.
It is in nobody's way: whatever else wants the processor has it first.
"""

import asyncio
import os
import random
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from ...engine.limits import ADMIT_PER_MINUTE_MAX
from .bots import Bots
from .door import Door
from .people import Crowd
from .plan import Plan, Told
from .proof import WORK_MAX

NICE: Final = 15
TOLD_SECONDS: Final = 1.0
SELLS_SECONDS: Final = 150.0  # about how long the tickets last: time enough to see the line move
TICKETS_EACH: Final = 2.0  # of those who are let in, about
ADMITTED_PER_MINUTE_MIN: Final = 30


class CannotBegin(Exception):
    """The text says why, to a person."""


async def rehearse(plan: Plan, door: Door, told: Told) -> None:
    """From the making of the event to the last one's end."""
    chance = random.Random(plan.seed)  # noqa: S311 - people, no secrets
    event = await _event(plan, door)
    told.event_id = event["id"]
    door.nodes = await _nodes(plan, door)
    crowd, bots = Crowd(door, event, chance, told, plan.pace), Bots(door, event, chance, told, plan.pace)

    def comes_seconds() -> float:
        """Most come at the very beginning."""
        return plan.opens_seconds + plan.arrive_seconds * float(chance.random()) ** 2

    async with asyncio.TaskGroup() as tasks:
        people = []
        for number in range(plan.people):
            one = crowd.person(number, comes_seconds=comes_seconds(), refreshes=number < plan.refreshers)
            people.append(tasks.create_task(one))
        pushing = [tasks.create_task(bots.bot(number, comes_seconds=comes_seconds())) for number in range(plan.bots)]
        await asyncio.wait(people) if people else None
        told.over = True
        for bot in pushing:
            bot.cancel()


async def _event(plan: Plan, door: Door) -> dict[str, Any]:
    now = datetime.now(UTC)
    a_minute = plan.tickets / TICKETS_EACH / (SELLS_SECONDS * plan.pace) * 60
    admit = min(max(ADMITTED_PER_MINUTE_MIN, round(a_minute)), ADMIT_PER_MINUTE_MAX)
    _, challenge = await door.ask("GET", "/challenge")
    provable = challenge.get("maxnumber", WORK_MAX + 1) <= WORK_MAX
    wish = {
        "name": f"Rehearsal, {now:%H:%M:%S}",
        "startsAt": _instant(now + timedelta(days=30)),
        "onSaleAt": _instant(now + timedelta(seconds=plan.opens_seconds)),
        "venue": "The sample hall",
        "description": "Simulated people stand in line here. Try to get a ticket against them.",
        "maxPerUser": 4,
        "challenge": "proof_of_work" if provable else "none",
        "waitingRoom": {"admitPerMinute": admit},
        "ticketTypes": [
            {"name": "Standing", "price": "49.00", "capacity": max(1, plan.tickets * 2 // 3)},
            {"name": "Gallery", "price": "79.00", "capacity": max(1, plan.tickets - plan.tickets * 2 // 3)},
        ],
    }
    status, event = await door.ask("POST", "/events", wish)
    if status >= 300:
        raise CannotBegin(f"The event for the rehearsal could not be made: {event.get('detail', status)}")
    return event


async def _nodes(plan: Plan, door: Door) -> list[str]:
    """All nodes of the cluster, so that one of them may go."""
    status, cluster = await door.ask("GET", "/cluster")
    members = cluster["members"] if status == 200 else []
    found = [each["address"] for each in members if each["address"]]
    return list(dict.fromkeys([*plan.nodes, *found]))


def _instant(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def _tell(plan: Plan, door: Door, told: Told) -> None:
    began = time.monotonic()
    while True:
        told.seconds, told.requests = round(time.monotonic() - began, 1), door.requests
        told.slowest_answer_ms, door.slowest_ms = round(door.slowest_ms, 1), 0.0
        told.longest_wait_seconds = round(told.longest_wait_seconds, 1)
        sys.stdout.buffer.write(msgspec.json.encode(told) + b"\n")
        sys.stdout.buffer.flush()
        if told.over or told.seconds > plan.seconds:
            return
        await asyncio.sleep(TOLD_SECONDS)


async def _until_input_ends() -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while await reader.read(1024):
        pass


async def _run(plan: Plan) -> None:
    told = Told()
    door = Door(plan.nodes, plan.token, random.Random(plan.seed + 1))  # noqa: S311 - people, no secrets
    rehearsing = asyncio.create_task(rehearse(plan, door, told))
    telling = asyncio.create_task(_tell(plan, door, told))
    ended = asyncio.create_task(_until_input_ends())
    await asyncio.wait({rehearsing, telling, ended}, return_when=asyncio.FIRST_COMPLETED)
    if rehearsing.done() and (error := rehearsing.exception()) is not None:
        told.fault, told.broken = f"The crowd went home: {error}", True
    told.over = True
    for task in (rehearsing, telling, ended):
        task.cancel()
    await asyncio.gather(rehearsing, telling, ended, return_exceptions=True)
    sys.stdout.buffer.write(msgspec.json.encode(told) + b"\n")
    sys.stdout.buffer.flush()
    await door.close()


def main() -> None:
    os.nice(NICE)
    plan = msgspec.json.decode(sys.stdin.buffer.readline(), type=Plan)
    asyncio.run(_run(plan))


if __name__ == "__main__":
    main()

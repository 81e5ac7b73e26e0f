"""What a run is: how long, how many people, and the events they come for.

Owns `Plan`, which the command writes to a file and each locust process reads.
"""

import os
from pathlib import Path
from typing import Final

import msgspec

PLAN_VARIABLE: Final = "ONSALE_JOURNEYS_PLAN"  # in the environment of locust: the plan's file
ACTS_SECONDS_MAX: Final = 1.0
JOURNEYS: Final = ("Browser", "Buyer", "Dawdler", "GiverUp", "ComeBack", "Refresher", "Bot")


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    host: str
    folder: str  # where each locust process leaves what its people were told
    run_id: str  # begins every user's id
    seconds: float
    users: int  # at the most
    shape: str
    room: int = 0  # the event with a waiting room and a challenge
    room_name: str = ""
    seated: int = 0  # the event with a seat map
    halls: tuple[int, ...] = ()  # plain events with plenty of tickets
    small: tuple[int, ...] = ()  # each sells out, one after the other in the course of the run
    words: tuple[str, ...] = ()  # to search for; each finds something
    cities: tuple[str, ...] = ()
    thinks_seconds: float = ACTS_SECONDS_MAX  # at most, between one call and the next

    def small_at(self, second: float) -> int:
        """The one that sells out at this time of the run."""
        number = int(second / self.seconds * len(self.small))
        return self.small[min(max(number, 0), len(self.small) - 1)]

    @property
    def events(self) -> tuple[int, ...]:
        return (self.room, self.seated, *self.halls, *self.small)


def write_plan(plan: Plan, file: Path) -> None:
    file.write_bytes(msgspec.json.encode(plan))


def read_plan() -> Plan:
    """The plan of this process. Raises KeyError where it was started by hand."""
    return msgspec.json.decode(Path(os.environ[PLAN_VARIABLE]).read_bytes(), type=Plan)

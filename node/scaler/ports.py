"""What the scaler needs of whoever runs replicas, and of whoever sends requests to them.

Owns the two protocols, and the one way in which they fail.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class CannotDo(Exception):
    """It was not done. The text says what, why, and what to do, to an operator."""


@dataclass(frozen=True)
class Replica:
    """`address`: HOST:PORT of its HTTP; empty: not known. `runs`: False while it is down, to be started again."""

    name: str
    address: str
    runs: bool = True


@dataclass(frozen=True)
class Place:
    """A replica that requests are sent to, and its number among them."""

    replica: Replica
    number: int


class Driver(Protocol):
    """All but `news` may raise CannotDo."""

    async def listed(self) -> Sequence[Replica]:
        """Those there are, the oldest first; starts again what has ended by itself."""

    async def up(self, count: int, wanted: int, reason: str) -> None:
        """Start so many more, which makes `wanted`. They may take a while until they are listed and serve."""

    async def down(self, replicas: Sequence[Replica], wanted: int, reason: str) -> None:
        """Stop these, which nobody is sent to any more. Returns when they are gone, as far as that can be known."""

    def news(self) -> Sequence[str]:
        """What happened by itself since this was asked last, in sentences."""

    async def close(self) -> None:
        """The scaler ends."""


class Balancer(Protocol):
    """All may raise CannotDo."""

    async def keep(self, places: Sequence[Place]) -> None:
        """Send requests to these, and to no other replica of ours. Called again and again; where it is so, nothing is
        done.
        """

    async def leave(self, place: Place) -> None:
        """Nothing new is sent there; returns when what is under way is through, or after the time that it may take."""

    async def release(self, place: Place) -> None:
        """The replica is gone: its place is free."""

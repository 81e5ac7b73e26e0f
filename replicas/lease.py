"""The right to lead as an authority outside the cluster grants it: for so long at a time, to one node at a time.

Owns the shapes of what is asked and answered, and the port behind them. Two stores stand behind it: etcd
(node/lease/etcd.py), and the simulated one of the tests. Without one the right is the operator's word alone.

A lease is no proof that others don't lead: promises are (failover.py). It says *when* somebody may try without a
person, and keeps two from trying at once; and whoever has it stops answering before it can have run out.
"""

from collections.abc import Callable
from typing import Protocol

import msgspec


class Claim(msgspec.Struct, frozen=True):
    """Who asks for the right: `replication` is where it is reached, `journal_id` what it would lead."""

    name: str
    node_id: bytes
    replication: str
    journal_id: bytes


class Holder(msgspec.Struct, frozen=True):
    """Who has the right. `revision`: of the store when it was given; it only ever rises."""

    name: str
    node_id: bytes
    replication: str
    revision: int


class Seen(msgspec.Struct, frozen=True):
    """What the store says. `holder` None: nobody has the right. `paused`: nobody is to take it by itself."""

    holder: Holder | None
    paused: bool


class Taken(msgspec.Struct, frozen=True):
    """The right is this node's, since `revision`. `paused`: whether others are told not to take it by themselves."""

    revision: int
    paused: bool = False


class Refused(msgspec.Struct, frozen=True):
    """It is not. `sentence`: why; `holder`: who has it, if that is why."""

    sentence: str
    holder: Holder | None = None


class Lost(msgspec.Struct, frozen=True):
    """It was this node's, and is not any more: it ran out, or was given to another by an operator."""


class OutOfReach(msgspec.Struct, frozen=True):
    """The store can't be asked, or has no quorum; nobody knows. `sentence` says what happened."""

    sentence: str


class LeaseStore(Protocol):
    """Asked by one node. Calls return at once; `done` comes later, exactly once, within `answer_seconds_max`."""

    ttl_seconds: float
    answer_seconds_max: float

    def look(self, done: Callable[[Seen | OutOfReach], None]) -> None:
        """What is so now, as the store's majority has it."""

    def take(self, claim: Claim, *, by_order: bool, done: Callable[[Taken | Refused | OutOfReach], None]) -> None:
        """Take the right if nobody has it, or this very node; `by_order`: whoever has it.

        Refused, too, when the store knows of another journal than the claim's.
        """

    def renew(self, done: Callable[[Taken | Lost | OutOfReach], None]) -> None:
        """Have it for `ttl_seconds` more, counted from when this is called."""

    def release(self) -> None:
        """Give it up, if it is this node's."""

    def set_paused(self, done: Callable[[OutOfReach | None], None], *, paused: bool) -> None:
        """Whether nobody is to take the right by itself."""

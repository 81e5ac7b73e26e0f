"""A rehearsal, as HTTP sees it: what can be wished for, and what is told. Its crowd is the node's affair.

Owns the port and its shapes. A node has one in the sample mode alone.
"""

from typing import Annotated, Any, Protocol

import msgspec


def _whole(least: int, most: int) -> Any:
    return msgspec.Meta(ge=least, le=most, description=f"a whole number from {least} to {most}")


def _seconds(least: int, most: int) -> Any:
    return msgspec.Meta(ge=least, le=most, description=f"seconds, from {least} to {most}")


class RehearsalWish(msgspec.Struct, rename="camel", forbid_unknown_fields=True, gc=False):
    """Body of `POST /rehearsal`. The sale begins after `opens_seconds`; most come within `arrive_seconds` of that.
    `pace`: how long they take to think and to pay, beside how long people do.
    """

    people: Annotated[int, _whole(1, 20_000)] = 2_000
    bots: Annotated[int, _whole(0, 500)] = 50
    tickets: Annotated[int, _whole(2, 20_000)] = 600
    opens_seconds: Annotated[float, _seconds(0, 300)] = 20
    arrive_seconds: Annotated[float, _seconds(1, 600)] = 60
    seconds: Annotated[float, _seconds(1, 1_800)] = 600
    pace: Annotated[float, msgspec.Meta(gt=0, le=10, description="a number above 0, up to 10")] = 1.0


class AlreadyOnError(Exception):
    """One at a time. The text says what to do, to a person."""


class RehearsalView(msgspec.Struct, rename="camel"):
    """`told`: how many are where, as the crowd said it last; empty before the first rehearsal."""

    running: bool
    people: int
    bots: int
    tickets: int
    told: dict[str, Any]


class Rehearsal(Protocol):
    def view(self) -> RehearsalView: ...

    async def start(self, wish: RehearsalWish, token: str) -> None:
        """`token`: the operator's, for the crowd to go by; empty: none is asked for. Raises AlreadyOnError, and
        UnavailableError where none can be made.
        """

    async def stop(self) -> None: ...

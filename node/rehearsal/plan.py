"""What a rehearsal is to be, and what is told of it: between the node and the process that is the crowd.

Owns the shapes alone.
"""

import msgspec


class Plan(msgspec.Struct, frozen=True):
    """`nodes`: where the crowd asks first, `http://HOST:PORT`. `arrive_seconds`: within which everybody comes, once the
    sale has begun, `opens_seconds` after the start.
    """

    nodes: tuple[str, ...]
    token: str  # the operator's who started it; empty: none is asked for
    people: int
    refreshers: int  # of the people: ask much too often
    bots: int
    tickets: int
    opens_seconds: float = 10.0
    arrive_seconds: float = 30.0
    seconds: float = 180.0
    pace: float = 1.0  # how long they take to think and to pay, beside how long people do
    seed: int = 1  # another one for each rehearsal: keys of writes come from it


class Told(msgspec.Struct, rename="camel"):
    """How it goes. Of people each is in one of: coming … faulty. Bots are not counted among them."""

    event_id: int = 0
    seconds: float = 0.0
    joined: int = 0  # the waiting room, so far
    coming: int = 0
    in_room: int = 0
    admitted: int = 0
    holding: int = 0
    paid: int = 0
    gave_up: int = 0
    lapsed: int = 0
    left_line: int = 0  # once told that tickets will not reach so far
    sold_out: int = 0
    faulty: int = 0
    tickets_paid: int = 0
    requests: int = 0
    bots_refused: int = 0  # requests of theirs
    bots_refused_by: dict[str, int] = {}  # by the error's code
    bots_in_turn: int = 0  # waited, and bought
    bots_passed: int = 0  # got in before their turn: never
    longest_wait_seconds: float = 0.0
    slowest_answer_ms: float = 0.0  # of the last second
    fault: str = ""  # the first that somebody met
    broken: bool = False  # it ended before everybody was through, and not by order
    over: bool = False

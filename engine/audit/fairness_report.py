"""What is reported of one event's fairness: orders, and whoever was not served in the order of coming, by rule.

Owns the rules' names and what each says and allows; fairness.py finds who falls under them.
"""

from collections import Counter

import msgspec

# by name: what it says, and whether it allows what happened
RULES: dict[str, tuple[str, bool]] = {
    "lot": ("came before the opening, so the number was drawn by lot", True),
    "left": ("gave up the place before its turn came", True),
    "turn_given_up": ("was admitted in order, and gave up the turn", True),
    "turn_lapsed": ("was admitted in order, and let the turn pass", True),
    "joined_again": ("had a turn before, and joined again at the end", True),
    "not_reached": ("still waits, behind all who were admitted", True),
    "room_removed": ("waited when the waiting room was removed", True),
    "group_too_large": ("was passed under first_fit: the group was larger than what was free", True),
    "any_of": ("left this line, served from the line of another ticket type that would do as well", True),
    "given_up": ("gave up the place in line", True),
    "more_than_there_are": ("was told that the group is larger than all there is now", True),
    "sale_over": ("waited until the sale was over", True),
    "event_cancelled": ("waited until the event was cancelled", True),
    "still_waiting": ("still waits in line, behind all who were served", True),
    "paid_late": ("paid after the hold had lapsed, and took tickets that nobody waited for", True),
    "lot_broken": ("was admitted in an order that is not the one drawn by lot", False),
    "no_turn": ("booked without a turn in the waiting room", False),
    "passed": ("was passed, and no rule allows that", False),
    "limit_exceeded": ("got more tickets than one user may have", False),
}


class Deviation(msgspec.Struct, gc=False, frozen=True):
    """Somebody who was not served in the order of arrival, and by which rule; `seq` is where that shows."""

    rule: str
    user_id: str
    seq: int
    at_ms: int
    place: str  # "waiting room", or the ticket type in whose line
    joined_seq: int
    arrival: int = 0
    number: int = 0
    booking_id: int = 0
    detail: str = ""


class Order(msgspec.Struct):
    """A waiting room or a line: who came, and who was served in the order of coming."""

    name: str
    joined: int = 0
    served: int = 0
    waiting: int = 0


class Draw(msgspec.Struct):
    """The order drawn by lot, once the room was opened. `proven`: it follows from what was committed to."""

    commitment: str
    seed: str
    proven: bool
    arrivals: list[int]  # by number, from 1


class Fairness(msgspec.Struct):
    event_id: int
    name: str = ""
    waitlist: str = ""
    since_seq: int = 0  # what came before is not in the journal any more; 0: it is all there
    max_per_user: int = 0
    most_tickets: int = 0  # that any one user had at a time
    at_once: int = 0  # bookings that got tickets when they asked
    suspected: int = 0
    room: Order | None = None
    draw: Draw | None = None
    lines: dict[int, Order] = {}  # by ticket type
    deviations: list[Deviation] = []
    refused: dict[str, int] = {}  # by code, at any event, where the answer was kept for an idempotency key

    @property
    def by_rule(self) -> dict[str, int]:
        counts = Counter(each.rule for each in self.deviations)
        if self.draw is not None:
            counts["lot"] = len(self.draw.arrivals)
        return {rule: counts[rule] for rule in RULES if counts[rule]}

    @property
    def is_fair(self) -> bool:
        return all(RULES[each.rule][1] for each in self.deviations)

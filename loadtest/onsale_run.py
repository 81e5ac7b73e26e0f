"""One onsale from the first who comes to the last ticket, in simulated time, with restarts and a failover on the way.

Owns the clock. At each moment what is due by itself comes first, then what people do. Nothing here depends on chance:
the people are drawn beforehand, so the same seed gives the same run.
"""

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256

from ..engine import facts as f
from ..engine import invariants
from ..engine.audit.auditor import Auditor
from ..engine.audit.fairness import FairnessWatch
from ..engine.audit.fairness_report import Fairness
from ..engine.commands import Command, CreateEvent, RoomSpec, TypeSpec
from ..engine.replies import EventReply, Reply
from ..engine.room_view import PlaceView, RoomNow, place_view, room_now
from ..engine.state import place_id
from ..engine.status import PLACE_WAITING, WAITLIST_FIRST_FIT
from .onsale_crowd import PRICE_MINOR, Crowd, Visitor
from .onsale_ledger import Ledger
from .onsale_node import Node
from .onsale_people import MAX_PER_USER, PRE_QUEUE_MS, Person

OPENING_MS = 1_800_000_000_000
LASTS_MS_MAX = 4 * 3_600_000
TICK_MS = 1_000  # what everybody may see of the room is made anew so often
SEEN_BY_ALL_MS = 30_000  # what is said to all
Action = Callable[[Visitor], None]


@dataclass(frozen=True)
class Plan:
    seed: int
    tickets: int
    admit_per_minute: int
    by_stock: bool = True
    max_inside: int | None = None
    turn_ms: int | None = None
    waitlist: int = WAITLIST_FIRST_FIT
    shuffle: bool = True


@dataclass
class Tick:
    """What was seen of the room at one moment."""

    at_ms: int
    sold: int
    held: int
    waiting: int
    inside: int
    in_line: int
    servable_through: int


@dataclass
class Interruption:
    what: str  # restart or failover
    at_ms: int
    sold: int
    waiting: int
    inside: int


@dataclass
class Onsale:
    """`run` it once; then look at `crowd`, `ledger`, `ticks`, `fairness`."""

    people: list[Person]
    plan: Plan
    progress: Callable[[str, int], None] = lambda _what, _count: None  # tickets sold
    opening_ms: int = OPENING_MS
    now_ms: int = OPENING_MS - PRE_QUEUE_MS - 60_000
    ticks: list[Tick] = field(default_factory=list)
    interruptions: list[Interruption] = field(default_factory=list)
    estimates: dict[int, int] = field(default_factory=dict)  # seconds by arrival, as told at the opening
    admitted_ms: dict[int, int] = field(default_factory=dict)  # by arrival, as the rows have it in the end
    fairness: Fairness | None = None
    unsold_because: str = ""
    sold_out_ms: int | None = None

    def __post_init__(self) -> None:
        self.seed = sha256(f"lot {self.plan.seed}".encode()).digest() if self.plan.shuffle else b""
        self.ledger = Ledger(1, self.plan.tickets, MAX_PER_USER, self.seed)
        self.crowd = Crowd(self.people, self, self.ledger)
        self.node = Node((self.ledger.see, self.crowd.see, self._see))
        self._actions: list[tuple[int, int, Action, Visitor]] = []
        self._planned = 0
        self._told_through: int | None = None  # None: nobody has a number yet

    # --- what the crowd needs

    def ask(self, command: Command) -> Reply:
        return self.node.ask(self.now_ms, command)

    def later(self, delay_ms: int, action: Action, visitor: Visitor) -> None:
        self._planned += 1
        heapq.heappush(self._actions, (self.now_ms + max(delay_ms, 1), self._planned, action, visitor))

    # --- the run

    def run(self) -> None:
        self._create()
        self.crowd.come()
        interruptions = self._interruptions()
        following = next(interruptions, None)
        tick_ms = self.opening_ms
        last_ms = self.opening_ms + LASTS_MS_MAX
        while (next_ms := self._next_ms(tick_ms)) is not None and next_ms <= last_ms:
            self.now_ms = max(next_ms, self.now_ms)
            self.node.do_chores(self.now_ms)
            while self._actions and self._actions[0][0] <= self.now_ms:
                _, _, action, visitor = heapq.heappop(self._actions)
                action(visitor)
            self.node.do_chores(self.now_ms)
            if self.now_ms >= tick_ms:
                self._tick()
                tick_ms = self.now_ms + TICK_MS
            self.node.commit(self.now_ms)
            if following is not None and following[1]():
                self._interrupt(following[0])
                following = next(interruptions, None)
        if following is not None:
            self.ledger.fault(f"it ended before the next {following[0]} was reached")
        self._finish()

    def _create(self) -> None:
        plan = self.plan
        room = RoomSpec(
            plan.admit_per_minute, plan.max_inside, self.opening_ms, plan.shuffle, plan.by_stock, plan.turn_ms
        )
        price = f"{PRICE_MINOR // 100}.{PRICE_MINOR % 100:02d}"
        created = self.ask(
            CreateEvent(
                "Onsale",
                self.opening_ms + 30 * 86_400_000,
                (TypeSpec("Standing", price, plan.tickets),),
                on_sale_ms=self.opening_ms,
                max_per_user=MAX_PER_USER,
                waitlist=plan.waitlist,
                room=room,
                seed=self.seed,
            )
        )
        assert isinstance(created, EventReply), created
        assert created.event_id == self.ledger.event_id
        self.node.commit(self.now_ms)

    def _next_ms(self, tick_ms: int) -> int | None:
        """None: whatever may still happen by itself makes no difference to anybody."""
        action_ms = self._actions[0][0] if self._actions else None
        if self.sold_out_ms is not None and self.now_ms > self.sold_out_ms + SEEN_BY_ALL_MS:
            return None
        room = self.node.state.rooms.rows[self.ledger.event_id]
        if action_ms is None and not room.waiting and not room.inside and self.ledger.taken == self.ledger.sold:
            return None
        return min(ms for ms in (action_ms, self.node.next_due_ms(), tick_ms) if ms is not None)

    def _see(self, _state: object, _at_ms: int, fact: f.Fact) -> None:
        if isinstance(fact, f.RoomOpened):
            queue = self.node.sale(self.ledger.event_id).queue
            assert queue is not None
            self.crowd.drawn({arrival: queue.number_of(arrival) for arrival in range(1, queue.room.shuffled + 1)})

    # --- what everybody sees

    def _tick(self) -> None:
        sale, ledger, crowd = self.node.sale(self.ledger.event_id), self.ledger, self.crowd
        now = room_now(sale, self.now_ms)
        through = now.servable_through
        if through is None:
            ledger.fault("the room has opened, and nobody has a number")
            return
        held, waiting = ledger.taken - ledger.sold, sum(each.waiting for each in sale.types.values())
        self.ticks.append(Tick(self.now_ms, ledger.sold, held, now.waiting, now.inside, waiting, through))
        first = self._told_through is None
        before = now.last_number if self._told_through is None else self._told_through
        crowd.told(self.now_ms, before, through)
        self._told_through = through
        if first:
            self._note_estimates(now)
        self._check_told(through)
        if now.state == "sold_out" and self.sold_out_ms is None:
            self.sold_out_ms = self.now_ms
            crowd.sold_out(self.now_ms)
        self.progress("sold", ledger.sold)

    def _note_estimates(self, now: RoomNow) -> None:
        for number in range(1, min(now.servable_through or 0, now.last_number) + 1):
            view = self._view_of(number)
            if view is not None and view.wait_seconds is not None:
                visitor = self.crowd.by_number[number]
                assert visitor is not None
                self.estimates[visitor.arrival] = view.wait_seconds

    def _check_told(self, through: int) -> None:
        """What is said to all, and what each is told of their own place, agree."""
        for number in (through, through + 1):
            view = self._view_of(number) if 0 < number < len(self.crowd.by_number) else None
            if view is not None and view.servable is not (number <= through):
                self.ledger.fault(f"number {number} is told {view.servable}, and all that {through} are reached")

    def _view_of(self, number: int) -> PlaceView | None:
        """What the one who has this number is told, while they wait."""
        visitor = self.crowd.by_number[number]
        if visitor is None or visitor.number != number:
            return None
        sale = self.node.sale(self.ledger.event_id)
        place = self.node.state.places.rows.get(place_id(self.ledger.event_id, visitor.arrival))
        return place_view(sale, place, self.now_ms) if place is not None and place.status == PLACE_WAITING else None

    # --- restarts, and a failover

    def _interruptions(self) -> Iterator[tuple[str, Callable[[], bool]]]:
        tickets, ledger = self.plan.tickets, self.ledger
        yield "restart", lambda: self.now_ms >= self.opening_ms - 60_000
        yield "restart", lambda: ledger.taken * 3 >= tickets
        yield "failover", lambda: ledger.taken * 3 >= tickets * 2
        yield "restart", lambda: ledger.sold * 10 >= tickets * 9

    def _interrupt(self, what: str) -> None:
        room = self.node.state.rooms.rows[self.ledger.event_id]
        when = f"after the {what} at {(self.now_ms - self.opening_ms) / 1000:+.1f} s"
        self.interruptions.append(Interruption(what, self.now_ms, self.ledger.sold, room.waiting, room.inside))
        self.progress(what, self.ledger.sold)
        if what == "restart":
            self.node.restart()
        else:
            self.node.fail_over()
        self._check_state(when)

    def _check_state(self, when: str) -> None:
        try:
            invariants.check(self.node.state)
        except AssertionError as broken:
            self.ledger.fault(f"{when}: {broken}")
        self.ledger.check_places(self.node.state, when)

    # --- the end

    def _finish(self) -> None:
        self.node.commit(self.now_ms)
        self.progress("auditing", self.ledger.sold)
        self._check_state("at the end")
        self.ledger.check_order(self.node.state)
        self.ledger.check_stock(self.node.state)
        self.admitted_ms = {
            each.arrival: each.admitted_ms for each in self.node.state.places.rows.values() if each.admitted_ms
        }
        self.unsold_because = self._why_unsold()
        watch = FairnessWatch(self.ledger.event_id)
        auditor = Auditor(watch=watch.see)
        for batch in self.node.journal:
            auditor.audit(batch.first_seq, batch.at_ms, f.decode(batch.payload))
        for difference in auditor.differences(self.node.state):
            self.ledger.fault(f"audit: {difference}")
        for fault in auditor.finish().faults:
            self.ledger.fault(f"audit, seq {fault.seq}: {fault.what}")
        self.fairness = watch.finish()
        if not self.fairness.is_fair:
            self.ledger.fault(f"not fair: {self.fairness.by_rule}")

    def _why_unsold(self) -> str:
        """Why tickets are left; "" where none are. It is a fault where somebody was there who could have had them."""
        ledger, sale = self.ledger, self.node.sale(self.ledger.event_id)
        if ledger.sold == ledger.capacity:
            return ""
        unsold, held = ledger.capacity - ledger.sold, ledger.taken - ledger.sold
        assert sale.queue is not None
        room = sale.queue.room
        if held:
            ledger.fault(f"{held} tickets are held at the end by people who do nothing any more")
        line = next(iter(sale.lines.values()))
        rows, free = self.node.state.bookings.rows, unsold - held
        wants = [rows[booking_id].quantity for booking_id in line.bookings()]
        if wants:
            next_wants = wants[0] if sale.strict else min(wants)
            if next_wants <= free:
                ledger.fault(f"{free} tickets are free, and somebody in line wants {next_wants}")
            if sale.strict or not room.waiting:
                return f"whoever is next in line wants {next_wants} together"
        if room.waiting or room.inside:
            ledger.fault(f"{free} tickets are free, and {room.waiting} people wait for a turn")
            return "people wait, and nobody is let in"
        return "nobody is left who wants them"

"""The naive model: waiting rooms, an order drawn by lot, and challenges that count once.

Rooms that look at the stock are not played here: what they let in is a guess by its nature, and has tests of its own.
"""

from hashlib import blake2b

from msgspec import UNSET

from onsale.engine import commands as c
from onsale.tests.engine.naive_base import CLAIMED, DONE, HOLDING, NOTHING, SOLD, Answer, Base, Row, no

BEFORE, OPEN, PAUSED, CLOSED = 1, 2, 3, 4
LIVE = ("waiting", "admitted", "holding")
INSIDE = ("admitted", "holding")
PLACE_NUMBERS = {"waiting": 1, "admitted": 2, "holding": 3, "served": 4, "lapsed": 5, "left": 6}
MINUTE_US = 60_000_000
NEVER = float("inf")


def drawn(lot: bytes, count: int) -> dict[int, int]:
    """Numbers by arrival: eight rounds of a Feistel network, walked until the number is one of those there are."""
    bits = max(6, (count - 1).bit_length())
    halves = bits - bits // 2, bits // 2  # of the right one, and of the left one

    def step(value: int) -> int:
        left, right = value >> halves[0], value & (1 << halves[0]) - 1
        for number in range(8):
            half = left if number % 2 else right
            asked = bytes((number, bits)) + half.to_bytes(8, "big")
            mixed = int.from_bytes(blake2b(asked, digest_size=8, key=lot, person=b"onsale lot").digest(), "big")
            if number % 2:
                right ^= mixed & (1 << halves[0]) - 1
            else:
                left ^= mixed & (1 << halves[1]) - 1
        return left << halves[0] | right

    numbers = {}
    for arrival in range(1, count + 1):
        value = step(arrival - 1)
        while value >= count:
            value = step(value)
        numbers[arrival] = value + 1
    return numbers


class Onsale(Base):
    def __init__(self, promotions_max: int = 1000) -> None:
        super().__init__(promotions_max)
        self.challenges: set[bytes] = set()
        self.rooms: dict[int, Row] = {}  # by event
        self.removed: dict[int, Row] = {}
        self.sold_before: set[int] = set()

    # --- challenges

    def lacks_challenge(self, event: Row, proof: c.Proof | None) -> bool:
        if not event["challenge"]:
            return False
        return proof is None or proof.expires_ms <= self.now or proof.digest in self.challenges

    def use_challenge(self, event: Row, proof: c.Proof | None) -> None:
        if event["challenge"] and proof is not None:
            self.challenges.add(proof.digest)

    # --- a room's rules

    def room_after(self, event: Row | None, asked: c.RoomSpec | c.RoomChange, seed: bytes) -> Row | None:
        """The room as it would be; None if that cannot be."""
        known = self.rooms.get(event["id"]) if event else None
        if known is None and event and event["id"] in self.removed:
            return None
        fields = {"admit_per_minute": UNSET, "max_inside": None, "opens_ms": None, "shuffle": False, "turn_ms": 300_000}
        if known is not None:
            fields = {name: known[name] for name in fields}
        for name in fields:
            value = getattr(asked, name)
            if value is not UNSET and not (name == "turn_ms" and value is None):
                fields[name] = value
        if fields["admit_per_minute"] is UNSET or not 1 <= fields["admit_per_minute"] <= 1_000_000:
            return None
        if fields["max_inside"] is not None and fields["max_inside"] < 1:
            return None
        if not 10_000 <= fields["turn_ms"] <= 86_400_000:
            return None
        if known is not None:
            come = known["places"] or known["opened"]
            if (known["opened"] and fields["opens_ms"] != known["opens_ms"]) or (
                come and fields["shuffle"] != known["shuffle"]
            ):
                return None
        room = known or {
            "state": BEFORE, "opened": False, "places": [], "through": 0, "paced": 0, "forgotten": 0, "seed": b"",
            "numbers": {},
        }  # fmt: skip
        state = getattr(asked, "state", UNSET)
        if state is not UNSET:
            state = BEFORE if state == OPEN and not room["opened"] else state
            fields["state"] = state
        fields["seed"] = (room["seed"] if known and known["shuffle"] else seed) if fields["shuffle"] else b""
        return {**room, **fields}

    def remove_room(self, event: Row) -> None:
        room = self.rooms.pop(event["id"], None)
        if room is not None and room["forgotten"] < len(room["places"]):
            self.removed[event["id"]] = room

    def on_sale_now(self, event: Row) -> bool:
        return not event["cancelled"] and not event["closed"] and self.now < self.closes(event)

    # --- people

    def on_join_queue(self, asked: c.JoinQueue) -> Answer:
        event = self.events.get(asked.event_id)
        if event is None:
            return no("no_such_event")
        if event["cancelled"]:
            return no("event_cancelled")
        if event["closed"] or self.now >= self.closes(event):
            return no("not_on_sale")
        room = self.rooms.get(event["id"])
        if room is None:
            return no("wrong_status")
        mine = [place for place in room["places"] if place["user"] == asked.user_id]
        last = mine[-1] if mine else None
        over = last is not None and last["status"] in INSIDE and last["expires"] <= self.now
        if last is not None and last["status"] in LIVE and not over:
            return self._queued(event, room, last, joined=False)
        if room["state"] == CLOSED:
            return no("wrong_status")
        if self.lacks_challenge(event, asked.proof):
            return no("challenge_required")
        self.use_challenge(event, asked.proof)
        has = sum(b["quantity"] for b in self._mine(asked.user_id, event) if b["status"] in CLAIMED)
        if has >= event["max_per_user"]:
            return no("limit_per_user")
        if over:
            last["status"] = "lapsed"
        place = {"arrival": len(room["places"]) + 1, "user": asked.user_id, "status": "waiting", "expires": 0}
        room["places"].append(place)
        return self._queued(event, room, place, joined=True)

    def _queued(self, event: Row, room: Row, place: Row, *, joined: bool) -> Answer:
        fields = {
            "event_id": event["id"],
            "user_id": place["user"],
            "arrival": place["arrival"],
            "number": self.number(room, place),
            "status": PLACE_NUMBERS[place["status"]],
            "now_serving": room["through"],
            "joined": joined,
        }
        return Answer("Queued", fields if joined else {**fields, "nothing": True})

    def number(self, room: Row, place: Row) -> int:
        if room["shuffle"] and not room["opened"]:
            return 0
        return room["numbers"].get(place["arrival"], place["arrival"])

    def on_leave_queue(self, asked: c.LeaveQueue) -> Answer:
        if asked.event_id not in self.events:
            return no("no_such_event")
        place = self._place(asked.event_id, asked.arrival)
        if place is None:
            return no("not_found")
        if place["status"] == "left":
            return NOTHING
        if place["status"] not in LIVE:
            return no("wrong_status")
        place["status"] = "left"
        return DONE

    def _place(self, event_id: int, arrival: int) -> Row | None:
        room = self.rooms.get(event_id)
        if room is None or not room["forgotten"] < arrival <= len(room["places"]):
            return None
        return room["places"][arrival - 1]

    def turn_of(self, event: Row, asked: c.Book) -> Row | None:
        """The place of somebody whose turn it is."""
        event_id, arrival = divmod(asked.place_id, 2**32)
        place = self._place(event["id"], arrival) if event_id == event["id"] else None
        if place is None or place["user"] != asked.user_id or place["status"] not in INSIDE:
            return None
        return place if self.now < place["expires"] else None

    def settle_turns(self) -> None:
        """After each step: what somebody has says whether they need their turn any longer."""
        sold = {number for number, booking in self.bookings.items() if booking["status"] in SOLD}
        for event_id, room in self.rooms.items():
            for place in room["places"]:
                made = [b for b in self.bookings.values() if b["event"] == event_id and b.get("place") is place]
                has = [b for b in made if b["status"] in CLAIMED]
                if place["status"] == "lapsed" and any(b["id"] in sold - self.sold_before for b in made):
                    place["status"] = "served"
                if place["status"] not in INSIDE:
                    continue
                if any(b["status"] in HOLDING for b in has):
                    place["status"] = "holding"
                else:
                    place["status"] = "served" if has else "admitted"
        self.sold_before = sold

    # --- chores

    def on_open_room(self, asked: c.OpenRoom) -> Answer:
        event, room = self.events[asked.event_id], self.rooms.get(asked.event_id)
        if (
            room is None
            or not self.on_sale_now(event)
            or room["state"] != BEFORE
            or self._opens(event, room) > self.now
        ):
            return NOTHING
        room.update(opened=True, state=OPEN)
        if room["shuffle"]:
            digest = b""
            for place in room["places"]:
                digest = blake2b(digest + place["user"].encode(), digest_size=32, person=b"onsale lot").digest()
            lot = blake2b(room["seed"] + digest, digest_size=32, person=b"onsale lot").digest()
            room["numbers"] = drawn(lot, len(room["places"])) if room["places"] else {}
        return DONE

    def _opens(self, event: Row, room: Row) -> int:
        return max(room["opens_ms"] or 0, event["on_sale_ms"] or 0)

    def _admits(self, event: Row, room: Row) -> float:
        """When the next may come in."""
        waiting = any(place["status"] == "waiting" for place in room["places"])
        inside = sum(place["status"] in INSIDE for place in room["places"])
        if room["state"] != OPEN or not waiting or (room["max_inside"] is not None and inside >= room["max_inside"]):
            return NEVER
        one_us = -(-MINUTE_US // room["admit_per_minute"])
        return max(-(-(room["paced"] + max(one_us, 100_000)) // 1000), event["on_sale_ms"] or 0)

    def on_admit(self, asked: c.Admit) -> Answer:
        event, room = self.events[asked.event_id], self.rooms.get(asked.event_id)
        if room is None or not self.on_sale_now(event) or self._admits(event, room) == NEVER:
            return NOTHING
        one_us, now_us = -(-MINUTE_US // room["admit_per_minute"]), self.now * 1000
        since_us = max(room["paced"], now_us - max(1_000_000, one_us))
        people = max(now_us - since_us, 0) * room["admit_per_minute"] // MINUTE_US
        if room["max_inside"] is not None:
            people = min(people, room["max_inside"] - sum(place["status"] in INSIDE for place in room["places"]))
        if people <= 0 or (event["on_sale_ms"] or 0) > self.now:
            return NOTHING
        by_number = {self.number(room, place): place for place in room["places"]}
        admitted = 0
        while admitted < people and room["through"] < len(room["places"]):
            room["through"] += 1
            place = by_number[room["through"]]
            if place["status"] == "waiting":
                place.update(status="admitted", expires=self.now + room["turn_ms"])
                self.told += 1  # type: ignore[attr-defined]  # of what is told
                self.notices.append((place["user"], "admitted", 0))
                admitted += 1
        if admitted:
            room["paced"] = since_us - (-admitted * MINUTE_US // room["admit_per_minute"])
        return DONE

    def on_lapse_turns(self, asked: c.LapseTurns) -> Answer:
        room = self.rooms.get(asked.event_id) or self.removed.get(asked.event_id)
        over = [
            place
            for place in (room["places"] if room else ())
            if place["arrival"] in asked.arrivals and place["status"] in INSIDE and place["expires"] <= self.now
        ]
        for place in over:
            place["status"] = "lapsed"
        return DONE if over else NOTHING

    def on_forget_places(self, asked: c.ForgetPlaces) -> Answer:
        room = self._emptying().get(asked.event_id)
        if room is None:
            return NOTHING
        room["forgotten"] = min(len(room["places"]), room["forgotten"] + 512)
        for place in room["places"][: room["forgotten"]]:
            place["status"] = "forgotten"
        if asked.event_id in self.removed and room["forgotten"] == len(room["places"]):
            del self.removed[asked.event_id]
        return DONE

    def _emptying(self) -> dict[int, Row]:
        over = {n: room for n, room in self.rooms.items() if self.events[n]["cancelled"] or self.events[n]["closed"]}
        rooms = {**over, **self.removed}
        return {number: room for number, room in rooms.items() if room["forgotten"] < len(room["places"])}

    def room_dues(self) -> list[float]:
        """When something happens in a waiting room by itself."""
        dues: list[float] = [0.0 for _ in self._emptying()]
        for number, room in [*self.rooms.items(), *self.removed.items()]:
            dues += [place["expires"] for place in room["places"] if place["status"] in INSIDE]
            event = self.events[number]
            if number in self.removed or event["cancelled"] or event["closed"]:
                continue
            dues.append(self._opens(event, room) if room["state"] == BEFORE else self._admits(event, room))
        return dues

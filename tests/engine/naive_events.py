"""The naive model: what an organiser does, and users."""

from msgspec import UNSET

from onsale.engine import commands as c
from onsale.tests.engine.naive_base import CLAIMED, DECIMALS, DONE, EVENT_FIELDS, OVER_MS, Answer, Row, minor, no
from onsale.tests.engine.naive_onsale import Onsale


class Events(Onsale):
    def on_create_event(self, asked: c.CreateEvent) -> Answer:
        event = {name: getattr(asked, name) for name in EVENT_FIELDS}
        if self._wrong(event) or not asked.types:
            return no("invalid_field")
        prices = [minor(spec.price, event["currency"]) for spec in asked.types]
        if None in prices or len({spec.name for spec in asked.types}) < len(asked.types):
            return no("invalid_field")
        room = None if asked.room is None else self.room_after(None, asked.room, asked.seed)
        if asked.room is not None and room is None:
            return no("invalid_field")
        event.update(
            id=self.next["event"], cancelled=False, closed=False, booked=False, disabled=False, told=0, tell_below=0
        )
        self.next["event"] += 1
        self.events[event["id"]] = event
        if room is not None:
            self.rooms[event["id"]] = room
        for spec, price in zip(asked.types, prices, strict=True):
            self._add_type(event, spec.name, price, spec.capacity)
        return self._event_reply(event, created=True)

    def _wrong(self, event: Row) -> bool:
        return (
            event["currency"] not in DECIMALS
            or (event["ends_ms"] is not None and event["ends_ms"] < event["starts_ms"])
            or (event["on_sale_ms"] is not None and event["on_sale_ms"] > self.closes(event))
        )

    def _add_type(self, event: Row, name: str, price: int | None, capacity: int) -> None:
        number = self.next["type"]
        self.types[number] = {"id": number, "event": event["id"], "name": name, "price": price, "capacity": capacity}
        self.next["type"] += 1

    def _event_reply(self, event: Row, *, created: bool = False) -> Answer:
        fields = {name: event[name] for name in (*EVENT_FIELDS, "cancelled", "closed")}
        views = tuple(
            (kind["id"], kind["name"], kind["price"], kind["capacity"], *self.counts(kind))
            for kind in self._types(event)
        )
        return Answer("EventReply", {**fields, "event_id": event["id"], "created": created, "views": views})

    def on_change_event(self, asked: c.ChangeEvent) -> Answer:
        before = self.events.get(asked.event_id)
        if before is None:
            return no("no_such_event")
        if before["cancelled"]:
            return no("event_cancelled")
        told = {name: getattr(asked, name) for name in EVENT_FIELDS if getattr(asked, name) is not UNSET}
        event = {**before, **told}
        if any(before[name] != event[name] for name in ("starts_ms", "ends_ms")):
            too_far = self.closes(event) != self.closes(before) and self.closes(event) < self.now - OVER_MS // 2
            if self.has_archived(before) or (before["booked"] and too_far):
                return no("invalid_field")
        kinds = {kind["id"]: dict(kind) for kind in self._types(event)}
        if self._wrong(event) or not self._change_types(asked, before, event, kinds):
            return no("invalid_field")
        if asked.room not in (UNSET, None):
            room = self.room_after(before, asked.room, asked.seed)
            if room is None:
                return no("invalid_field")
            self.rooms[event["id"]] = room
        elif asked.room is None:
            self.remove_room(before)
        noteworthy = any(
            before[name] != event[name] for name in ("name", "starts_ms", "ends_ms", "venue", "city", "country")
        )
        if before["webhook_url"] != event["webhook_url"]:
            before["disabled"] = False
        before.update(told)
        if noteworthy and before["booked"]:
            before.update(told=0, tell_below=self.next["booking"])
        if self.closes(before) > self.now:
            before["closed"] = False
        for number in sorted(kinds):
            self.types[number] = kinds[number]
            self.next["type"] = max(self.next["type"], number + 1)
        if self.closes(before) > self.now and not event["closed"]:
            room = self.promotions_max
            for kind in self._types(before):
                room -= self._serve(kind, asked.hold_ms, room)
        return self._event_reply(before)

    def on_tell_of_change(self, asked: c.TellOfChange) -> Answer:
        """Everybody at once: the bounds of a step are too wide to be met here."""
        event = self.events[asked.event_id]
        for number in range(event["told"] + 1, event["tell_below"]):
            booking = self.bookings.get(number)
            if booking is not None and booking["event"] == event["id"] and booking["status"] in CLAIMED:
                self._tell(booking, "changed")
        event["told"] = event["tell_below"] - 1
        return DONE

    def _change_types(self, asked: c.ChangeEvent, before: Row, event: Row, kinds: dict[int, Row]) -> bool:
        """Change `kinds` as asked; False if that cannot be."""
        by_name = {kind["name"]: kind for kind in self._types(event)}
        number, seen, priced = self.next["type"], set(), set()
        for change in asked.types:
            price = None if change.price is None else minor(change.price, event["currency"])
            if change.price is not None and price is None:
                return False
            kind = kinds.get(change.id) if change.id is not None else by_name.get(change.name)
            if change.id is not None and (kind is None or change.id >= self.next["type"]):
                return False
            if kind is None:
                if change.name is None or price is None or change.capacity is None:
                    return False
                kinds[number] = {"id": number, "event": event["id"], "name": change.name, "price": price}
                kinds[number]["capacity"] = change.capacity
                number += 1
                continue
            kind = kinds[kind["id"]]
            held, sold, _ = self.counts(kind)
            if kind["id"] in seen or (change.capacity is not None and change.capacity < held + sold):
                return False
            seen.add(kind["id"])
            if price is not None:
                priced.add(kind["id"])
                kind["price"] = price
            kind["name"] = kind["name"] if change.name is None else change.name
            kind["capacity"] = kind["capacity"] if change.capacity is None else change.capacity
        repriced = all(kind["id"] in priced for kind in by_name.values())
        if event["currency"] != before["currency"] and (before["booked"] or not repriced):
            return False
        return len({kind["name"] for kind in kinds.values()}) == len(kinds)

    def on_cancel_event(self, asked: c.CancelEvent) -> Answer:
        event = self.events.get(asked.event_id)
        if event is None:
            return no("no_such_event")
        if event["cancelled"]:
            return no("event_cancelled")
        if self.has_archived(event):
            return no("wrong_status")
        event["cancelled"] = True
        return self._event_reply(event)

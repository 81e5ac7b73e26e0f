"""One Stripe account: its objects in the order they were made, and finding, listing and expanding them.

Owns no rule about what may become of them (stripe_intents.py, stripe_refunds.py).
"""

import itertools
from collections.abc import Callable, Iterator
from typing import NamedTuple

import orjson
from stripe_errors import Json, invalid, missing_resource
from stripe_forms import group, integer, only, text
from stripe_idempotency import Idempotency
from stripe_ledger import Kind, Ledger, Movement

API_VERSION = "2026-10-28.endive"
TABLES = ("payment_intent", "charge", "refund", "dispute", "payment_method", "event")
EXPANDABLE = {
    "latest_charge": "charge",
    "charge": "charge",
    "payment_intent": "payment_intent",
    "payment_method": "payment_method",
}
FAR_SECONDS = 1 << 40
EVENTS_KEPT_MAX = 20_000  # Stripe keeps 30 days of them


class World(NamedTuple):
    """What all accounts share."""

    now: Callable[[], float]
    new_id: Callable[[str], str]
    send: Callable[[Json], None]  # an event, to the webhooks
    ledger: Ledger


class Account:
    def __init__(self, account_id: str, key: str, world: World) -> None:
        self.id = account_id
        self.key = key
        self.world = world
        self.tables: dict[str, dict[str, Json]] = {name: {} for name in TABLES}
        self.aliases: dict[str, str] = {}  # of a payment method here: the test payment method it was made from
        self.idempotency = Idempotency()
        self.refunds_stay_pending = False
        self.request: Json = {"id": None, "idempotency_key": None}  # the one being executed

    @property
    def now_seconds(self) -> int:
        return int(self.world.now())

    def add(self, row: Json) -> Json:
        self.tables[row["object"]][row["id"]] = row
        return row

    def find(self, kind: str, row_id: str, param: str = "id", *, status: int = 400) -> Json:
        found = self.tables[kind].get(row_id)
        if found is None:
            raise missing_resource(kind, row_id, param, status=status)
        return found

    def emit(self, event_type: str, row: Json) -> None:
        event = {
            "id": self.world.new_id("evt"),
            "object": "event",
            "api_version": API_VERSION,
            "created": self.now_seconds,
            "data": {"object": snapshot(row)},
            "livemode": False,
            "pending_webhooks": 1,
            "request": dict(self.request),
            "type": event_type,
        }
        self.add(event)
        events = self.tables["event"]
        if len(events) > EVENTS_KEPT_MAX:
            del events[next(iter(events))]
        self.world.send(event)

    def move(self, kind: Kind, reference: str, intent: str, amount: int, currency: str, metadata: Json) -> None:
        movement = Movement(kind, reference, intent, amount, currency, dict(metadata), self.world.now(), self.id)
        self.world.ledger.append(movement)

    def page(self, kind: str, params: Json, *filters: str) -> Json:
        """https://docs.stripe.com/api/pagination: newest first, `limit` 1 to 100, `starting_after`, `ending_before`."""
        only(params, {"limit", "starting_after", "ending_before", "created", *filters})
        limit = integer(params, "limit", 10, minimum=1, maximum=100)
        low, high = _created(params)
        wanted = {name: text(params, name) for name in filters if name in params}
        table = self.tables[kind]
        before, after = text(params, "ending_before"), text(params, "starting_after")
        if before and after:
            raise invalid("You may only specify one of these parameters: ending_before, starting_after.")
        rows: Iterator[Json] = iter(table.values()) if before else reversed(table.values())
        cursor = before or after
        if cursor is not None:
            self.find(kind, cursor, "ending_before" if before else "starting_after")
            rows = itertools.dropwhile(lambda row: row["id"] != cursor, rows)
            next(rows)
        chosen = (
            row
            for row in rows
            if low <= row["created"] <= high and all(row.get(name) == value for name, value in wanted.items())
        )
        data = list(itertools.islice(chosen, limit + 1))
        has_more = len(data) > limit
        data = data[:limit]
        if before:
            data.reverse()
        return {"object": "list", "url": f"/v1/{kind}s", "has_more": has_more, "data": data}

    def expanded(self, row: Json, paths: list[str]) -> Json:
        """A copy, with what `expand` asks for in place of ids: https://docs.stripe.com/api/expanding_objects."""
        answer = snapshot(row)
        for path in paths:
            if answer["object"] == "list":
                first, _, rest = path.partition(".")
                if first != "data" or not rest:
                    raise invalid(f"This property cannot be expanded ({path}).", "expand")
                for part in answer["data"]:
                    self._expand(part, rest)
            else:
                self._expand(answer, path)
        return answer

    def _expand(self, row: Json, path: str) -> None:
        name, _, rest = path.partition(".")
        if name not in EXPANDABLE or name not in row:
            raise invalid(f"This property cannot be expanded ({path}).", "expand")
        if isinstance(row[name], str):
            row[name] = snapshot(self.tables[EXPANDABLE[name]][row[name]])
        if rest and row[name] is not None:
            self._expand(row[name], rest)


def _created(params: Json) -> tuple[int, int]:
    """The bounds of `created`, both included."""
    created = params.get("created", {})
    bounds = created if isinstance(created, dict) else {"gte": created, "lte": created}
    only(bounds, {"gt", "gte", "lt", "lte"})

    def bound(name: str, default: int) -> int:
        return integer(bounds, name, default, minimum=0, maximum=FAR_SECONDS)

    return max(bound("gte", 0), bound("gt", -1) + 1), min(bound("lte", FAR_SECONDS), bound("lt", FAR_SECONDS) - 1)


def snapshot(row: Json) -> Json:
    """A copy that later changes don't touch."""
    copied: Json = orjson.loads(orjson.dumps(row))
    return copied


def nested(params: Json, name: str, known: set[str]) -> Json:
    found = group(params, name)
    only({f"{name}[{part}]": value for part, value in found.items()}, {f"{name}[{part}]" for part in known})
    return found
